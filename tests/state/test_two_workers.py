"""Two workers and one Redis: a tab goes on at the other worker when its own ends."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator

import pytest
import redis
import websockets
from django.contrib.auth.models import User
from django.db import connections as databases
from django.test import Client

from tests.events.wire import Socket, connect
from tests.servers import Server, run_server
from tests.state.redis_server import needs_redis, run_redis

pytestmark = [pytest.mark.server, needs_redis, pytest.mark.django_db(transaction=True)]

CLICK = "reflex___state____state.tests___state___shared_site____clicks.click"
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
    """Clicks, some at once; notes which it was shown, and ends its worker after so many."""

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


async def clicks_through_the_end_of_a_worker(workers, cookies, how: int):
    """Return what was shown before the end, the tab as it came back, and its token before."""
    one, two = workers
    clicker, token = Clicker(), str(uuid.uuid4())
    with contextlib.suppress(websockets.ConnectionClosed, OSError):
        async with connect(one.ws_url, token=token, cookies=cookies) as tab:
            await clicker.click(tab, 80, lambda: os.kill(one.process.pid, how))
    shown_before = set(clicker.shown)
    assert 80 <= len(shown_before) < 200
    began = time.monotonic()
    async with connect(two.ws_url, token=token, cookies=cookies) as tab:
        kept = counted(tab)
        await clicker.click(tab)
        assert time.monotonic() - began < 20
        return shown_before, kept, tab, token


async def test_worker_that_is_stopped_loses_no_click(workers, cookies):
    shown_before, kept, tab, _ = await clicks_through_the_end_of_a_worker(
        workers, cookies, signal.SIGTERM
    )
    assert shown_before <= kept, "an update the page had seen was lost"
    assert (tab.vars()["count"], sorted(counted(tab))) == (200, list(CLICKS))
    assert tab.vars()["username"] == "ada"
    assert not any("new_token" in message for message in tab.raw)


async def test_worker_that_is_killed_has_stored_what_the_page_had_seen(workers, cookies, redis_url):
    """All but the last: Reflex sends a delta before it stores the state it is of.

    Reflex then takes the tab for a duplicate of itself: it notes in Redis which worker has a
    tab, and a killed one takes no note away. So the page goes on as its user, but with a new
    token and an empty state; the old one is in Redis until it expires.
    """
    shown_before, kept, tab, token = await clicks_through_the_end_of_a_worker(
        workers, cookies, signal.SIGKILL
    )
    with redis.Redis.from_url(redis_url) as client:
        (key,) = client.scan_iter(f"{token}_*shared_site____clicks")
        stored = client.get(key)
    assert len(shown_before - numbers_in(stored)) <= 1
    assert any("new_token" in message for message in tab.raw)
    assert kept == set()
    assert (tab.vars()["count"], tab.vars()["username"]) == (200, "ada")


def numbers_in(payload: bytes) -> set[int]:
    """Return the clicks in a pickle whose class only the workers have."""
    code = """
import sys
from tests.state.shared_site import Clicks
print(*Clicks._deserialize(sys.stdin.buffer.read()).clicks)
"""
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, input=payload, capture_output=True, check=True).stdout
    return set(map(int, printed.split()))
