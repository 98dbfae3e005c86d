"""States in Redis: their locks outlive long handlers, and what a page is shown is stored."""

import asyncio
import contextlib
from collections.abc import Iterator

import pytest
import redis
import reflex as rx
from redis.asyncio import Redis
from reflex.istate.manager.redis import StateManagerRedis
from reflex.istate.manager.token import BaseStateToken
from reflex_base.utils.exceptions import LockExpiredError

from rxbridge.events.reflex.redis_states import RedisStates
from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.events.app import app
from tests.state.redis_server import needs_redis, run_redis

pytestmark = [needs_redis, pytest.mark.django_db(transaction=True)]

EXPIRATION = 600
"""Milliseconds that a lock lives by itself."""

gates: dict[str, asyncio.Event] = {}


class Store(AppState, rx.State):
    """Handlers that take longer than a lock lives, or whose lock is lost."""

    count: int = 0
    note: str = ""

    async def _lose_lock(self) -> None:
        with redis.Redis.from_url(gates["url"]) as client:  # type: ignore[arg-type]
            client.flushall()

    @rx.event
    async def count_up(self):
        self.count += 1

    @rx.event
    async def count_up_late(self):
        await asyncio.sleep(EXPIRATION * 1.5 / 1000)
        self.count += 1

    @rx.event
    async def count_up_and_lose_the_lock(self):
        self.count += 1
        await self._lose_lock()
        return rx.console_log("told")

    @rx.event
    async def steps_then_lose_the_lock(self):
        self.count += 1
        yield
        await self._lose_lock()
        self.count += 1

    @rx.event
    async def steps(self):
        self.note = "begun"
        yield
        self.count += 1
        self.note = "done"

    @rx.event
    def steps_on_a_thread(self):
        self.note = "begun"
        yield
        self.count += 1
        self.note = "done"

    @rx.event
    def steps_that_return(self):
        self.note = "begun"
        yield
        self.count += 1
        return rx.console_log("told")

    @rx.event
    def count_and_go(self):
        self.count += 1
        self.navigate("/elsewhere/")

    @rx.event
    async def step_then_fail(self):
        self.count += 1
        yield
        raise ValueError

    @rx.event
    async def count_and_tell(self):
        self.count += 1
        return rx.console_log("told")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with run_redis() as url:
        gates["url"] = url  # type: ignore[assignment]
        yield url


def states(url: str, **options) -> RedisStates:
    options = {"lock_expiration": EXPIRATION, "lock_warning_threshold": EXPIRATION - 1, **options}
    return RedisStates.in_place_of(StateManagerRedis(redis=Redis.from_url(url), **options))


@contextlib.asynccontextmanager
async def visit(manager, **options):
    tab = EventClient(app, **options)
    tab.server._manager, manager.server = manager, tab.server
    try:
        async with tab:
            await tab.load("/")
            yield tab
    finally:
        await manager.close()


async def stored(manager, tab) -> int:
    token = BaseStateToken(ident=tab.token, cls=Store)
    root = await StateManagerRedis.get_state(manager, token)
    return root.get_substate(Store.get_full_name().split(".")).count


async def test_lock_lives_as_long_as_its_handler(url):
    async with visit(states(url)) as tab:
        assert (await tab.fire(Store.count_up_late)).vars["count"] == 1
        assert (await tab.fire(Store.count_up)).vars["count"] == 2


async def test_lock_is_not_extended_for_a_short_handler_nor_after_its_end(url, monkeypatch):
    extended = []

    async def extend(self, *lock):
        extended.append(lock)

    monkeypatch.setattr(RedisStates, "extend", extend)
    async with visit(states(url)) as tab:
        await tab.fire(Store.count_up)
        await asyncio.sleep(EXPIRATION / 1000)
        assert extended == []


async def test_lock_of_another_is_not_extended(url):
    manager = states(url)
    await manager.redis.set("lock", b"another", px=EXPIRATION)
    async with asyncio.timeout(5):
        await manager.extend(b"lock", b"own")
    assert await manager.redis.pttl("lock") <= EXPIRATION / 2
    await manager.close()


async def test_lock_that_is_anothers_by_now_is_left_to_it(url):
    manager = states(url)
    token = BaseStateToken(ident="tab", cls=Store)
    key = manager._lock_key(token)
    with contextlib.suppress(ValueError):
        async with manager.modify_state(token):
            await manager.redis.set(key, b"another", px=EXPIRATION)
            raise ValueError  # Before it is stored, where it would be noted.
    assert await manager.redis.get(key) == b"another"
    await manager.close()


