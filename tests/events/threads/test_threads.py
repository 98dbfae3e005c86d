"""ThreadPool: exclusive threads, growth for what waits, a bound, and nothing ever lost."""

import asyncio
import gc
import random
import subprocess
import sys
import threading
import time

import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async

from rxbridge.errors import PoolExhausted
from rxbridge.events import ThreadPool
from rxbridge.events.threads import pool as threads
from rxbridge.events.threads import scaling as _scaling
from rxbridge.events.threads import worker as _worker

pytestmark = pytest.mark.alone


async def event(pool, fn, *args):
    """Run ``fn`` as the synchronous code of one event."""
    with pool.lease() as lease:
        async with ThreadSensitiveContext(executor=lease):
            return await sync_to_async(fn)(*args)


async def until(condition, seconds=5.0):
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        await asyncio.sleep(0.002)


def whole(pool):
    """Tell whether every thread of the pool is free."""
    return pool.free == pool.size


@pytest.fixture
def calm(monkeypatch):
    """A machine that does nothing else: what the pool sees is its threads alone."""
    monkeypatch.setattr(_scaling, "LATE", 10)
    monkeypatch.setattr(_scaling.Sample, "is_cpu_bound", lambda self: False)


async def test_an_event_that_never_blocks_takes_no_thread():
    pool = ThreadPool(core=2)
    with pool.lease() as lease:
        assert not lease.worker
    assert pool.size == 0


async def test_a_lease_keeps_one_thread_for_all_its_calls():
    pool = ThreadPool(core=4)
    with pool.lease() as lease:
        async with ThreadSensitiveContext(executor=lease):
            seen = {await sync_to_async(threading.get_ident)() for _ in range(10)}
            assert lease.worker
    assert len(seen) == 1


async def test_no_two_leases_share_a_thread_at_the_same_time():
    pool = ThreadPool(core=2, limit=8)
    busy: set[int] = set()
    clashes = []

    async def one():
        with pool.lease() as lease:
            async with ThreadSensitiveContext(executor=lease):
                me = await sync_to_async(threading.get_ident)()
                clashes.append(me in busy)
                busy.add(me)
                await asyncio.sleep(0.001)
                await sync_to_async(time.sleep)(0.001)
                busy.discard(me)

    await asyncio.gather(*(one() for _ in range(200)))
    assert clashes == [False] * 200
    await until(lambda: whole(pool))
    assert pool.size <= 8


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_events_do_threads_are_exclusive_and_nothing_is_lost(seed, monkeypatch):
    monkeypatch.setattr(_worker, "LINGER", 0.003)
    monkeypatch.setattr(_scaling, "SURPLUS_AFTER", 0.01)
    chance = random.Random(seed)
    holders = {}
    clashes, last = [], threading.local()

    def hook(name):
        def called():
            holder = holders.get(threading.get_ident())
            clashes.append(holder is not None and not holder.is_over)
            last.hook = name

        return called

    pool = ThreadPool(
        core=2, limit=8, idle=0.01, prepare=hook("prepare"), clean=hook("clean"), retire=hook("end")
    )

    async def one():
        with pool.lease() as lease:
            async with ThreadSensitiveContext(executor=lease):
                for _ in range(chance.randint(0, 3)):
                    await sync_to_async(work)(lease, chance.random())
                    await asyncio.sleep(chance.choice([0, 0, 0.001, 0.006]))

    def work(lease, number):
        holder = holders.get(threading.get_ident(), lease)
        clashes.append(holder is not lease and not holder.is_over)
        clashes.append(last.hook != "prepare")
        holders[threading.get_ident()] = lease
        time.sleep(number * 0.004)
        if number < 0.1:
            raise ValueError

    async def crowd():
        events = []
        for _ in range(60):
            events.append(asyncio.create_task(one()))
            await asyncio.sleep(chance.choice([0, 0, 0, 0.002]))
            if chance.random() < 0.2:
                chance.choice(events).cancel()
        return await asyncio.gather(*events, return_exceptions=True)

    results = await asyncio.wait_for(crowd(), 20)
    assert {type(each) for each in results} <= {type(None), ValueError, asyncio.CancelledError}
    assert True not in clashes
    await until(lambda: whole(pool) and pool.size <= 2)


