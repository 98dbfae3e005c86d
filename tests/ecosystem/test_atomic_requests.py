"""ATOMIC_REQUESTS on SQLite and PostgreSQL at once: a handler does what the Django view does."""

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.db import IntegrityError, connections, transaction
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import path

from rxbridge.testing import EventClient
from tests.ecosystem.notes.models import Note
from tests.ecosystem.site import bridged_app

ALIASES = ("default", "server")
pytestmark = pytest.mark.django_db(transaction=True, databases=ALIASES)
journal: list[str] = []


def work(does: str) -> None:
    """Write to both databases, and end as ``does`` says."""
    for alias in ALIASES:
        note = Note.objects.using(alias).create(text="written")
        transaction.on_commit(lambda alias=alias: journal.append(alias), using=alias)
        if does == "fail within":
            with pytest.raises(IntegrityError), transaction.atomic(using=alias):
                Note.objects.using(alias).create(pk=note.pk, text="twice")
    journal.append("at its end")
    if does == "raise":
        raise ValueError


class Desk(rx.State):
    @rx.event
    def atomic(self, does: str):
        work(does)

    @rx.event
    @transaction.non_atomic_requests(using="server")
    def half_atomic(self, does: str):
        work(does)


def atomic(request, does):
    work(does)
    return HttpResponse()


@transaction.non_atomic_requests(using="server")
def half_atomic(request, does):
    return atomic(request, does)


urlpatterns = [
    path("atomic/<does>/", atomic),
    path("half_atomic/<does>/", half_atomic),
]


@sync_to_async
def outcome() -> tuple[list[str], list[int]]:
    """Return what was noted and is written, and begin anew."""
    seen = journal[:]
    journal.clear()
    notes = [Note.objects.using(alias) for alias in ALIASES]
    written = [each.count() for each in notes]
    for each in notes:
        each.all().delete()
    connections.close_all()  # or PostgreSQL does not drop the test's database
    return seen, written


EXPECTED = {
    ("atomic", "return"): (["at its end", *ALIASES], [1, 1]),
    ("atomic", "raise"): (["at its end"], [0, 0]),
    ("atomic", "fail within"): (["at its end", *ALIASES], [1, 1]),
    ("half_atomic", "return"): (["server", "at its end", "default"], [1, 1]),
    ("half_atomic", "raise"): (["server", "at its end"], [0, 1]),
}


@pytest.mark.parametrize(("name", "does"), EXPECTED)
@pytest.mark.parametrize("release", [False, True], ids=["kept", "released"])
async def test_handler_leaves_behind_what_the_view_does(name, does, release):
    await AsyncClient(raise_request_exception=False).get(f"/{name}/{does}/")
    assert await outcome() == EXPECTED[name, does]
    app = bridged_app(release=release)
    async with EventClient(app, raise_exceptions=False) as tab:
        await tab.fire(getattr(Desk, name)(does))
    assert await outcome() == EXPECTED[name, does]
