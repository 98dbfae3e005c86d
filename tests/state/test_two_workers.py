"""Two workers and one Redis: a tab goes on at the other worker when its own ends."""

import asyncio
import contextlib
import os
import signal
import time
import uuid
from collections import deque
from collections.abc import Iterator

import pytest
import websockets
from django.contrib.auth.models import User
from django.db import connections as databases
from django.test import Client

from tests.events.wire import Socket, answering, connect
from tests.servers import Server, run_server
from tests.state.redis_server import needs_redis, run_redis

pytestmark = [pytest.mark.server, needs_redis, pytest.mark.django_db(transaction=True)]

CLICK = "reflex___state____state.tests___state___shared_site____clicks.click"
BROWSER = {"rxbridge_browser_test": "a" * 32}
CLICKS = range(1, 201)
AT_ONCE = 10


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with run_redis() as url:
        yield url


@contextlib.contextmanager
def worker(folder, redis_url) -> Iterator[Server]:
    environment = {
        "REFLEX_REDIS_URL": redis_url,
        "REFLEX_REDIS_LOCK_EXPIRATION": "3000",  # what a killed worker held is free after it
        "RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"]),
    }
    with run_server(
        "uvicorn", "tests.state.shared_site:application", env=environment, cwd=folder
    ) as server:
        yield server


@pytest.fixture
def workers(tmp_path, redis_url) -> Iterator[tuple[Server, Server]]:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    with worker(one, redis_url) as first, worker(two, redis_url) as second:
        yield first, second


@pytest.fixture
def cookies() -> dict[str, str]:
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    return {name: morsel.value for name, morsel in client.cookies.items()}


class Clicker:
    """A user who clicks, some at once, and again what the page does not show after a reconnect.

    Reflex's client in a browser sends each click once, and keeps those of a time without a
    connection for the next one.
    """

    def __init__(self) -> None:
        self.shown: set[int] = set()

    async def click(self, socket: Socket, end_at: int | None = None, end=lambda: None) -> None:
        waiting = deque(number for number in CLICKS if number not in counted(socket))
        sent: set[int] = set()
        while waiting or sent:
            while waiting and len(sent) < AT_ONCE:
                sent.add(waiting[0])
                await socket.fire(CLICK, number=waiting.popleft())
            await asyncio.wait_for(socket.read(), 20)
            self.shown |= counted(socket)
            sent -= self.shown
            if end_at is not None and len(self.shown) >= end_at:
                end_at = end()


def counted(socket: Socket) -> set[int]:
    return set(socket.vars().get("clicks", ()))


async def settle(socket: Socket) -> None:
    """Read until nothing comes: a worker that is stopping ends the events it has begun."""
    with contextlib.suppress(TimeoutError):
        while True:
            await asyncio.wait_for(socket.read(), 0.5)


# Whoever reads a delta ends the worker that sent it.
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_tab_goes_on_at_the_other_worker_when_its_own_ends(workers, cookies, how):
    one, two = workers
    clicker, token = Clicker(), str(uuid.uuid4())
    with contextlib.suppress(websockets.ConnectionClosed, OSError):
        async with connect(one.ws_url, token=token, cookies=cookies) as tab:
            await clicker.click(tab, 80, lambda: os.kill(one.process.pid, how))
    shown_before = set(clicker.shown)
    assert 80 <= len(shown_before) < 200
    began = time.monotonic()
    async with connect(two.ws_url, token=token, cookies=cookies) as tab:
        assert shown_before <= counted(tab)
        await settle(tab)
        await clicker.click(tab)
    assert time.monotonic() - began < 20
    assert (tab.vars()["count"], sorted(tab.vars()["clicks"])) == (200, list(CLICKS))
    assert tab.vars()["username"] == "ada"
    assert not any("new_token" in message for message in tab.raw)


async def test_duplicate_of_a_tab_that_is_open_at_a_worker_gets_a_state_of_its_own(
    workers, cookies
):
    one, two = workers
    token = str(uuid.uuid4())
    async with connect(one.ws_url, token=token, cookies=cookies | BROWSER) as tab:
        await tab.fire(CLICK, number=1)
        await tab.var("count", 1)
        async with (
            answering(tab),
            connect(two.ws_url, token=token, cookies=cookies | BROWSER) as duplicate,
        ):
            assert any("new_token" in message for message in duplicate.raw)
            assert not duplicate.vars().get("count")
        received = len(tab.raw)
        await tab.fire(CLICK, number=2)
        await tab.var("count", 2)
        assert len(tab.raw) == received + 1, "the page was told of the other"


@pytest.mark.parametrize("known", [True, False], ids=["same browser", "stranger"])
async def test_tab_whose_socket_at_a_worker_is_silent_goes_on_at_the_other(workers, cookies, known):
    one, two = workers
    token = str(uuid.uuid4())
    async with connect(one.ws_url, token=token, cookies=cookies | BROWSER) as dead:
        await dead.fire(CLICK, number=1)
        await dead.var("count", 1)
        # Nothing of it is read any more, so nothing is answered.
        shown = cookies | (BROWSER if known else {})
        async with connect(two.ws_url, token=token, cookies=shown) as tab:
            assert any("new_token" in message for message in tab.raw) is not known
            await tab.fire(CLICK, number=2)
            await tab.var("count", 2 if known else 1)
        if not known:
            await dead.fire(CLICK, number=2)
            await dead.var("count", 2)
