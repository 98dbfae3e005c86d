"""django-ratelimit: a handler that is called too often is refused."""

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import HttpResponse
from django_ratelimit.core import is_ratelimited
from django_ratelimit.exceptions import Ratelimited

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)
LIMIT = {"group": "press", "key": "user_or_ip", "rate": "2/h", "increment": True}


def too_often(request, exception):
    return HttpResponse(status=429)


class Desk(AppState, rx.State):
    pressed: int = 0

    @rx.event
    def press(self):
        if is_ratelimited(self.request, **LIMIT):
            raise Ratelimited
        self.pressed += 1

    @rx.event
    async def press_async(self):
        if await sync_to_async(is_ratelimited)(self.request, **LIMIT):
            raise Ratelimited
        self.pressed += 1


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


@pytest.mark.parametrize("handler", [Desk.press, Desk.press_async])
async def test_limited_handler_is_refused(handler):
    async with EventClient(bridged_app()) as tab:
        assert (await tab.fire(handler)).toasts == []
        assert (await tab.fire(handler)).toasts == []
        refused = await tab.fire(handler)
        assert refused.toasts == ["That was too often. Please wait a moment and try again."]
        assert (await tab.state(Desk)).pressed == 2


async def test_without_a_view_for_it_the_refusal_is_a_403(settings):
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "ratelimit" not in path]
    async with EventClient(bridged_app()) as tab:
        for _ in range(2):
            await tab.fire(Desk.press)
        assert (await tab.fire(Desk.press)).toasts == ["You are not allowed to do that."]


async def test_limit_is_that_of_a_user_not_of_a_tab():
    ada = await User.objects.acreate_user("ada")
    bob = await User.objects.acreate_user("bob")
    async with (
        EventClient(bridged_app(), user=ada) as first,
        first.tab(user=ada) as second,
        first.tab(user=bob) as other,
    ):
        await first.fire(Desk.press)
        await first.fire(Desk.press)
        assert len((await second.fire(Desk.press)).toasts) == 1
        assert (await other.fire(Desk.press)).toasts == []


async def test_limit_of_visitors_is_by_address():
    async with EventClient(bridged_app(), client="203.0.113.7") as first:
        for _ in range(3):
            await first.fire(Desk.press)
        async with first.tab(client="203.0.113.8") as second:
            assert (await second.fire(Desk.press)).vars["pressed"] == 1