async def test_waiting_events_are_served_in_order_of_arrival():
    pool = ThreadPool(core=1, limit=1)
    order = []

    def work(number):
        time.sleep(0.001)
        order.append(number)

    await asyncio.gather(*(event(pool, work, number) for number in range(20)))
    assert order == list(range(20))


@pytest.mark.usefixtures("calm")
async def test_pool_grows_for_events_that_sleep():
    pool = ThreadPool(core=2, limit=64)
    await asyncio.gather(*(event(pool, time.sleep, 0.02) for _ in range(50)))
    assert 8 <= pool.size <= 64


async def test_pool_does_not_grow_while_the_process_computes(monkeypatch):
    monkeypatch.setattr(_scaling.Sample, "is_cpu_bound", lambda self: True)
    pool = ThreadPool(core=2, limit=64)
    await asyncio.gather(*(event(pool, time.sleep, 0.005) for _ in range(30)))
    assert pool.size == 2


async def test_pool_does_not_grow_while_its_threads_come_back_soon(monkeypatch):
    monkeypatch.setattr(_scaling.Sample, "is_cpu_bound", lambda self: False)
    # On a machine with much else to do 4 ms may be thirty.
    monkeypatch.setattr(_scaling, "SOON", 0.1)
    monkeypatch.setattr(_scaling, "CHECK_INTERVAL", 0.2)
    pool = ThreadPool(core=2, limit=64)
    await asyncio.gather(*(event(pool, time.sleep, 0.004) for _ in range(100)))
    assert pool.size == 2


@pytest.mark.parametrize(
    ("cores_in_use", "is_cpu_bound"), [(0.1, False), (0.6, False), (0.9, True)]
)
def test_process_that_uses_most_of_a_core_is_cpu_bound(cores_in_use, is_cpu_bound):
    sample = _scaling.Sample(0.0, 0)
    sample._wall, sample._cpu = time.monotonic() - 1, time.process_time() - cores_in_use
    assert sample.is_cpu_bound() is is_cpu_bound


async def test_an_event_that_waits_long_gets_a_thread_however_busy_the_process_is(monkeypatch):
    monkeypatch.setattr(_scaling.Sample, "is_cpu_bound", lambda self: True)
    monkeypatch.setattr(_scaling, "PATIENCE", 0.05)
    pool = ThreadPool(core=1, limit=4)
    held = threading.Event()
    holder = asyncio.create_task(event(pool, held.wait))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(event(pool, lambda: "served"), 2) == "served"
    held.set()
    await holder
    assert pool.size == 2


async def test_events_that_wait_long_because_they_are_many_get_no_more_threads(monkeypatch):
    monkeypatch.setattr(_scaling.Sample, "is_cpu_bound", lambda self: True)
    monkeypatch.setattr(_scaling, "PATIENCE", 0.3)
    pool = ThreadPool(core=2, limit=16)
    start = time.monotonic()
    await asyncio.gather(*(event(pool, time.sleep, 0.004) for _ in range(400)))
    assert time.monotonic() - start > 2 * 0.3
    # Not one more at each look; a pause of the whole process may have let a few in.
    assert pool.size < 8


@pytest.mark.usefixtures("calm")
async def test_bound_is_respected_and_waiting_in_vain_is_refused_with_the_remedy():
    pool = ThreadPool(core=2, limit=2, wait=0.05)
    held = threading.Event()
    holders = [asyncio.create_task(event(pool, held.wait)) for _ in range(2)]
    await until(lambda: pool.size == 2)
    with pytest.raises(PoolExhausted, match="limit="):
        await event(pool, int)
    assert pool.size == 2
    held.set()
    await asyncio.gather(*holders)
    await until(lambda: pool.free == 2)
    assert await event(pool, lambda: "works") == "works"


async def test_an_event_refused_a_thread_is_refused_at_once_the_second_time():
    pool = ThreadPool(core=1, limit=1, wait=0.05)
    held = threading.Event()
    holder = asyncio.create_task(event(pool, held.wait))
    await asyncio.sleep(0)
    with pool.lease() as lease:
        async with ThreadSensitiveContext(executor=lease):
            with pytest.raises(PoolExhausted):
                await sync_to_async(int)()
            start = time.monotonic()
            with pytest.raises(PoolExhausted):
                await sync_to_async(int)()
            assert time.monotonic() - start < 0.04
    held.set()
    await holder


