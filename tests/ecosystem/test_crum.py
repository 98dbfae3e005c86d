"""django-crum: the current user is the event's, wherever the handler's code runs."""

import asyncio

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from crum import get_current_request, get_current_user
from django.contrib.auth.models import User

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


def current() -> str:
    return get_current_user().get_username()


class Desk(AppState, rx.State):
    name: str = ""

    @rx.event
    def look(self):
        assert get_current_request() is self.request
        self.name = current()

    @rx.event
    async def look_async(self):
        await asyncio.sleep(0.01)
        self.name = await sync_to_async(current)()

    @rx.event
    def look_as_generator(self):
        yield
        self.name = current()

    @rx.event(background=True)
    async def look_in_background(self):
        assert get_current_user() is None
        name = await self.in_middleware(current)
        async with self:
            self.name = name


app = bridged_app()


@pytest.mark.parametrize("handler", [Desk.look, Desk.look_async, Desk.look_as_generator])
async def test_current_user_is_the_events_user(handler):
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada) as tab:
        assert (await tab.fire(handler)).vars["name"] == "ada"


async def test_piece_of_a_background_task_has_it():
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada) as tab:
        await tab.fire(Desk.look_in_background)
        assert (await tab.background()).vars["name"] == "ada"


async def test_users_of_simultaneous_events_do_not_mix():
    ada = await User.objects.acreate_user("ada")
    bob = await User.objects.acreate_user("bob")
    async with EventClient(app, user=ada) as first, first.tab(user=bob) as second:
        for _ in range(10):
            await asyncio.gather(first.fire(Desk.look_async), second.fire(Desk.look_as_generator))
            assert (await first.state(Desk)).name == "ada"
            assert (await second.state(Desk)).name == "bob"
