"""django-hijack: a handler runs as the user taken over, and can tell."""

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


class Desk(AppState, rx.State):
    name: str = ""
    hijacked: bool = False

    @rx.event
    def look(self):
        self.name, self.hijacked = self.user.get_username(), self.user.is_hijacked

    @rx.event
    async def look_async(self):
        user = await self.request.auser()
        self.name, self.hijacked = user.get_username(), user.is_hijacked


app = bridged_app()


def taken_over(hijacker: User, hijacked: User) -> dict[str, str]:
    browser = Client()
    browser.force_login(hijacker)
    response = browser.post("/hijack/acquire/", {"user_pk": hijacked.pk})
    assert response.status_code == 302
    return {name: morsel.value for name, morsel in browser.cookies.items()}


@pytest.mark.parametrize("handler", [Desk.look, Desk.look_async])
async def test_handler_runs_as_the_user_taken_over(handler):
    root = await User.objects.acreate_superuser("root")
    ada = await User.objects.acreate_user("ada")
    cookies = await sync_to_async(taken_over)(root, ada)
    async with EventClient(app, cookies=cookies) as tab:
        fired = await tab.fire(handler)
    assert (fired.vars["name"], fired.vars["hijacked"]) == ("ada", True)


@pytest.mark.parametrize("handler", [Desk.look, Desk.look_async])
async def test_user_who_signed_in_is_not_hijacked(handler):
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada) as tab:
        await tab.fire(handler)
        desk = await tab.state(Desk)
    assert (desk.name, desk.hijacked) == ("ada", False)
