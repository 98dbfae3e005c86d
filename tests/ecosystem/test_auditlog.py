"""django-auditlog: a row written by a handler is logged with its actor and address."""

import asyncio

import pytest
import reflex as rx
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.contrib.auth.models import User

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.notes.models import Note
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)
auditlog.register(Note)


class Desk(AppState, rx.State):
    @rx.event
    def write(self, text: str):
        Note.objects.create(text=text)

    @rx.event
    async def write_async(self, text: str):
        await asyncio.sleep(0.01)
        await Note.objects.acreate(text=text)

    @rx.event
    def write_as_generator(self, text: str):
        yield
        Note.objects.create(text=text)

    @rx.event(background=True)
    async def write_in_background(self, text: str):
        await self.in_middleware(Note.objects.create, text=text)

    @rx.event(background=True)
    async def write_async_in_background(self, text: str):
        await self.in_middleware(Note.objects.acreate, text=text)


app = bridged_app()
WRITERS = [Desk.write, Desk.write_async, Desk.write_as_generator]


@pytest.mark.parametrize(
    "handler", [*WRITERS, Desk.write_in_background, Desk.write_async_in_background]
)
async def test_actor_and_address_are_recorded(handler):
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada, client="203.0.113.7") as tab:
        await tab.fire(handler, text="hello")
        await tab.background()
    note = await Note.objects.aget()
    entry = await LogEntry.objects.select_related("actor").aget(object_pk=str(note.pk))
    assert (entry.actor, entry.remote_addr) == (ada, "203.0.113.7")


async def test_visitors_row_has_no_actor():
    async with EventClient(app) as tab:
        await tab.fire(Desk.write, text="hello")
    assert (await LogEntry.objects.aget()).actor_id is None


async def test_actors_of_simultaneous_events_do_not_mix():
    users = [await User.objects.acreate_user(f"user{number}") for number in range(8)]
    async with EventClient(app, user=users[0]) as first:
        others = [first.tab(user=user) for user in users[1:]]
        for other in others:
            await other.__aenter__()
        tabs = [first, *others]
        await asyncio.gather(
            *(tab.fire(handler, text=tab.user.username) for tab in tabs for handler in WRITERS)
        )
        for other in others:
            await other.__aexit__(None, None, None)
    entries = [entry async for entry in LogEntry.objects.select_related("actor")]
    assert len(entries) == len(users) * len(WRITERS)
    assert {entry.object_repr == entry.actor.username for entry in entries} == {True}
