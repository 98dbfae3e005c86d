"""django-simple-history: the history of a row knows which user's event changed it."""

import asyncio

import pytest
import reflex as rx
from django.contrib.auth.models import User
from simple_history import register

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.notes.models import Note
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)
register(Note, app="tests.ecosystem.notes")


class Desk(AppState, rx.State):
    @rx.event
    def write(self, text: str):
        Note.objects.create(text=text)

    @rx.event
    async def write_async(self, text: str):
        await asyncio.sleep(0.01)
        await Note.objects.acreate(text=text)

    @rx.event(background=True)
    async def write_in_background(self, text: str):
        await self.in_middleware(Note.objects.create, text=text)

    @rx.event(background=True)
    async def write_async_in_background(self, text: str):
        await self.in_middleware(Note.objects.acreate, text=text)


app = bridged_app()


@pytest.mark.parametrize(
    "handler",
    [Desk.write, Desk.write_async, Desk.write_in_background, Desk.write_async_in_background],
)
async def test_history_user_is_the_events_user(handler):
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada) as tab:
        await tab.fire(handler, text="hello")
        await tab.background()
    entry = await Note.history.select_related("history_user").aget()
    assert (entry.text, entry.history_user) == ("hello", ada)


async def test_visitors_row_has_no_user():
    async with EventClient(app) as tab:
        await tab.fire(Desk.write, text="hello")
    assert (await Note.history.aget()).history_user_id is None


async def test_users_of_simultaneous_events_do_not_mix():
    ada = await User.objects.acreate_user("ada")
    bob = await User.objects.acreate_user("bob")
    async with EventClient(app, user=ada) as first, first.tab(user=bob) as second:
        await asyncio.gather(
            *(
                tab.fire(handler, text=tab.user.username)
                for _ in range(5)
                for tab in (first, second)
                for handler in (Desk.write, Desk.write_async)
            )
        )
    entries = [entry async for entry in Note.history.select_related("history_user")]
    assert len(entries) == 20
    assert {entry.text == entry.history_user.username for entry in entries} == {True}
