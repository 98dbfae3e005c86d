"""Two tabs of one session, one of which has a handler that takes its time."""

import asyncio
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore

from rxbridge.testing import EventClient
from tests.events.app import Counter, app, journal

pytestmark = pytest.mark.django_db(transaction=True)


async def meanwhile(handler: Any, *, afresh: bool, **payload: Any) -> tuple[Any, str]:
    """Fire ``handler`` in one tab amid a long handler of another; return what became of that."""
    journal.clear()
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada) as tab, tab.tab() as other:
        key = tab.cookies["sessionid"]
        long = asyncio.create_task(tab.fire(Counter.set_session_slowly, afresh=afresh))
        async with asyncio.timeout(30):
            while "waits" not in journal:  # noqa: ASYNC110 - a handler appends it
                await asyncio.sleep(0.01)
        await other.fire(handler, **payload)
        journal.append("goes on")
        return await long, key


@pytest.mark.parametrize(("afresh", "value"), [(False, None), (True, "kept")])
async def test_what_a_long_handler_saves_is_the_session_as_it_loaded_it(afresh, value):
    _, key = await meanwhile(Counter.set_session, afresh=afresh, value="kept")
    stored = await SessionStore(key).aload()
    assert (stored["slow"], stored.get("value")) == ("ended", value)


async def test_logout_of_another_tab_is_not_undone_by_a_long_handler():
    fired, key = await meanwhile(Counter.sign_out, afresh=False)
    assert fired.refusals[0].status == 400
    assert not await SessionStore(key).aexists(key)
