"""With states in Redis, what a tab is sent is its own user's or nobody else's, at any worker."""

import contextlib
import uuid
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connections as databases
from django.test import Client

from tests.events.wire import connect
from tests.servers import Server, run_server
from tests.state.redis_server import needs_redis, run_redis

pytestmark = [pytest.mark.server, needs_redis, pytest.mark.django_db(transaction=True)]

HALL = (
    "reflex___state____state.reflex___istate___shared____shared_state_base_internal"
    ".tests___state___rooms_site____hall"
)
LETTER = "reflex___state____state.tests___state___rooms_site____letter"


@contextlib.contextmanager
def worker(folder, redis_url) -> Iterator[Server]:
    folder.mkdir()
    environment = {
        "REFLEX_REDIS_URL": redis_url,
        "RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"]),
    }
    with run_server(
        "uvicorn", "tests.state.rooms_site:application", env=environment, cwd=folder
    ) as server:
        yield server


@pytest.fixture
def workers(tmp_path) -> Iterator[tuple[Server, Server]]:
    with (
        run_redis() as redis_url,
        worker(tmp_path / "one", redis_url) as first,
        worker(tmp_path / "two", redis_url) as second,
    ):
        yield first, second


def cookies_of(username: str) -> dict[str, str]:
    client = Client()
    client.force_login(User.objects.create_user(username))
    return {name: morsel.value for name, morsel in client.cookies.items()}


@pytest.fixture
def users() -> tuple[dict[str, str], dict[str, str]]:
    return cookies_of("ann"), cookies_of("bob")


def sent(tab, var) -> list[str]:
    """Return all that a tab was ever sent of ``var``."""
    return [
        changes[f"{var}_rx_state_"]
        for update in tab.received
        for changes in (update.get("delta") or {}).values()
        if f"{var}_rx_state_" in changes
    ]


async def test_at_one_worker_a_tab_is_sent_its_own_users(workers, users):
    one, _ = workers
    room = uuid.uuid4().hex
    async with (
        connect(one.ws_url, cookies=users[0]) as ann,
        connect(one.ws_url, cookies=users[1]) as bob,
    ):
        for tab in (ann, bob):
            await tab.fire(f"{HALL}.join", room=room)
        await bob.var("count_for", "0 for bob")
        await ann.fire(f"{HALL}.add")
        await bob.var("count_for", "1 for bob")
        await bob.fire(f"{HALL}.add")
        await ann.var("count_for", "2 for ann")
        await ann.fire(f"{LETTER}.push", token=bob.token, note="hello")
        await bob.var("note_for", "hello for bob")


async def test_at_another_worker_a_tab_keeps_what_it_shows_until_its_own_event(workers, users):
    one, two = workers
    room = uuid.uuid4().hex
    async with (
        connect(one.ws_url, cookies=users[0]) as ann,
        connect(two.ws_url, cookies=users[1]) as bob,
    ):
        for tab in (ann, bob):
            await tab.fire(f"{HALL}.join", room=room)
        await bob.var("count_for", "0 for bob")
        await ann.fire(f"{HALL}.add")
        await bob.var("count", 1)
        await ann.fire(f"{LETTER}.push", token=bob.token, note="hello")
        await bob.var("note", "hello")
        await bob.fire(f"{HALL}.add")
        await bob.var("count_for", "2 for bob")
        await ann.var("count", 2)
        for tab, username in ((ann, "ann"), (bob, "bob")):
            shown = [*sent(tab, "count_for"), *sent(tab, "note_for")]
            assert [each for each in shown if not each.endswith(f" for {username}")] == []
