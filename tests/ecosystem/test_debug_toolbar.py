"""django-debug-toolbar: left out of events, which have no page to put it on."""

import pytest
import reflex as rx
from django.contrib.auth.models import User
from django.test import AsyncClient

from rxbridge.events import DEFAULT_SKIP
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app, not_skipped

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "debug_toolbar.middleware.DebugToolbarMiddleware"


class Desk(rx.State):
    users: int = -1

    @rx.event
    def count(self):
        self.users = User.objects.count()

    @rx.event
    async def count_async(self):
        self.users = await User.objects.acount()


@pytest.mark.parametrize("handler", [Desk.count, Desk.count_async])
@pytest.mark.parametrize("skip", [DEFAULT_SKIP, not_skipped(PATH)], ids=["skipped", "kept"])
async def test_handler_runs_with_it_and_without(skip, handler):
    async with EventClient(bridged_app(skip=skip)) as tab:
        assert (await tab.fire(handler)).vars["users"] == 0


async def test_page_of_djangos_has_the_toolbar():
    response = await AsyncClient().get("/")
    assert b"djDebug" in response.content