@pytest.mark.parametrize("ticks", range(6))
async def test_cancelled_waiter_loses_no_thread(ticks):
    pool = ThreadPool(core=1, limit=1)
    held = threading.Event()
    holder = asyncio.create_task(event(pool, held.wait))
    await asyncio.sleep(0)
    waiters = [asyncio.create_task(event(pool, int)) for _ in range(3)]
    await asyncio.sleep(0.005)
    held.set()
    # Cancelled at every stage of the thread being handed over.
    for _ in range(ticks):
        await asyncio.sleep(0)
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    await holder
    await until(lambda: (pool.size, pool.free) == (1, 1))
    assert await asyncio.wait_for(event(pool, lambda: "works"), 2) == "works"


async def test_thread_of_a_cancelled_event_is_not_leased_until_its_hook_has_ended():
    pool = ThreadPool(core=1, limit=1)
    held, running = threading.Event(), threading.Event()
    log = []

    def hook():
        running.set()
        held.wait()
        log.append("hook ended")

    cancelled = asyncio.create_task(event(pool, hook))
    await until(running.is_set)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert (pool.size, pool.free) == (1, 0)
    following = asyncio.create_task(event(pool, log.append, "next event"))
    await asyncio.sleep(0.02)
    assert log == []
    held.set()
    await following
    assert log == ["hook ended", "next event"]


async def test_call_of_a_child_task_is_cancelled_with_its_waiting_event():
    pool = ThreadPool(core=1, limit=1)
    held = threading.Event()
    holder = asyncio.create_task(event(pool, held.wait))
    await asyncio.sleep(0)
    with pool.lease() as lease:
        promised = lease.submit(int)
    assert promised.cancelled()
    held.set()
    await holder
    await until(lambda: pool.free == 1)


@pytest.mark.usefixtures("calm")
async def test_threads_above_the_core_end_after_idling_and_are_retired_on_themselves():
    retired = []
    pool = ThreadPool(
        core=1, limit=8, idle=0.05, retire=lambda: retired.append(threading.get_ident())
    )
    used = set()

    def work():
        used.add(threading.get_ident())
        time.sleep(0.03)

    await asyncio.gather(*(event(pool, work) for _ in range(8)))
    grown = pool.size
    assert grown > 1
    await until(lambda: pool.size == 1)
    await until(lambda: len(retired) == grown - 1)
    assert set(retired) <= used
    assert pool.free == 1


@pytest.mark.usefixtures("calm")
async def test_threads_that_idle_out_together_leave_the_core():
    sizes = []
    pool = ThreadPool(core=2, limit=8, idle=0.05, retire=lambda: time.sleep(0.02))
    await asyncio.gather(*(event(pool, time.sleep, 0.05) for _ in range(8)))
    grown = pool.size
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        sizes.append(pool.size)
        await asyncio.sleep(0.005)
    assert grown > 2
    assert min(sizes) == sizes[-1] == 2


async def test_prepare_runs_before_each_lease_and_clean_once_nobody_leased_the_thread_again(
    monkeypatch,
):
    monkeypatch.setattr(_worker, "LINGER", 0.3)
    calls = []
    pool = ThreadPool(
        core=1,
        prepare=lambda: calls.append(("prepare", threading.get_ident())),
        clean=lambda: calls.append(("clean", threading.get_ident())),
    )
    for _ in range(2):
        with pool.lease() as lease:
            async with ThreadSensitiveContext(executor=lease):
                me = await sync_to_async(threading.get_ident)()
                await sync_to_async(threading.get_ident)()
    await until(lambda: len(calls) == 3)
    assert pool.free in (0, 1)
    await asyncio.sleep(0.4)
    assert calls == [("prepare", me), ("prepare", me), ("clean", me)]


