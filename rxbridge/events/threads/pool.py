"""ThreadPool: threads that events lease, one event to a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar
from weakref import WeakSet, ref

from rxbridge.errors import PoolExhausted
from rxbridge.events.threads import scaling
from rxbridge.events.threads.line import Line, Shares
from rxbridge.events.threads.scaling import Sample, Scaling
from rxbridge.events.threads.worker import Job, Worker, exiting, logged

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rxbridge.events.threads.kept import Kept, Loan
    from rxbridge.events.threads.line import Client
    from rxbridge.events.threads.worker import Hook

P = ParamSpec("P")
T = TypeVar("T")


class ThreadPool:
    """Lease threads; no two leases ever share one at the same time.

    Middleware keeps tenants, users and connections in thread-locals, so the exclusive thread
    is a safety property. The pool starts at ``core`` threads. While events wait although the
    process is not busy computing, and the threads do not come back soon, it doubles up to
    ``limit``: those threads wait for a database or a slow handler. Otherwise it grows only for
    an event that has waited two seconds for threads that are slow to come back, since
    more threads would halve the throughput; for the same reason one thread above ``core`` after
    the other is left out while the process computes. What idles for ``idle`` seconds ends.

    No client, a browser at an address, holds more threads than are left for all others, and those
    who wait come round by client.

    ``wait`` is the longest time in seconds an event waits for a thread before it is refused
    with ``PoolExhausted``. On the thread, ``prepare`` runs before the first call of a lease;
    ``clean`` about 50 ms after its last call if nobody has leased it again, and at once after
    one that raised; ``release`` at times while its event has nothing for it to do, first after
    about 50 ms, and is true if it leaves nothing there; ``retire`` before it ends. ``kept`` lends
    each lease what Django would make anew for its context.
    """

    def __init__(
        self,
        *,
        core: int = 2,
        limit: int = 100,
        wait: float = 30.0,
        idle: float = 30.0,
        prepare: Hook | None = None,
        clean: Hook | None = None,
        release: Hook | None = None,
        retire: Hook | None = None,
        kept: Kept | None = None,
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
        self.release = release or _nothing
        self.retire = retire or _nothing
        self.kept = kept
        self.size = 0
        """The number of threads there are, leased and free."""
        # Held by event loops and by the threads themselves, and for no longer than it takes to
        # move a thread from one place to another.
        self._lock = threading.Lock()
        self._changed: deque[Lease] = deque()
        self._leaving = 0
        # The last one returned is leased first: its connection and caches are warm, and the
        # ones at the front are those that idle.
        self._free: deque[Worker] = deque()
        self._workers: WeakSet[Worker] = WeakSet()
        self._line: Line[Lease] = Line()
        self._watching: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
        self._scaling = Scaling(core)

    @property
    def free(self) -> int:
        """The number of threads that could be leased at once."""
        return len(self._free)

    def lease(self, client: Client = None, *, bound: bool = True) -> Lease:
        """Return a lease for a ``with`` block; it takes its thread at the first call.

        ``client`` is for whom: a network address and a browser there. Without, no share bounds it.
        One that is not ``bound`` may give the thread back amid the block; see ``let_thread_go``.
        """
        return Lease(self, client, bound=bound)

    def settle(self, *changed: Lease) -> None:
        """Find a thread for leases that have calls for one, and take back that of those over.

        The garbage collector may end a lost event's lease wherever it runs, even where this
        thread holds the lock; so nobody waits for it here, and whoever holds it sees to what
        has changed meanwhile.
        """
        self._changed.extend(changed)
        while self._changed and self._lock.acquire(blocking=False):
            try:
                while self._changed:
                    lease = self._changed.popleft()
                    if lease.is_over:
                        self._take_back(lease)
                    else:
                        self._serve(lease)
            finally:
                self._lock.release()

    @contextmanager
    def _holding(self) -> Generator[None]:
        """Hold the lock, and see to what has changed meanwhile."""
        try:
            with self._lock:
                yield
        finally:
            self.settle()

    def clean_up(self, worker: Worker) -> bool:
        """Clean a thread, on itself, unless it is leased."""
        with self._holding():
            is_surplus = self._line.first(self._shares()) is not None  # Left out as such.
            is_free = self._withdraw(worker)
        if is_free:
            logged(self.clean)
            with self._holding():
                if is_surplus or not self._gives(worker):
                    self._free.appendleft(worker)
        return is_free

    def let_go(self, worker: Worker) -> None:
        """Take back a thread, on itself, whose event awaits and has left nothing on it."""
        is_empty = logged(self.release)
        with self._holding():
            lease: Lease | None = None if worker.lease is None else worker.lease()
            if lease is not None and worker.last.is_over and lease.lets_go(is_empty=bool(is_empty)):
                lease.worker = None
                self._come_back(worker)

    def dismiss(self, worker: Worker) -> bool:
        """Let a thread go that has idled, on itself, unless it is leased or one of the core."""
        with self._holding():
            is_leaving = self.size - self._leaving > self.core and self._withdraw(worker)
            self._leaving += is_leaving
        if is_leaving:
            logged(self.retire)
            with self._holding():
                self._leaving -= 1
                self.size -= 1
        return is_leaving

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look after the pool while events of this loop wait."""
        if loop not in self._watching:
            self._watching.add(loop)
            sample = self._scaling.sample(loop.time())
            loop.call_at(sample.due, self._check, loop, sample)

    def _come_back_later(self, worker: Worker) -> None:
        logged(self.clean)
        with self._holding():
            self._come_back(worker)

    # From here to _spare the lock is held.

    def _serve(self, lease: Lease) -> None:
        """Hand a lease's calls to its thread; one that has none takes one or gets in line."""
        try:
            if lease.refusal is not None:
                raise PoolExhausted(lease.refusal)
            worker, is_new = lease.worker, lease.worker is None and not lease.since
            # Nobody holds more than are at work, so it need not be counted who does.
            is_early = (self.size - len(self._free)) * 2 < self.limit
            if is_new and (is_early or self._shares().allow(lease.client)):
                if self._free and not (self._line.addresses and self._line.first(self._shares())):
                    worker = self._free.pop()
                elif self.size < self.core:
                    worker = self._start()
            if worker is not None:
                lease.begin(worker)
            elif is_new:
                lease.since, lease.returned = time.monotonic(), self._scaling.returned
                self._line.add(lease)
        except (PoolExhausted, RuntimeError) as error:  # No thread can be started.
            lease.fail(error)

    def _take_back(self, lease: Lease) -> None:
        worker, lease.worker = lease.worker, None
        if worker is None:
            self._line.remove(lease)
        elif lease.failed or not worker.last.is_over:
            # A cancelled event may leave a hook running, and one that failed its connection in
            # any state; the thread is free once that has ended and it is clean.
            worker.hand(Job(partial(self._come_back_later, worker)))
        else:
            self._come_back(worker)

    def _come_back(self, worker: Worker) -> None:
        self._scaling.returned += 1
        worker.client = worker.lease = None
        if not self._line.addresses:
            self._free.append(worker)
        elif self._scaling.has_surplus and self._at_work > self.core:
            self._scaling.has_surplus = False
            self._free.appendleft(worker)
        elif not self._gives(worker):
            self._free.append(worker)

    @property
    def _at_work(self) -> int:
        return self.size - len(self._free)

    def _withdraw(self, worker: Worker) -> bool:
        is_free = worker in self._free
        if is_free:
            self._free.remove(worker)
        return is_free

    def _shares(self, spare: int = 0) -> Shares:
        """Count who holds threads; ``spare`` of those at work are just being given to somebody."""
        holders = (worker.client for worker in self._workers)
        return Shares(holders, self.limit - self._at_work + spare)

    def _start(self) -> Worker:
        worker = Worker(self)
        self._workers.add(worker)
        self.size += 1
        return worker

    def _gives(self, worker: Worker) -> bool:
        """Have who is next in line have the thread; False if nobody is."""
        while self._line.addresses and (lease := self._line.take(self._shares(1))):
            if not lease.is_over:
                lease.begin(worker)
                return True
        return False

    def _adapt(self, sample: Sample, *, is_late: bool) -> None:
        """Have more threads serve the events that wait, or fewer."""
        shares = self._shares()
        # Where none is left there may be fewer, and nobody may have one.
        first = self._line.first(shares if shares.left else self._shares(1))
        if first is None:
            return
        wanted = self._scaling.wanted(sample, is_late=is_late, at_work=self._at_work, first=first)
        while wanted and self._line.first(self._shares()):
            if not self._gives(worker := self._spare()):
                self._free.append(worker)
            wanted -= 1
        shares = self._shares()
        lease = self._line.crowded_out(shares)
        if lease is not None and shares.left and self._scaling.is_overdue(lease, self._at_work):
            worker = self._spare()
            self._line.remove(lease)
            lease.begin(worker)

    def _spare(self) -> Worker:
        return self._free.pop() if self._free else self._start()

    def _check(self, loop: asyncio.AbstractEventLoop, sample: Sample) -> None:
        self._watching.discard(loop)
        with self._holding():
            # Where no thread can be started, those there are will have to do.
            with suppress(RuntimeError):
                self._adapt(sample, is_late=loop.time() - sample.due > scaling.LATE)
            deadline = time.monotonic() - self.wait
            for lease in self._line.late(deadline):
                own = self._shares().held[lease.client]
                lease.refusal = (
                    f"No thread came free within {self.wait:g} s; {self._at_work} of {self.limit} "
                    f"are leased, {own} of them to the same client. "
                    "Raise ThreadPool(limit=...), or make handlers that wait long background tasks."
                )
                self._changed.append(lease)
            # Under the lock: whoever has it next may be about to put an event in the line.
            if self._line.addresses or self._changed:
                self.watch(loop)


