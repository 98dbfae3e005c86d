"""Who is next for a thread, and who holds no more than a share."""

import asyncio
import threading
import time

import pytest

from rxbridge.asgi import ConnectionRegistry
from rxbridge.errors import PoolExhausted
from rxbridge.events import ThreadPool
from rxbridge.events.threads import scaling
from rxbridge.events.threads.line import CROWD, Line, Shares
from rxbridge.events.threads.pool import Lease
from tests.events.threads.test_threads import calm, until, whole

pytestmark = pytest.mark.alone
__all__ = ["calm"]

ADA, BOB = ("1.1.1.1", "ada"), ("2.2.2.2", "bob")


def waiting(*clients):
    """Return a line in which an event of each of ``clients`` waits."""
    line, pool = Line(), ThreadPool()
    for client in clients:
        line.add(Lease(pool, client))
    return line


def served(line, left=100):
    """Take all out of the line, and return whose they were."""
    found = []
    while lease := line.take(Shares((), left)):
        found.append(lease.client)
    assert not line.addresses
    return found


async def event(pool, client, fn, *args):
    with pool.lease(client) as lease:
        return await asyncio.wrap_future(lease.submit(fn, *args))


class Crowd:
    """Events that each hold a thread until they are let go."""

    def __init__(self, pool, clients):
        self.begun = 0
        self._gate = threading.Event()
        self._events = [asyncio.create_task(event(pool, each, self._hold)) for each in clients]

    def _hold(self):
        self.begun += 1
        self._gate.wait(30)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        self._gate.set()
        await asyncio.gather(*self._events)


def test_clients_have_their_turn_one_after_the_other():
    assert served(waiting(ADA, ADA, ADA, BOB, BOB)) == [ADA, BOB, ADA, BOB, ADA]


def test_an_address_has_some_turns_in_a_row_but_not_one_for_each_browser():
    crowd = [("1.1.1.1", f"browser {number}") for number in range(6)]
    assert served(waiting(*crowd, BOB, BOB)) == [*crowd[:CROWD], BOB, *crowd[CROWD:], BOB]


def test_what_is_nobodys_comes_in_order_and_has_its_turn():
    assert served(waiting(None, None, ADA)) == [None, ADA, None]


def test_who_has_left_the_line_is_not_served():
    line = waiting(ADA, BOB)
    gone = line.first(Shares((), 9))
    line.remove(gone)
    line.remove(gone)
    assert served(line) == [BOB]


def test_a_client_may_hold_as_many_as_it_leaves_and_an_address_some_more():
    held = []
    while Shares(held, 16 - len(held)).allow(ADA):
        held.append(ADA)
    assert len(held) == 8
    held = []
    while Shares(held, 16 - len(held)).allow(client := ("1.1.1.1", f"browser {len(held)}")):
        held.append(client)
    assert 8 < len(held) < 16
    assert Shares(held, 16 - len(held)).allow(BOB)


@pytest.mark.usefixtures("calm")
@pytest.mark.parametrize(
    "clients",
    [[ADA] * 40, [("1.1.1.1", f"browser {number}") for number in range(40)]],
    ids=["one browser", "a browser for each event"],
)
async def test_a_crowd_leaves_threads_to_who_comes_later(clients):
    pool = ThreadPool(core=2, limit=16)
    async with Crowd(pool, clients) as crowd:
        await until(lambda: crowd.begun >= 8)
        await asyncio.wait_for(event(pool, BOB, int), 5)
        await asyncio.sleep(0.1)
        assert crowd.begun < 16
    await until(lambda: whole(pool))
    assert not pool._shares().held


async def test_events_that_each_wait_for_a_second_thread_give_up_in_time_and_lose_none():
    pool = ThreadPool(core=2, limit=2, wait=0.2)
    both = asyncio.Barrier(2)

    async def outer():
        with pool.lease() as lease:
            await asyncio.wrap_future(lease.submit(int))
            await both.wait()
            await event(pool, None, int)  # As where a handler has another tab's vars computed.

    ends = await asyncio.gather(outer(), outer(), return_exceptions=True)
    assert PoolExhausted in map(type, ends)
    await until(lambda: whole(pool))


async def test_a_client_whose_share_is_full_is_served_by_what_it_gives_back():
    pool = ThreadPool(core=1, limit=2)
    await asyncio.gather(*(event(pool, ADA, time.sleep, 0.001) for _ in range(50)))
    assert pool.size == 1


async def test_who_has_no_thread_while_another_has_several_waits_less_long(monkeypatch):
    monkeypatch.setattr(scaling.Sample, "is_cpu_bound", lambda self: True)
    monkeypatch.setattr(scaling, "PATIENCE", 3600)
    pool = ThreadPool(core=2, limit=16)
    async with Crowd(pool, [ADA] * 10) as crowd:
        await until(lambda: crowd.begun == 2)
        # His own thread, once he has given it back, is the next of hers.
        assert await asyncio.wait_for(event(pool, BOB, lambda: crowd.begun), 30) == 2


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("1.2.3.4", "1.2.3.5", False),
        ("2001:db8:1:2::3", "2001:db8:1:2:ffff::4", True),
        ("2001:db8:1:2::3", "2001:db8:1:3::3", False),
        ("::ffff:1.2.3.4", "1.2.3.4", True),
        ("::ffff:1.2.3.4", "::ffff:1.2.3.5", False),
        ("", "not an address", True),
    ],
)
def test_network_of_a_client_is_what_it_cannot_choose(one, other, is_same):
    registry = ConnectionRegistry()
    with registry.open(client=(one, 1)) as first, registry.open(client=(other, 2)) as second:
        assert (first.network == second.network) is is_same
