"""ThreadPool: single-thread executors that events lease, one event to a thread."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from rxbridge.errors import PoolExhausted

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Lease", "ThreadPool"]

logger = logging.getLogger("rxbridge")

P = ParamSpec("P")
T = TypeVar("T")

CHECK_INTERVAL = 0.01
"""Seconds between looks at whether waiting events need another thread."""

CPU_BOUND = 0.75
"""Cores in use above which another thread would only fight over the GIL."""

PATIENCE = 2.0
"""Seconds after which an event that waits gets another thread however busy the process is."""


class ThreadPool:
    """Lease single-thread executors; no two leases ever share a thread at the same time.

    Middleware keeps tenants, users and connections in thread-locals, so the exclusive thread
    is a safety property. The pool starts at ``core`` threads. While events wait although the
    process is not busy computing, and the threads do not come back soon, it doubles up to
    ``limit``: those threads wait for a database or a slow handler. Otherwise it grows only for
    an event that has waited ``PATIENCE`` seconds, since more threads would halve the throughput.
    Threads above ``core`` end after ``idle`` seconds unused.

    ``wait`` is the longest time in seconds an event waits for a thread before it is refused
    with ``PoolExhausted``. On the thread, ``prepare`` runs before the first call of a lease,
    ``clean`` after its last, and ``retire`` before the thread ends.
    """

    def __init__(
        self,
        *,
        core: int = 2,
        limit: int = 100,
        wait: float = 30.0,
        idle: float = 30.0,
        prepare: Callable[[], object] | None = None,
        clean: Callable[[], object] | None = None,
        retire: Callable[[], object] | None = None,
    ) -> None:
        if not 1 <= core <= limit:
            msg = f"core={core} and limit={limit} must satisfy 1 <= core <= limit."
            raise ValueError(msg)
        if wait <= 0 or idle <= 0:
            msg = "wait and idle are seconds and must be positive."
            raise ValueError(msg)
        self.core = core
        self.limit = limit
        self.wait = wait
        self.idle = idle
        self.prepare = prepare or _nothing
        self._clean = clean or _nothing
        self._retire = retire or _nothing
        # Threads are taken on the event loop and come back from themselves.
        self._lock = threading.Lock()
        self._size = 0
        # The last one returned is leased first: its connection and caches are warm, and the
        # ones at the front are those that idle.
        self._free: deque[tuple[ThreadPoolExecutor, float]] = deque()
        self._waiting: deque[tuple[Future[ThreadPoolExecutor], float]] = deque()
        self._timers: dict[asyncio.AbstractEventLoop, asyncio.TimerHandle] = {}
        self._measured = (0.0, 0.0)
        self._returned = 0

    @property
    def size(self) -> int:
        """The number of threads there are, leased and free."""
        return self._size

    @property
    def free(self) -> int:
        """The number of threads that could be leased at once."""
        return len(self._free)

    def lease(self) -> Lease:
        """Return a lease for a ``with`` block; it takes its thread at the first call in it."""
        return Lease(self)

    def take(self) -> ThreadPoolExecutor | None:
        """Return a thread for exclusive use if one is to be had without waiting."""
        with self._lock:
            return self._take()

    async def queue(self) -> ThreadPoolExecutor:
        """Wait for a thread, in order of arrival; raise ``PoolExhausted`` after ``wait``."""
        turn: Future[ThreadPoolExecutor] = Future()
        with self._lock:
            if (executor := self._take()) is not None:
                return executor
            self._waiting.append((turn, time.monotonic()))
        self._watch(asyncio.get_running_loop())
        try:
            async with asyncio.timeout(self.wait):
                return await asyncio.wrap_future(turn)
        except TimeoutError:
            self._abandon(turn)
            msg = (
                f"No thread came free within {self.wait:g} s; all {self._size} are leased. "
                "Raise ThreadPool(limit=...), or make handlers that wait long background tasks."
            )
            raise PoolExhausted(msg) from None
        except asyncio.CancelledError:
            self._abandon(turn)
            raise

    def give_back(self, executor: ThreadPoolExecutor) -> None:
        """Return a thread that was taken; it is free once it is clean.

        A cancelled event may leave a hook running; the clean-up queues behind that hook, and
        nobody waits for either.
        """
        executor.submit(self._come_back, executor)

    def _come_back(self, executor: ThreadPoolExecutor) -> None:
        try:
            self._clean()
        except Exception:
            logger.exception("The clean-up of an event's thread failed")
        finally:
            with self._lock:
                self._give(executor)

    def _take(self) -> ThreadPoolExecutor | None:
        if self._waiting:
            return None
        if self._free:
            return self._free.pop()[0]
        if self._size < self.core:
            return self._start()
        return None

    def _start(self) -> ThreadPoolExecutor:
        self._size += 1
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="rxbridge")

    def _give(self, executor: ThreadPoolExecutor) -> None:
        self._returned += 1
        while self._waiting:
            turn, _ = self._waiting.popleft()
            if turn.set_running_or_notify_cancel():
                turn.set_result(executor)
                return
        self._free.append((executor, time.monotonic()))

    def _abandon(self, turn: Future[ThreadPoolExecutor]) -> None:
        with self._lock:
            # It may have been handed over just as its event was cancelled.
            if turn.done() and not turn.cancelled():
                self._give(turn.result())
            else:
                turn.cancel()
                self._waiting = deque(each for each in self._waiting if each[0] is not turn)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look after the pool while events wait or there are threads above ``core``."""
        timer = self._timers.get(loop)
        if timer is not None:
            if not self._waiting or timer.when() - loop.time() <= CHECK_INTERVAL:
                return
            timer.cancel()
        self._measured = (time.monotonic(), time.process_time())
        self._returned = 0
        delay = CHECK_INTERVAL if self._waiting else self.idle
        self._timers = {loop: loop.call_later(delay, self._check, loop)}

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timers = {}
        with self._lock:
            self._grow()
            self._shrink()
        if self._waiting or self._size > self.core:
            self._watch(loop)

    def _grow(self) -> None:
        wanted = min(self._size, self.limit - self._size, len(self._waiting))
        if wanted > 0 and (self._is_brisk() or self._is_cpu_bound()):
            wanted = int(time.monotonic() - self._waiting[0][1] > PATIENCE)
        for _ in range(wanted):
            self._give(self._start())

    def _is_brisk(self) -> bool:
        """Tell whether each thread has served an event since the last look.

        It needs no clock of the processor, which on a crowded machine makes a process that
        computes look idle.
        """
        return self._returned >= self._size

    def _is_cpu_bound(self) -> bool:
        wall, cpu = self._measured
        elapsed = max(time.monotonic() - wall, 1e-6)
        return (time.process_time() - cpu) / elapsed > CPU_BOUND

    def _shrink(self) -> None:
        deadline = time.monotonic() - self.idle
        while self._free and self._size > self.core and self._free[0][1] <= deadline:
            executor, _ = self._free.popleft()
            self._size -= 1
            executor.submit(self._retire)
            executor.shutdown(wait=False)