class Lease(Executor):
    """One event's thread, taken from the pool when the event first needs it.

    An event whose hooks and handler never block takes none. ``submit`` is called on the event
    loop, as ``loop.run_in_executor`` does. An event that was refused a thread once is refused
    at once from then on.
    """

    def __init__(self, pool: ThreadPool, client: Client = None, *, bound: bool = True) -> None:
        self.client = client
        self.failed = False
        """Whether a call raised; then the thread is cleaned before anybody else has it."""
        self.is_over = False
        self.is_bound = bound
        self.is_loose = False
        """Whether the thread may go while the event awaits, unless something is open on it."""
        self._pool = pool
        self._is_prepared = False
        self._loan: Loan | None = None if pool.kept is None else pool.kept.lend()
        # The pool's, under its lock.
        self.worker: Worker | None = None
        self.backlog: deque[Job] = deque()
        self.is_quiet = False
        self.refusal: str | None = None
        self.since = 0.0
        self.returned = 0

    def submit(  # type: ignore[override]
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run ``fn`` on the event's thread."""
        if self.is_over or exiting.is_set():
            msg = "The event is over, or the process ends: there is no thread for it any more."
            raise RuntimeError(msg)
        loop = asyncio.get_running_loop()
        promised: asyncio.Future[T] = loop.create_future()
        self.is_quiet = False
        self.backlog.append(Job(partial(self._prepared, fn, *args, **kwargs), promised))
        self._pool.settle(self)
        if self.backlog:
            self._pool.watch(loop)
        return promised

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Give the thread back, or the place in the line for one."""
        self.is_over = True
        if self._pool.kept is not None and self._loan is not None:
            # What broke off may still be using it.
            is_sound = not self.failed and (self.worker is None or self.worker.last.is_over)
            self._pool.kept.take_back(self._loan, is_sound=is_sound, limit=self._pool.size)
        if self.backlog or self.worker is not None:
            self._pool.settle(self)
        for job in [*self.backlog]:
            if (promised := job.promised) is not None:
                promised.cancel()

    def lets_go(self, *, is_empty: bool) -> bool:
        """Tell whether the thread may go: nothing was called since, or nothing of it is left."""
        return self.is_loose and not self.failed and (self.is_quiet or is_empty)

    def begin(self, worker: Worker) -> None:
        """Have the thread run what has waited for it."""
        if self.worker is None:
            self.worker, self.since, self._is_prepared = worker, 0.0, False
            worker.client, worker.lease = self.client, ref(self)
        while self.backlog:
            worker.hand(self.backlog.popleft())

    def fail(self, error: Exception) -> None:
        """Have what waits for the thread fail."""
        while self.backlog:
            self.backlog.popleft().answer(None, error)

    def _prepared(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            if not self._is_prepared:
                self._pool.prepare()
                self._is_prepared = True
            return fn(*args, **kwargs)
        except BaseException:
            self.failed = True
            raise


current_lease: ContextVar[Lease | None] = ContextVar("rxbridge.lease", default=None)
"""The lease of the running event; the runner sets it."""


def let_thread_go() -> None:
    """Have the running event give its thread back whenever it awaits, as far as it may.

    For the moment that its handler begins: what is called on the thread from now on keeps it,
    unless the pool's ``release`` finds that nothing is left of that.
    """
    if (lease := current_lease.get()) is not None:
        lease.is_loose = lease.is_quiet = not lease.is_bound


def _nothing() -> None:
    """Stand in for a hook nobody gave."""
