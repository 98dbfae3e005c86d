"""TabHandover: whose note of a tab is taken away before Reflex links its token, whose is not."""

import asyncio
import contextlib
import logging
import pickle
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from redis.asyncio import Redis
from reflex.state import StateUpdate
from reflex.utils.token_manager import LostAndFoundRecord, RedisTokenManager, SocketRecord

from rxbridge.events.reflex import handover
from rxbridge.events.reflex.handover import TabHandover
from tests.servers import free_port
from tests.state.redis_server import needs_redis, run_redis

pytestmark = needs_redis

KEY = "token_manager_socket_record_a-tab"


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with run_redis() as url:
        yield url


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(handover, "PATIENCE", 0.3)


class Worker:
    """The part of a worker that Redis knows."""

    def __init__(self, url: str) -> None:
        self.tabs = RedisTokenManager(Redis.from_url(url))
        self.commands: list[str] = []
        self.emitted: list[object] = []
        self.handover = TabHandover("/_event", SimpleNamespace(sio=None))
        self.handover._token_manager = self.tabs
        self.handover.emit_update = self._emit
        execute = self.tabs.redis.execute_command

        async def counted(*args, **options):
            self.commands.append(args[0])
            return await execute(*args, **options)

        self.tabs.redis.execute_command = counted

    async def listen(self) -> None:
        """Subscribe as a worker does before it has its first tab."""
        self.tabs.ensure_lost_and_found_task(self.handover._hear)
        channel = f"channel:{self.tabs._get_lost_and_found_key(self.tabs.instance_id)}"
        nothing = pickle.dumps(LostAndFoundRecord(token="", update=StateUpdate()))
        async with asyncio.timeout(5):
            while not await self.tabs.redis.publish(channel, nothing):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            while not self.emitted:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        self.emitted.clear()

    async def _emit(self, update, token) -> None:
        self.emitted.append((update, token))

    async def take(self) -> None:
        """Note that the tab is here."""
        await self.tabs.link_token_to_sid("a-tab", "a-sid")

    async def handshake(self, token="a-tab") -> None:
        """Have the tab come to this worker."""
        await self.handover.make_way(token, None)

    async def note(self) -> bytes | None:
        return await self.tabs.redis.get(KEY)

    async def be_killed(self) -> None:
        """End without a word: Redis hears no more of it, and keeps its notes."""
        await self.tabs.close()


@pytest.fixture
async def workers(redis_url):
    made = [Worker(redis_url), Worker(redis_url)]
    await made[0].tabs.redis.flushall()
    yield made
    for worker in made:
        await worker.tabs.close()


async def test_note_of_a_worker_that_is_gone_is_taken_away(workers):
    gone, here = workers
    await gone.listen()
    await gone.take()
    await gone.be_killed()
    await here.handshake()
    assert await here.note() is None
    assert await here.tabs.link_token_to_sid("a-tab", "another-sid") is None


async def test_note_of_a_worker_that_ends_before_it_answers_is_taken_away(workers, monkeypatch):
    monkeypatch.setattr(handover, "ANSWER", 0.2)
    ending, here = workers
    monkeypatch.setattr(ending.handover, "_answer", lambda *_: asyncio.Event().wait())
    await ending.listen()
    await ending.take()
    handshake = asyncio.create_task(here.handshake())
    await asyncio.sleep(0.1)
    await ending.be_killed()
    await handshake
    assert await here.note() is None


@pytest.mark.parametrize("back_at", [0, 1], ids=["same worker", "other worker"])
async def test_note_that_its_worker_is_about_to_take_away_keeps_no_tab_from_its_state(
    workers, back_at
):
    had_it = workers[0]
    await had_it.listen()
    await had_it.take()
    note = await had_it.note()
    await had_it.tabs.disconnect_token("a-tab", "a-sid")
    await had_it.tabs.redis.set(KEY, note)
    await workers[back_at].handshake()
    assert await had_it.note() is None


