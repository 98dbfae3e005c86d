"""django-reversion: an event sent as a POST is one revision, by its user."""

import asyncio

import pytest
import reflex as rx
import reversion
from django.contrib.auth.models import User
from reversion.models import Revision, Version

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.notes.models import Note
from tests.ecosystem.site import as_gets, bridged_app

pytestmark = pytest.mark.django_db(transaction=True)
reversion.register(Note)


class Desk(AppState, rx.State):
    def _write(self):
        for text in ("first", "second"):
            Note.objects.create(text=text)

    @rx.event
    def write(self):
        self._write()

    @rx.event
    async def write_async(self):
        for text in ("first", "second"):
            await asyncio.sleep(0.01)
            await Note.objects.acreate(text=text)

    @rx.event(background=True)
    async def write_in_background(self):
        await self.in_middleware(self._write)


@pytest.mark.parametrize("handler", [Desk.write, Desk.write_async, Desk.write_in_background])
async def test_event_is_one_revision_by_its_user(handler):
    ada = await User.objects.acreate_user("ada")
    async with EventClient(bridged_app(), user=ada) as tab:
        await tab.fire(handler)
        await tab.background()
    revision = await Revision.objects.select_related("user").aget()
    assert revision.user == ada
    assert await Version.objects.filter(revision=revision).acount() == 2


async def test_event_sent_as_a_get_makes_no_revision():
    async with EventClient(bridged_app(as_gets)) as tab:
        await tab.fire(Desk.write)
    assert (await Note.objects.acount(), await Revision.objects.acount()) == (2, 0)