async def test_thread_is_not_cleaned_while_its_event_awaits_something_else():
    calls = []
    pool = ThreadPool(core=1, clean=lambda: calls.append("clean"))
    with pool.lease() as lease:
        async with ThreadSensitiveContext(executor=lease):
            await sync_to_async(int)()
            await asyncio.sleep(0.25)
            await sync_to_async(calls.append)("still the event's")
            await asyncio.sleep(0.25)
        assert calls == ["still the event's"]
    await until(lambda: calls == ["still the event's", "clean"])
    await until(lambda: pool.free == 1)


async def test_thread_is_cleaned_although_its_loop_is_gone():
    calls = []
    pool = ThreadPool(core=1, clean=lambda: calls.append("clean"))
    await asyncio.to_thread(asyncio.run, event(pool, int))
    await until(lambda: calls == ["clean"])


@pytest.mark.usefixtures("calm")
async def test_grown_pool_leaves_threads_out_while_the_process_computes(monkeypatch):
    monkeypatch.setattr(_scaling, "SURPLUS_AFTER", 0.02)
    pool = ThreadPool(core=1, limit=8)
    await asyncio.gather(*(event(pool, time.sleep, 0.05) for _ in range(8)))
    assert pool.size > 2
    monkeypatch.setattr(_scaling.Sample, "is_cpu_bound", lambda self: True)
    used = []

    def work():
        used.append(threading.get_ident())
        time.sleep(0.004)

    await asyncio.gather(*(event(pool, work) for _ in range(500)))
    assert len(set(used[:50])) > 2
    assert len(set(used[-50:])) == 1


@pytest.mark.parametrize("core", [1, 2])
async def test_thread_of_the_core_is_never_left_out(core):
    pool = ThreadPool(core=core, limit=core, wait=1)
    pool._scaling.has_surplus = True  # of a crowd that went before one of its threads came back
    await asyncio.gather(*(event(pool, time.sleep, 0.002) for _ in range(10)))
    assert pool._scaling.has_surplus, "so no thread was left out"


@pytest.mark.usefixtures("calm")
async def test_threads_that_were_left_out_are_used_before_new_ones_are_started(monkeypatch):
    monkeypatch.setattr(_scaling, "SURPLUS_AFTER", 0.02)
    pool = ThreadPool(core=1, limit=8)
    with monkeypatch.context() as busy:
        await asyncio.gather(*(event(pool, time.sleep, 0.05) for _ in range(8)))
        grown = pool.size
        busy.setattr(_scaling.Sample, "is_cpu_bound", lambda self: True)
        await asyncio.gather(*(event(pool, time.sleep, 0.004) for _ in range(200)))
        assert pool.size == grown > 2
    await asyncio.gather(*(event(pool, time.sleep, 0.05) for _ in range(8)))
    assert pool.size <= 8
    await until(lambda: whole(pool))


async def test_threads_end_with_their_pool():
    retired = threading.Event()
    pool = ThreadPool(core=1, retire=retired.set)
    await event(pool, int)
    del pool
    gc.collect()
    await until(retired.is_set)


@pytest.mark.parametrize("waits", [False, True])
async def test_failing_prepare_fails_the_call_and_keeps_the_thread(waits):
    def prepare():
        raise OSError("database gone")

    pool = ThreadPool(core=1, limit=1, prepare=prepare)
    taken = pool.lease()
    if waits:
        taken.submit(int)
    call = asyncio.create_task(event(pool, int))
    await asyncio.sleep(0.005)
    taken.shutdown()
    with pytest.raises(OSError, match="database gone"):
        await call
    await until(lambda: (pool.size, pool.free) == (1, 1))


async def test_call_that_raises_what_no_future_takes_fails_and_keeps_the_thread():
    pool = ThreadPool()
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await event(pool, next, iter(()))
    await until(lambda: whole(pool))


async def test_cancelled_first_call_leaves_the_second_one_prepared():
    calls = []
    pool = ThreadPool(core=1, limit=1, prepare=lambda: calls.append("prepare"))
    held = threading.Event()
    holder = asyncio.create_task(event(pool, held.wait))
    await until(lambda: calls == ["prepare"])
    calls.clear()
    with pool.lease() as lease:
        first, second = lease.submit(calls.append, "first"), lease.submit(calls.append, "second")
        first.cancel()
        held.set()
        await asyncio.wrap_future(second)
    await holder
    assert calls == ["prepare", "second"]