async def test_tab_of_a_worker_that_listens_is_left_to_it_and_hears_nothing(workers):
    other, here = workers
    await other.listen()
    await other.take()
    note = await here.note()
    await here.handshake()
    await asyncio.sleep(0.05)
    assert await here.note() == note
    assert other.emitted == [], "a page would have been told"
    assert await here.tabs.link_token_to_sid("a-tab", "another-sid") is not None


async def test_worker_that_listens_again_in_time_keeps_its_tab(workers):
    other, here = workers
    await other.take()
    handshake = asyncio.create_task(here.handshake())
    await asyncio.sleep(0.05)
    await other.listen()
    await handshake
    assert await here.note() is not None


async def test_worker_that_does_not_listen_but_watches_its_notes_renews_one_taken_away(workers):
    """Reflex has two subscriptions, and each protects a worker's tabs."""
    other, here = workers
    await other.take()
    async with asyncio.timeout(5):
        while not await here.tabs.redis.pubsub_numpat():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    note = await here.note()
    await here.handshake()
    await asyncio.sleep(0.05)
    assert await here.note() == note


async def test_note_of_a_tab_that_came_back_elsewhere_meanwhile_stays(workers):
    gone, here = workers
    await gone.take()
    await gone.be_killed()
    handshake = asyncio.create_task(here.handshake())
    await asyncio.sleep(0.05)
    newer = pickle.dumps(SocketRecord(instance_id="a third", sid="newer"))
    await here.tabs.redis.set(KEY, newer)
    await handshake
    assert await here.note() == newer


async def test_socket_without_a_token_does_not_leave_the_listening_to_reflex(workers):
    other, _ = workers
    await other.handshake(token="")
    other.tabs.ensure_lost_and_found_task(other._emit)  # As Reflex does as the socket connects.
    channel = f"channel:{other.tabs._get_lost_and_found_key(other.tabs.instance_id)}"
    question = LostAndFoundRecord(token="", update=handover.Question(frozenset(), "an-answer"))
    async with asyncio.timeout(5):
        while not await other.tabs.redis.publish(channel, pickle.dumps(question)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await other.tabs.redis.blpop(["an-answer"], timeout=5)
    assert other.emitted == []


async def test_update_of_a_tab_from_another_worker_waits_for_no_other_tabs(workers):
    other, here = workers
    await here.listen()

    async def emit(update, token) -> None:
        if token == "one that takes long":
            await asyncio.Event().wait()
        here.emitted.append(token)

    here.handover.emit_update = emit
    channel = f"channel:{here.tabs._get_lost_and_found_key(here.tabs.instance_id)}"
    for token in ("one that takes long", "a-tab"):
        record = LostAndFoundRecord(token=token, update=StateUpdate())
        await other.tabs.redis.publish(channel, pickle.dumps(record))
    async with asyncio.timeout(5):
        while not here.emitted:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert here.emitted == ["a-tab"]
    for task in here.handover._passing_on:
        task.cancel()


async def test_own_tab_is_left_to_reflex(workers):
    _, here = workers
    await here.take()
    await here.handshake()
    assert await here.note() is not None


async def test_costs_a_handshake_one_read_and_nothing_else_any(workers):
    _, here = workers
    await here.handshake()
    assert here.commands == ["GET"]
    await here.handshake(token="")
    assert here.commands == ["GET"]


async def test_handshake_goes_on_without_redis(caplog):
    here = Worker(f"redis://127.0.0.1:{free_port()}")
    with caplog.at_level(logging.WARNING, "rxbridge"):
        await here.handshake()
    assert "may lose its state" in caplog.text
    with contextlib.suppress(Exception):
        await here.tabs.close()


@pytest.mark.parametrize("note", [b"no pickle", pickle.dumps("of another release")])
async def test_handshake_goes_on_with_a_note_that_is_none(workers, note, caplog):
    _, here = workers
    await here.tabs.redis.set(KEY, note)
    await here.handshake()
    assert await here.note() == note
    assert "may lose its state" in caplog.text