class Lease(Executor):
    """One event's thread, taken from the pool when the event first needs it.

    An event whose hooks and handler never block takes none. ``submit`` is called on the event
    loop, as ``loop.run_in_executor`` does. An event that was refused a thread once is refused
    at once from then on.
    """

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool
        self._executor: ThreadPoolExecutor | None = None
        self._backlog: list[tuple[Future[Any], Callable[[], Any]]] = []
        self._queueing: asyncio.Task[None] | None = None
        self._refusal: PoolExhausted | None = None

    @property
    def taken(self) -> bool:
        """Whether the event has a thread."""
        return self._executor is not None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` on the event's thread."""
        if self._executor is not None:
            return self._executor.submit(fn, *args, **kwargs)
        if self._refusal is not None:
            raise self._refusal
        call = partial(fn, *args, **kwargs)
        if self._queueing is None:
            if (executor := self._pool.take()) is not None:
                self._executor = executor
                return executor.submit(_after, self._pool.prepare, call)
            self._queueing = asyncio.get_running_loop().create_task(self._queue())
        promised: Future[T] = Future()
        self._backlog.append((promised, call))
        return promised

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Give the thread back, or the place in the queue for one."""
        if self._queueing is not None:
            self._queueing.cancel()
        for promised, _ in self._backlog:
            promised.cancel()
        executor, self._executor = self._executor, None
        if executor is not None:
            self._pool.give_back(executor)

    async def _queue(self) -> None:
        try:
            executor = await self._pool.queue()
        except PoolExhausted as error:
            self._refusal = error
            for promised, _ in self._backlog:
                if promised.set_running_or_notify_cancel():
                    promised.set_exception(error)
            return
        self._executor = executor
        prepare = self._pool.prepare
        for promised, call in self._backlog:
            if promised.set_running_or_notify_cancel():
                executor.submit(_fulfil, promised, partial(_after, prepare, call))
                prepare = _nothing
        self._backlog.clear()
        self._queueing = None


def _fulfil(promised: Future[T], call: Callable[[], T]) -> None:
    try:
        promised.set_result(call())
    except BaseException as error:
        promised.set_exception(error)


def _after(prepare: Callable[[], object], call: Callable[[], T]) -> T:
    prepare()
    return call()


def _nothing() -> None:
    """Stand in for a hook nobody gave."""