async def test_lock_is_extended_once_redis_answers_again(url, monkeypatch):
    manager = states(url)
    await manager.redis.set("lock", b"own", px=EXPIRATION)
    answers = iter([redis.ConnectionError(), 1, 0])

    async def answer(*_):
        given = next(answers)
        if isinstance(given, Exception):
            raise given
        return given

    monkeypatch.setattr(manager.redis, "eval", answer)
    async with asyncio.timeout(5):
        await manager.extend(b"lock", b"own")
    assert next(answers, None) is None
    await manager.close()


class Watching(RedisStates):
    """What pages were sent by the time each state was stored."""

    async def set_state(self, token, state, **context):
        self.sent_before = list(self.server._received.get(token.ident, ()))
        await super().set_state(token, state, **context)


def shown(updates) -> list[dict]:
    return [
        {name.removesuffix("_rx_state_"): value for name, value in changes.items()}
        for update in updates
        for full_name, changes in (update.delta or {}).items()
        if full_name == Store.get_full_name()
    ]


@pytest.mark.parametrize(
    ("handler", "before"),
    [
        (Store.count_up, []),
        (Store.count_and_tell, []),
        (Store.steps, [{"note": "begun"}]),
        (Store.steps_on_a_thread, [{"note": "begun"}]),
        (Store.steps_that_return, [{"note": "begun"}]),
        (Store.count_and_go, []),
    ],
)
async def test_last_delta_leaves_after_the_state_is_stored(url, handler, before):
    manager = Watching.in_place_of(states(url))
    async with visit(manager) as tab:
        fired = await tab.fire(handler)
        assert shown(manager.sent_before) == before
        assert fired.vars["count"] == 1
        events = [event for update in manager.sent_before for event in update.events]
        assert events == []
        assert await stored(manager, tab) == 1


@pytest.mark.parametrize(
    "handler", [Store.count_and_tell, Store.steps_that_return, Store.count_and_go]
)
async def test_events_come_after_the_delta_they_followed(url, handler):
    manager = states(url)
    async with visit(manager) as tab:
        sent = []
        emit = tab.server.emit_update

        async def note(update, token):
            sent.append("delta" if update.delta else update.events[0].name)
            await emit(update, token)

        tab.server.emit_update = note
        await tab.fire(handler)
        assert [name.startswith("_call") for name in sent][-2:] == [False, True]


@pytest.mark.parametrize(
    "handler", [Store.count_up_and_lose_the_lock, Store.steps_then_lose_the_lock]
)
async def test_page_whose_lock_was_lost_is_told_and_shows_what_is_stored(url, handler):
    manager = states(url)
    async with visit(manager, raise_exceptions=False) as tab:
        await tab.fire(Store.count_up)
        fired = await tab.fire(handler)
        assert isinstance(fired.exceptions[0], LockExpiredError)
        assert fired.vars["count"] == await stored(manager, tab) == 0
        assert "An error occurred." in str(fired.events)
        assert (await tab.fire(Store.count_up)).vars["count"] == 1


async def test_events_of_what_was_not_stored_are_sent_all_the_same(url):
    async with visit(states(url), raise_exceptions=False) as tab:
        fired = await tab.fire(Store.count_up_and_lose_the_lock)
        assert "told" in str(fired.events)


async def test_page_of_a_handler_that_fails_shows_what_is_stored(url):
    manager = states(url)
    async with visit(manager, raise_exceptions=False) as tab:
        fired = await tab.fire(Store.step_then_fail)
        assert fired.vars["count"] == await stored(manager, tab) == 0
        assert not manager.ahead


async def test_page_that_could_not_load_again_is_sent_all_by_its_next_event(url):
    manager = states(url)
    async with visit(manager) as tab:
        manager.ahead.add(tab.token)
        fired = await tab.fire(Store.count_up)
        assert "note" in fired.vars
        assert not manager.ahead


async def test_states_that_stay_in_the_process_are_shown_at_once(url, monkeypatch):
    monkeypatch.setenv("REFLEX_OPLOCK_ENABLED", "1")
    # Its lock is not to run out where the machine is too busy to extend one of 0.6 seconds.
    manager = states(url, lock_expiration=30_000, oplock_hold_time_ms=EXPIRATION // 2)
    async with visit(manager) as tab:
        assert not manager.stores_each_event
        assert (await tab.fire(Store.count_up)).vars["count"] == 1
        assert (await tab.fire(Store.count_up_late)).vars["count"] == 2
        async with asyncio.timeout(20):
            while await stored(manager, tab) != 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
