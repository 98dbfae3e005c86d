"""A server that is stopped amid the work of its tabs."""

import asyncio
import contextlib
import uuid
from collections.abc import Iterator

import pytest
import websockets
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections as databases

from rxbridge.events import reflex_asgi
from tests.events.app import app
from tests.events.wire import Socket, connect
from tests.servers import KINDS, Kind, Server, run_server

SLOW = "reflex___state____state.tests___events___slow_site____slow"
# With more threads granian 2.8 ends now and then before it tells the application.
ARGS: dict[Kind, list[str]] = {"uvicorn": [], "granian": ["--runtime-mode", "st"]}

server_test = pytest.mark.server
with_sessions = pytest.mark.django_db(transaction=True)


@contextlib.contextmanager
def slow_site(kind: Kind, folder, *, grace: float) -> Iterator[Server]:
    environment = {
        "RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"]),
        "RXBRIDGE_TEST_GRACE": str(grace),
    }
    site = "tests.events.slow_site:application"
    with run_server(kind, site, env=environment, cwd=folder, args=ARGS[kind]) as server:
        yield server


async def begin(tab: Socket, handler: str, seconds: float) -> None:
    """Fire an event that takes its time, and wait until it has begun."""
    await tab.fire(f"{SLOW}.{handler}", name=handler, seconds=seconds)
    await tab.var("begun", handler)


async def stop(server: Server) -> None:
    """Stop the server as a deployment does, and wait for it longer than any event here takes."""
    server.process.terminate()
    await asyncio.to_thread(server.process.wait, 45)


@server_test
@with_sessions
@pytest.mark.parametrize("handler", ["sleep", "compute"])
@pytest.mark.parametrize("kind", KINDS)
async def test_events_end_and_are_kept_when_the_server_stops(kind, handler, tmp_path):
    session = SessionStore()
    session["before"] = "kept"
    await session.asave()
    cookies, token = {"sessionid": session.session_key}, str(uuid.uuid4())
    site = slow_site(kind, tmp_path, grace=40)
    with site as server, contextlib.suppress(websockets.ConnectionClosed):
        async with connect(server.ws_url, token=token, cookies=cookies) as tab:
            await tab.fire(f"{SLOW}.{handler}", name="first", seconds=1)
            await tab.fire(f"{SLOW}.{handler}", name="next", seconds=0)
            await tab.var("begun", "first")
            await tab.heard()
            await stop(server)
    assert await SessionStore(session.session_key).aload() == {
        "before": "kept",
        "first": "ended",
        "next": "ended",
    }
    with slow_site(kind, tmp_path, grace=40) as server:
        async with connect(server.ws_url, token=token, cookies=cookies) as tab:
            assert tab.vars()["ended"] == ["first", "next"]


@server_test
@with_sessions
async def test_an_event_that_outlasts_the_grace_is_cancelled_and_named(tmp_path):
    with slow_site("uvicorn", tmp_path, grace=0.5) as server:
        with contextlib.suppress(websockets.ConnectionClosed):
            async with connect(server.ws_url) as tab:
                await begin(tab, "sleep", 600)
                await stop(server)
        assert "did not end within reflex_asgi(grace=0.5)" in server.log
        assert f"{SLOW}.sleep" in server.log


@server_test
@with_sessions
async def test_a_background_task_does_not_hold_up_a_server_that_stops(tmp_path):
    with slow_site("uvicorn", tmp_path, grace=600) as server:
        with contextlib.suppress(websockets.ConnectionClosed):
            async with connect(server.ws_url) as tab:
                await begin(tab, "go_on_forever", 0)
                await stop(server)
        assert "did not end" not in server.log


def test_a_grace_of_less_than_nothing_is_refused():
    with pytest.raises(ValueError, match="write 0"):
        reflex_asgi(app, grace=-1)
