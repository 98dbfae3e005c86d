"""PostgreSQL goes away amid clicks: events fail with a toast or wait, and all resumes by itself.

A proxy stands for it, or the network to it: one that refuses is a server that is being restarted,
a silent one a server that hangs, one that vanishes a machine that is off the network.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from tests.ecosystem.notes.models import Note
from tests.events.wire import Socket, connect
from tests.servers import Server, run_server
from tests.state.proxy import Proxy, run_proxy

pytestmark = [pytest.mark.django_db, pytest.mark.server]

AWAY = "reflex___state____state.tests___ecosystem___away_site____away"
LOAD = "reflex___state____state.hydrate_and_load"
NAVIGATE = "reflex___state____state.reflex___state____on_load_internal_state.on_load_internal"
FAILED = "An error occurred."
REFUSED = "That did not work. Please try again."
BUSY = "The service is busy. Please try again in a moment."
WAITS = ""
FAULTS = {"refuses": Proxy.cut, "hangs": Proxy.fall_silent, "vanishes": Proxy.vanish}

# What becomes of a click, by how connections are kept. Where they are kept the user is known, so
# that it is the handler that fails, and not the chain before it.
OUTCOMES = {
    ("each", "refuses"): REFUSED,
    ("each", "hangs"): REFUSED,
    ("each", "vanishes"): REFUSED,
    ("kept", "refuses"): FAILED,
    ("kept", "hangs"): WAITS,
    ("kept", "vanishes"): FAILED,
    ("pool", "refuses"): BUSY,
    ("pool", "hangs"): WAITS,
    ("pool", "vanishes"): BUSY,
}


class Site:
    """The running site, the proxy before its database, and a visitor who is signed in."""

    server: Server
    proxy: Proxy
    cookies: dict[str, str]

    def __init__(self, keep: str) -> None:
        self.keep = keep

    @contextlib.asynccontextmanager
    async def visit(self) -> AsyncIterator[Socket]:
        async with connect(self.server.ws_url, cookies=self.cookies) as tab:
            await tab.var("username", "ada")
            yield tab

    async def all_threads_are_free(self) -> None:
        async with asyncio.timeout(10), httpx.AsyncClient() as browser:
            while True:
                size, free = (await browser.get(f"{self.server.url}/threads")).json()
                if size == free:
                    return
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module", params=["each", "kept", "pool"])
def site(request, tmp_path_factory, django_db_setup, django_db_blocker) -> Iterator[Site]:
    site = Site(request.param)
    with contextlib.ExitStack() as stack:
        stack.enter_context(django_db_blocker.unblock())
        client = Client()
        client.force_login(User.objects.get_or_create(username="ada")[0])
        site.cookies = {name: morsel.value for name, morsel in client.cookies.items()}
        path = f"{os.environ['PGHOST']}/.s.PGSQL.{os.environ['PGPORT']}"
        site.proxy = stack.enter_context(run_proxy(path))
        environment = {
            "AWAY_KEEP": site.keep,
            "AWAY_HOST": "127.0.0.1",
            "AWAY_PORT": str(site.proxy.port),
            "AWAY_NAME": str(connection.settings_dict["NAME"]),
        }
        target = "tests.ecosystem.away_site:application"
        folder = tmp_path_factory.mktemp("away")
        site.server = stack.enter_context(
            run_server("uvicorn", target, env=environment, cwd=folder)
        )
        yield site
        connection.close()


@sync_to_async
def written(tab: Socket) -> int:
    """Return how many of the tab's clicks are in the database."""
    try:
        return Note.objects.filter(text=tab.token).count()
    finally:
        connection.close()


async def click(tab: Socket, handler: str = "click") -> None:
    """Click, and wait until a click is counted."""
    count = tab.vars()["count"]
    await tab.fire(f"{AWAY}.{handler}")
    async with asyncio.timeout(10):
        while tab.vars()["count"] <= count:
            await tab.read()


async def check_that_page_shows_what_is_stored(tab: Socket) -> None:
    """Clicks that waited are counted first; then all vars come, as on a reload."""
    before = len(tab.received)
    await tab.fire(LOAD)
    async with asyncio.timeout(10):
        while not any("is_hydrated" in str(update) for update in tab.received[before:]):
            await tab.read()
    assert tab.vars()["count"] == await written(tab)
    assert tab.vars()["name"] == tab.vars()["username"] == "ada"


@pytest.mark.parametrize("fault", FAULTS)
async def test_clicks_fail_with_a_toast_or_wait_and_all_resumes(site, fault):
    outcome = OUTCOMES[site.keep, fault]
    async with site.visit() as one, site.visit() as another:
        tabs = {"click": one, "click_async": another}
        for handler, tab in tabs.items():
            await click(tab, handler)
        await site.all_threads_are_free()
        FAULTS[fault](site.proxy)
        for handler, tab in tabs.items():
            await tab.fire(f"{AWAY}.{handler}")
        if outcome == WAITS:
            await asyncio.sleep(1)
        for tab in tabs.values():
            await tab.text(outcome)
            assert sum("__toast" in message for message in tab.raw) == (outcome != WAITS)
        site.proxy.back()
        for handler, tab in tabs.items():
            await click(tab, handler)
            await check_that_page_shows_what_is_stored(tab)
            assert tab.vars()["count"] == (2 if outcome != WAITS else 3)
        await site.all_threads_are_free()


async def test_query_that_takes_too_long_is_ended_by_the_server(site):
    async with site.visit() as tab:
        await tab.fire(f"{AWAY}.click_slowly", seconds=60)
        await tab.text(FAILED)
        await click(tab)
        await check_that_page_shows_what_is_stored(tab)


async def test_user_who_is_known_goes_on_and_one_who_has_to_be_asked_for_is_refused(site):
    async with site.visit() as tab:
        await click(tab)
        await site.all_threads_are_free()
        site.proxy.cut()
        await tab.fire(f"{AWAY}.who")
        if site.keep == "kept":
            await tab.var("name", "ada at 1")
        else:
            await tab.text("__toast")
            assert tab.vars()["name"] == "ada"
        assert tab.vars()["username"] == "ada"
        site.proxy.back()
        await click(tab)
        await check_that_page_shows_what_is_stored(tab)


async def test_tab_that_comes_back_meanwhile_keeps_its_user_and_its_vars(site):
    async with site.visit() as tab:
        await click(tab)
    await site.all_threads_are_free()
    site.proxy.cut()
    again = connect(site.server.ws_url, cookies=site.cookies, token=tab.token, until_loaded=False)
    async with again as tab:
        await tab.text("setTimeout")  # with which its page sends the event once more
        assert any("__toast" in message for message in tab.raw)
        assert tab.vars() == {}
        await tab.fire(NAVIGATE)
        await tab.heard()
        assert tab.vars() == {}
        site.proxy.back()
        await tab.fire(LOAD)
        await tab.var("is_hydrated", True)
        assert tab.vars()["count"] == 1
        await click(tab)
        await check_that_page_shows_what_is_stored(tab)


async def test_page_that_is_opened_meanwhile_shows_its_user_with_the_next_event(site):
    await site.all_threads_are_free()
    site.proxy.cut()
    async with connect(site.server.ws_url, cookies=site.cookies) as tab:
        await tab.text("__toast")
        assert tab.vars()["username"] == ""
        site.proxy.back()
        await click(tab)
        await tab.var("username", "ada")
        await check_that_page_shows_what_is_stored(tab)