@pytest.mark.parametrize("kind", [OSError, SystemExit])
async def test_failing_clean_is_logged_and_keeps_the_thread(caplog, kind):
    def clean():
        raise kind("database gone")

    pool = ThreadPool(core=1, clean=clean)
    await event(pool, int)
    await until(lambda: "database gone" in caplog.text)
    await until(lambda: pool.free == 1)
    assert await event(pool, lambda: "works") == "works"


async def test_thread_is_cleaned_at_once_after_a_call_that_raised():
    calls = []
    pool = ThreadPool(core=1, limit=1, clean=lambda: calls.append("clean"))

    def fail():
        raise ValueError

    with pytest.raises(ValueError):
        await event(pool, fail)
    await event(pool, calls.append, "next event")
    assert calls == ["clean", "next event"]


@pytest.mark.parametrize("queued", [1, 2])
async def test_thread_is_not_leased_while_a_call_before_a_cancelled_one_runs(queued):
    pool = ThreadPool(core=1, limit=1)
    held, running, log = threading.Event(), threading.Event(), []

    def hook():
        running.set()
        held.wait()
        log.append("hook ended")

    with pool.lease() as lease:
        lease.submit(hook)
        calls = [lease.submit(log.append, "queued call") for _ in range(queued)]
        await until(running.is_set)
        calls[-1].cancel()
    assert pool.free == 0
    following = asyncio.create_task(event(pool, log.append, "next event"))
    await asyncio.sleep(0.02)
    held.set()
    await following
    assert log == ["hook ended"] + ["queued call"] * (queued - 1) + ["next event"]


async def test_lease_that_ends_while_its_own_thread_holds_the_lock_is_taken_back_afterwards(
    monkeypatch,
):
    monkeypatch.setattr(_worker, "LINGER", 10)
    pool = ThreadPool(core=1, limit=1)
    lost = pool.lease()
    await asyncio.wrap_future(lost.submit(int))
    with pool._holding():
        lost.shutdown()  # as the garbage collector may
        with pool.lease() as other:
            called = other.submit(int)
        assert called.cancelled()
    assert await asyncio.wait_for(event(pool, lambda: "works"), 2) == "works"


async def test_call_whose_thread_is_let_go_that_moment_takes_one_anew():
    pool = ThreadPool(core=1, limit=1)
    with pool.lease(bound=False) as lease:
        await lease.submit(int)
        with pool._holding():  # as the thread that lets itself go
            call = lease.submit(int)
            worker, lease.worker = lease.worker, None
            pool._come_back(worker)
        assert await asyncio.wait_for(call, 5) == 0
        assert lease.worker is worker
        assert worker.lease() is lease


async def test_lease_serves_nothing_after_its_end():
    pool = ThreadPool(core=1, limit=1)
    with pool.lease() as lease:
        await asyncio.wrap_future(lease.submit(int))
    with pytest.raises(RuntimeError, match="over"):
        lease.submit(int)
    assert (pool.size, pool.free) == (1, 1)


async def test_thread_that_cannot_be_started_fails_every_call_for_it(monkeypatch):
    pool = ThreadPool(core=1, limit=1)

    def no_thread(pool):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched, pool.lease() as lease:
        patched.setattr(threads, "Worker", no_thread)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="can't start"):
                await lease.submit(int)
    assert await event(pool, lambda: "works") == "works"


@pytest.mark.usefixtures("calm")
async def test_event_that_another_thread_puts_in_line_is_refused_in_time(monkeypatch):
    pool = ThreadPool(core=1, limit=1, wait=0.05)
    held, put_in = threading.Event(), threading.Event()
    holder = asyncio.create_task(event(pool, held.wait))
    await until(lambda: pool.size == 1)
    add, lock = pool._line.add, threading.Lock()
    helper = threading.Thread(target=pool.settle)

    class Lock:
        """Busy as the call comes; then taken by another thread as the pool is looked after."""

        acquire = staticmethod(lambda blocking: helper.ident is not None and lock.acquire(blocking))
        release = lock.release

        def __enter__(self):
            lock.acquire()

        def __exit__(self, *exc_info):
            lock.release()
            if helper.ident is None:
                helper.start()
                assert put_in.wait(5)

    def slowly_add(lease):
        put_in.set()
        time.sleep(0.02)
        add(lease)

    monkeypatch.setattr(pool, "_lock", Lock())
    monkeypatch.setattr(pool._line, "add", slowly_add)
    async with asyncio.timeout(5):
        with pytest.raises(PoolExhausted):
            await event(pool, int)
    held.set()
    await holder


