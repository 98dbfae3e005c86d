"""Handlers whose tab has gone: what ends them, and what they leave free."""

import asyncio
import secrets
import time
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest
from django.db import connections as databases

from rxbridge.asgi import ConnectionRegistry
from rxbridge.asgi.connections import BROWSER_COOKIE
from rxbridge.events import EventBridge, ends_with_tab, outlives_tab
from rxbridge.events.reflex.presence import Presence
from rxbridge.events.tab_bound import ENDS_WITH_TAB
from tests.events.wire import connect, vars_of
from tests.servers import KINDS, run_server

SLOW = "reflex___state____state.tests___events___slow_site____slow"
VISITORS, THREADS = 18, 16
GRACE = 5.0


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("handler", ["stream_on_thread", "stream", "await_forever"])
@pytest.mark.parametrize("kind", KINDS)
async def test_visitors_who_leave_their_handlers_behind_hold_no_thread(kind, handler, tmp_path):
    env = {
        "RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"]),
        "RXBRIDGE_TEST_GRACE": "0",
        "RXBRIDGE_TEST_TAB_GRACE": "0.5",
    }
    site = "tests.events.slow_site:application"
    with run_server(kind, site, env=env, cwd=tmp_path) as server:
        async with AsyncExitStack() as stack:
            tabs = [
                await stack.enter_async_context(
                    connect(
                        server.ws_url,
                        cookies={f"{BROWSER_COOKIE}0a": secrets.token_urlsafe(24)},
                        address=f"127.0.1.{number}",
                    )
                )
                for number in range(1, VISITORS + 1)
            ]
            for tab in tabs:
                await tab.fire(f"{SLOW}.{handler}")
            await vars_of(tabs, "begun", handler, of=THREADS)
            assert "closed a stream" not in server.log
        async with connect(server.ws_url) as other:
            await other.fire(f"{SLOW}.let_threads_go")
            await other.var("begun", "let_threads_go")
        deadline = time.monotonic() + 60
        while server.log.count("closed a stream") < THREADS:
            assert time.monotonic() < deadline, server.log
            await asyncio.sleep(0.05)


class Away:
    """A tab as ``Presence`` looks for it, at a time of the test's own."""

    def __init__(self, connection, monkeypatch):
        self.now = time.monotonic()
        self.is_connected = False
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        app = SimpleNamespace(event_namespace=SimpleNamespace(_token_manager=self))
        self.presence = Presence(app, "token", connection, GRACE)

    async def is_token_connected(self, token):
        if self.is_connected is None:
            msg = "Redis is away"
            raise ConnectionError(msg)
        return self.is_connected

    async def is_over(self, after):
        self.now += after
        return await self.presence.is_over()


@pytest.fixture
def connection():
    registry = ConnectionRegistry()
    with registry.open() as connection:
        yield connection


async def test_a_tab_is_gone_once_the_grace_has_passed(connection, monkeypatch):
    tab = Away(connection, monkeypatch)
    assert not await tab.is_over(after=GRACE * 9)
    connection.close()
    assert not await tab.is_over(after=GRACE - 1)
    assert await tab.is_over(after=1)


async def test_a_step_that_comes_late_needs_no_second_one(connection, monkeypatch):
    tab = Away(connection, monkeypatch)
    tab.now += 1
    connection.close()
    assert await tab.is_over(after=GRACE)


async def test_a_tab_that_has_come_back_has_its_grace_anew(connection, monkeypatch):
    tab = Away(connection, monkeypatch)
    connection.close()
    tab.is_connected = True
    assert not await tab.is_over(after=GRACE * 9)
    tab.is_connected = False
    assert not await tab.is_over(after=GRACE * 9)
    assert not await tab.is_over(after=GRACE - 1)
    assert await tab.is_over(after=1)


async def test_a_tab_that_nobody_can_tell_of_is_taken_to_be_there(connection, monkeypatch):
    tab = Away(connection, monkeypatch)
    connection.close()
    tab.is_connected = None
    assert not await tab.is_over(after=GRACE * 9)
    tab.is_connected = False
    assert not await tab.is_over(after=GRACE - 1)
    assert await tab.is_over(after=GRACE)


def test_a_handler_says_whether_it_ends_with_its_tab():
    @ends_with_tab
    async def waits():
        await asyncio.sleep(0)

    @outlives_tab
    def imports():
        yield

    def plain(): ...

    marks = [getattr(each, ENDS_WITH_TAB, None) for each in (waits, imports, plain)]
    assert marks == [True, False, None]


@pytest.mark.parametrize("handler", [lambda: None, "a name"], ids=["not async", "no function"])
def test_what_cannot_end_with_its_tab_is_refused(handler):
    with pytest.raises(TypeError, match=r"async|function"):
        ends_with_tab(handler)


def test_a_grace_of_less_than_nothing_is_refused():
    with pytest.raises(ValueError, match="write None"):
        EventBridge(ConnectionRegistry(), tab_grace=-1)
