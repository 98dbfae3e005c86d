"""django-silk: an event is profiled with the queries its handler made, and no other's."""

import asyncio

import pytest
import reflex as rx
from django.contrib.auth.models import User
from silk.models import Request

from rxbridge.testing import EventClient
from tests.ecosystem.notes.models import Note
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


class Desk(rx.State):
    @rx.event
    def read(self, number: int):
        for _ in range(number):
            Note.objects.filter(text=f"of {number}").exists()

    @rx.event
    async def read_async(self, number: int):
        for _ in range(number):
            await asyncio.sleep(0.002)
            await Note.objects.filter(text=f"of {number}").aexists()


app = bridged_app()


async def lookups() -> list[int]:
    """Count the handler's queries in each profiled request, and check that they are its own."""
    counts = []
    async for request in Request.objects.all():
        queries = [query.query async for query in request.queries.all()]
        notes = [query for query in queries if "notes_note" in query]
        assert all(f"of {len(notes)}" in query for query in notes)
        counts.append(len(notes))
    return sorted(counts)


@pytest.mark.parametrize("handler", [Desk.read, Desk.read_async])
async def test_queries_of_the_handler_are_recorded(handler):
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada, path="/orders") as tab:
        await tab.fire(handler, number=3)
    recorded = await Request.objects.aget()
    assert (recorded.path, recorded.method) == ("/orders", "POST")
    assert await lookups() == [3]
    assert recorded.end_time is not None


async def test_queries_of_simultaneous_events_do_not_mix():
    async with EventClient(app) as tab:
        await asyncio.gather(
            *(tab.fire(Desk.read, number=number) for number in range(1, 5)),
            *(tab.fire(Desk.read_async, number=number) for number in range(5, 9)),
        )
    assert await lookups() == [1, 2, 3, 4, 5, 6, 7, 8]
