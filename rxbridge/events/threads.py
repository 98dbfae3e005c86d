"""ThreadPool: threads that events lease, one event to a thread."""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
import time
import weakref
from collections import deque
from concurrent.futures import Executor, Future
from functools import partial
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

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

SLOW = 0.1
"""Seconds between two returns of a thread above which waiting events are not merely many."""

LINGER = 0.05
"""Seconds after which a thread that nobody leased again is cleaned."""

Call: TypeAlias = "Callable[[], object]"


class ThreadPool:
    """Lease threads; no two leases ever share one at the same time.

    Middleware keeps tenants, users and connections in thread-locals, so the exclusive thread
    is a safety property. The pool starts at ``core`` threads. While events wait although the
    process is not busy computing, and the threads do not come back soon, it doubles up to
    ``limit``: those threads wait for a database or a slow handler. Otherwise it grows only for
    an event that has waited ``PATIENCE`` seconds for threads that are slow to come back, since
    more threads would halve the throughput. Threads above ``core`` end after ``idle`` seconds
    unused.

    ``wait`` is the longest time in seconds an event waits for a thread before it is refused
    with ``PoolExhausted``. On the thread, ``prepare`` runs before the first call of a lease,
    ``clean`` once nobody has leased it again for ``LINGER`` seconds, and ``retire`` before it
    ends.
    """

    def __init__(
        self,
        *,
        core: int = 2,
        limit: int = 100,
        wait: float = 30.0,
        idle: float = 30.0,
        prepare: Call | None = None,
        clean: Call | None = None,
        retire: Call | None = None,
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
        self.clean = clean or _nothing
        self.retire = retire or _nothing
        # Threads are taken on the event loop, and look after themselves when they idle.
        self._lock = threading.Lock()
        self._size = 0
        # The last one returned is leased first: its connection and caches are warm, and the
        # ones at the front are those that idle.
        self._free: deque[PoolThread] = deque()
        self._waiting: deque[_Turn] = deque()
        self._watching: asyncio.AbstractEventLoop | None = None
        self._measured = (0.0, 0.0, 0)
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

    def take(self) -> PoolThread | None:
        """Return a thread for exclusive use if one is to be had without waiting."""
        with self._lock:
            return self._take()

    async def queue(self) -> PoolThread:
        """Wait for a thread, in order of arrival; raise ``PoolExhausted`` after ``wait``."""
        with self._lock:
            if (thread := self._take()) is not None:
                return thread
            turn = _Turn(self._returned)
            self._waiting.append(turn)
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

    def give_back(self, thread: PoolThread) -> None:
        """Return a thread that was taken.

        A cancelled event may leave a hook running; then the thread is free once that has ended,
        and nobody waits for it.
        """
        if thread.is_busy:
            thread.submit(self._come_back, thread)
        else:
            self._come_back(thread)

    def clean_up(self, thread: PoolThread) -> bool:
        """Clean a thread, on itself, unless it is leased."""
        with self._lock:
            if thread not in self._free:
                return False
            self._free.remove(thread)
        try:
            _logged(self.clean)
        finally:
            with self._lock:
                self._give(thread, warm=False)
        return True

    def dismiss(self, thread: PoolThread) -> bool:
        """Tell a thread that has idled whether it is to end."""
        with self._lock:
            if self._size <= self.core or thread not in self._free:
                return False
            self._free.remove(thread)
            self._size -= 1
            return True

    def _come_back(self, thread: PoolThread) -> None:
        with self._lock:
            self._returned += 1
            self._give(thread)

    def _take(self) -> PoolThread | None:
        if self._waiting:
            return None
        if self._free:
            return self._free.pop()
        if self._size < self.core:
            return self._start()
        return None

    def _start(self) -> PoolThread:
        self._size += 1
        return PoolThread(self)

    def _give(self, thread: PoolThread, *, warm: bool = True) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if turn.set_running_or_notify_cancel():
                turn.set_result(thread)
                return
        if warm:
            self._free.append(thread)
        else:
            self._free.appendleft(thread)

    def _abandon(self, turn: _Turn) -> None:
        with self._lock:
            # It may have been handed over just as its event was cancelled.
            if turn.done() and not turn.cancelled():
                self._give(turn.result())
            else:
                turn.cancel()
                self._waiting = deque(each for each in self._waiting if each is not turn)

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look after the pool while events wait."""
        if self._watching is loop:
            return
        self._watching = loop
        self._measured = (time.monotonic(), time.process_time(), self._returned)
        loop.call_later(CHECK_INTERVAL, self._check, loop)

    def _check(self, loop: asyncio.AbstractEventLoop) -> None:
        self._watching = None
        with self._lock:
            self._grow()
        if self._waiting:
            self._watch(loop)

    def _grow(self) -> None:
        wanted = min(self._size, self.limit - self._size, len(self._waiting))
        if wanted > 0 and (self._is_brisk() or self._is_cpu_bound()):
            wanted = int(self._is_stuck(self._waiting[0]))
        for _ in range(wanted):
            self._give(self._start())

    def _is_brisk(self) -> bool:
        """Tell whether each thread has served an event since the last look.

        It needs no clock of the processor, which on a crowded machine makes a process that
        computes look idle.
        """
        return self._returned - self._measured[2] >= self._size

    def _is_cpu_bound(self) -> bool:
        wall, cpu, _ = self._measured
        elapsed = max(time.monotonic() - wall, 1e-6)
        return (time.process_time() - cpu) / elapsed > CPU_BOUND

    def _is_stuck(self, turn: _Turn) -> bool:
        """Tell whether an event has waited long, and not because many are before it."""
        waited = time.monotonic() - turn.since
        returns = self._returned - turn.returned
        return waited > PATIENCE and returns < self._size * waited / SLOW


class _Turn(Future["PoolThread"]):
    """A place in the queue: since when, and how often threads had come back by then."""

    def __init__(self, returned: int) -> None:
        super().__init__()
        self.since = time.monotonic()
        self.returned = returned


class PoolThread:
    """One thread of a pool: it runs what it is handed, in order, and looks after itself.

    It ends when nothing refers to this object any more.
    """

    _numbers = count(1)

    def __init__(self, pool: ThreadPool) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._last: Future[Any] | None = None
        thread = threading.Thread(
            target=_serve,
            args=(weakref.ref(self), weakref.ref(pool), self._calls, pool.idle, pool.retire),
            name=f"rxbridge_{next(self._numbers)}",
            daemon=True,
        )
        thread.start()
        _running[thread] = self._calls
        weakref.finalize(self, self._calls.put, None)

    @property
    def is_busy(self) -> bool:
        """Whether it has something left to run."""
        return self._last is not None and not self._last.done()

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` on the thread."""
        promised: Future[T] = Future()
        self._last = promised
        self._calls.put((promised, partial(fn, *args, **kwargs)))
        return promised


_Call: TypeAlias = "tuple[Future[Any], Callable[[], Any]]"

# Daemons, so that those that idle do not keep the process; what still runs is waited for.
_running: weakref.WeakKeyDictionary[threading.Thread, SimpleQueue[Any]] = (
    weakref.WeakKeyDictionary()
)


@atexit.register
def _wait_for_calls() -> None:
    for thread, calls in list(_running.items()):
        calls.put(None)
        thread.join()


def _serve(
    this: weakref.ref[PoolThread],
    pool: weakref.ref[ThreadPool],
    calls: SimpleQueue[_Call | None],
    idle: float,
    retire: Call,
) -> None:
    """Run calls until there are to be no more."""
    is_clean, pause = True, idle
    while True:
        try:
            call = calls.get(timeout=pause)
        except Empty:
            thread, owner = this(), pool()
            if thread is None or owner is None:
                break
            if is_clean:
                if owner.dismiss(thread):
                    break
            elif owner.clean_up(thread):
                is_clean, pause = True, idle
            else:  # Leased, by a handler that waits for something else.
                pause = min(2 * pause, 1.0)
            del thread, owner
            continue
        if call is None:
            break
        promised, work = call
        if promised.set_running_or_notify_cancel():
            _fulfil(promised, work)
        del call, promised, work
        is_clean, pause = False, LINGER
    _logged(retire)


def _logged(hook: Call) -> None:
    try:
        hook()
    except Exception:
        logger.exception("The clean-up of an event's thread failed")


class Lease(Executor):
    """One event's thread, taken from the pool when the event first needs it.

    An event whose hooks and handler never block takes none. ``submit`` is called on the event
    loop, as ``loop.run_in_executor`` does. An event that was refused a thread once is refused
    at once from then on.
    """

    def __init__(self, pool: ThreadPool) -> None:
        self._pool = pool
        self._thread: PoolThread | None = None
        self._backlog: list[tuple[Future[Any], Callable[[], Any]]] = []
        self._queueing: asyncio.Task[None] | None = None
        self._refusal: PoolExhausted | None = None

    @property
    def taken(self) -> bool:
        """Whether the event has a thread."""
        return self._thread is not None

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` on the event's thread."""
        if self._thread is not None:
            return self._thread.submit(fn, *args, **kwargs)
        if self._refusal is not None:
            raise self._refusal
        call = partial(fn, *args, **kwargs)
        if self._queueing is None:
            if (thread := self._pool.take()) is not None:
                self._thread = thread
                return thread.submit(_after, self._pool.prepare, call)
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
        thread, self._thread = self._thread, None
        if thread is not None:
            self._pool.give_back(thread)

    async def _queue(self) -> None:
        try:
            thread = await self._pool.queue()
        except PoolExhausted as error:
            self._refusal = error
            for promised, _ in self._backlog:
                if promised.set_running_or_notify_cancel():
                    promised.set_exception(error)
            return
        self._thread = thread
        prepare = self._pool.prepare
        for promised, call in self._backlog:
            if promised.set_running_or_notify_cancel():
                thread.submit(_fulfil, promised, partial(_after, prepare, call))
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