async def test_waiting_event_is_refused_in_time_although_no_thread_can_be_started(monkeypatch):
    pool = ThreadPool(core=1, limit=4, wait=0.1)
    held = threading.Event()
    holder = asyncio.create_task(event(pool, held.wait))
    await until(lambda: pool.size == 1)

    def no_thread(pool):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threads, "Worker", no_thread)
    with pytest.raises(PoolExhausted):
        await asyncio.wait_for(event(pool, int), 5)
    held.set()
    await holder


def test_each_loop_looks_after_a_pool_once():
    pool = ThreadPool(core=1, limit=1)
    samples = []
    check = pool._check
    pool._check = lambda loop, sample: (samples.append(loop), check(loop, sample))

    async def crowd():
        events = []
        for _ in range(30):
            events.append(asyncio.create_task(event(pool, time.sleep, 0.005)))
            await asyncio.sleep(0.002)  # So that events of both loops come by turns.
        await asyncio.gather(*events)

    loops = [threading.Thread(target=asyncio.run, args=[crowd()]) for _ in range(2)]
    start = time.monotonic()
    for loop in loops:
        loop.start()
    for loop in loops:
        loop.join()
    most = (time.monotonic() - start) / _scaling.CHECK_INTERVAL + 1
    assert max(samples.count(loop) for loop in set(samples)) <= most


def test_pool_serves_one_event_loop_after_another():
    pool = ThreadPool(core=1, limit=2)

    async def crowd():
        return await asyncio.gather(*(event(pool, time.sleep, 0.005) for _ in range(10)))

    for _ in range(5):
        asyncio.run(crowd())
    asyncio.run(until(lambda: whole(pool)))


def test_loop_that_ends_under_its_events_loses_no_thread():
    pool = ThreadPool(core=1, limit=1)

    async def leave_events_behind():
        for _ in range(5):
            asyncio.create_task(event(pool, time.sleep, 0.01))  # noqa: RUF006
        await asyncio.sleep(0.005)

    asyncio.run(leave_events_behind())
    assert asyncio.run(asyncio.wait_for(event(pool, lambda: "works"), 5)) == "works"


def test_process_that_exits_waits_for_a_call_that_runs():
    code = """
import asyncio, time, django
django.setup()
from rxbridge.events.threads.pool import ThreadPool
pool = ThreadPool(retire=lambda: print("retired"))
async def main():
    pool.lease().submit(lambda: (time.sleep(0.3), print("ended")))
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert (done.stdout, done.stderr) == ("ended\nretired\n", "")


def test_idle_threads_do_not_hold_up_the_process_exit():
    code = """
import asyncio, django
django.setup()
from rxbridge.events.threads.pool import ThreadPool
async def main():
    pool = ThreadPool()
    with pool.lease() as lease:
        await asyncio.wrap_future(lease.submit(print, "ran"))
asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == "ran\n"


@pytest.mark.usefixtures("calm")
async def test_events_that_await_each_other_do_not_deadlock():
    pool = ThreadPool(core=1, limit=16)

    async def nested(depth):
        with pool.lease() as lease:
            async with ThreadSensitiveContext(executor=lease):
                await sync_to_async(int)()
                if depth:
                    await asyncio.create_task(nested(depth - 1))

    await asyncio.wait_for(nested(10), 5)
    await until(lambda: whole(pool))


@pytest.mark.parametrize(
    "options",
    [{"core": 0}, {"core": 5, "limit": 4}, {"wait": 0}, {"idle": -1}],
    ids=str,
)
def test_senseless_options_are_refused(options):
    with pytest.raises(ValueError, match="must"):
        ThreadPool(**options)
