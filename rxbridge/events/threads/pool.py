"""ThreadPool: threads that events lease, one event to a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from concurrent.futures import Executor
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar
from weakref import WeakSet, ref

from rxbridge.errors import PoolExhausted
from rxbridge.events.threads import scaling
from rxbridge.events.threads.line import Line, Shares
from rxbridge.events.threads.scaling import Sample, Scaling
from rxbridge.events.threads.worker import Job, Worker, exiting, logged

if TYPE_CHECKING:
    from collections.abc import Callable

    from rxbridge.events.threads.kept import Kept, Loan
    from rxbridge.events.threads.line import Client
    from rxbridge.events.threads.worker import Hook

__all__ = ["Lease", "ThreadPool"]

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
        # Held by event loops and by the threads themselves, and for no longer than it takes to
        # move a thread from one place to another.
        self._lock = _Lock()
        self._size = 0
        self._leaving = 0
        # The last one returned is leased first: its connection and caches are warm, and the
        # ones at the front are those that idle.
        self._free: deque[Worker] = deque()
        self._workers: WeakSet[Worker] = WeakSet()
        self._line: Line[Lease] = Line()
        self._ended: deque[Lease] = deque()
        self._watching: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
        self._scaling = Scaling(core)

    @property
    def size(self) -> int:
        """The number of threads there are, leased and free."""
        return self._size

    @property
    def _at_work(self) -> int:
        return self._size - len(self._free)

    @property
    def free(self) -> int:
        """The number of threads that could be leased at once."""
        return len(self._free)

    def lease(self, client: Client = None, *, bound: bool = True) -> Lease:
        """Return a lease for a ``with`` block; it takes its thread at the first call in it.

        ``client`` is for whom: a network address and a browser there. Without, no share bounds it.
        One that is not ``bound`` may give the thread back amid the block; see ``let_thread_go``.
        """
        return Lease(self, client, bound=bound)

    def serve(self, lease: Lease, job: Job) -> None:
        """Have ``job`` run on the lease's thread; one that has none gets in line for it."""
        try:
            with self._lock:
                is_served = self._serve(lease, job)
        finally:
            self._settle()
        if not is_served:
            self._watch(asyncio.get_running_loop())

    def end(self, lease: Lease) -> None:
        """Take back the lease's thread, or its place in the line for one.

        The garbage collector may end a lost event's lease wherever it runs, even where this
        thread holds the lock; so whoever holds it sees to what has ended meanwhile.
        """
        self._ended.append(lease)
        self._settle()

    def clean_up(self, worker: Worker) -> bool:
        """Clean a thread, on itself, unless it is leased."""
        with self._lock:
            is_surplus = self._line.first(self._shares()) is not None  # Else not free.
            is_free = self._withdraw(worker)
        self._settle()
        if is_free:
            logged(self.clean)
            with self._lock:
                if is_surplus:
                    self._free.appendleft(worker)
                else:
                    self._give(worker, warm=False)
            self._settle()
        return is_free

    def let_go(self, worker: Worker) -> None:
        """Take back a thread, on itself, whose event awaits and has left nothing on it."""
        is_empty = logged(self.release)
        with self._lock:
            lease: Lease | None = None if worker.lease is None else worker.lease()
            if lease is not None and not worker.is_busy and lease.lets_go(is_empty=bool(is_empty)):
                lease.worker = None
                self._come_back(worker)
        self._settle()

    def dismiss(self, worker: Worker) -> bool:
        """Let a thread go that has idled, on itself, unless it is leased or one of the core."""
        with self._lock:
            is_leaving = self._size - self._leaving > self.core and self._withdraw(worker)
            self._leaving += is_leaving
        self._settle()
        if is_leaving:
            logged(self.retire)
            with self._lock:
                self._leaving -= 1
                self._size -= 1
            self._settle()
        return is_leaving

    def _come_back_later(self, worker: Worker) -> None:
        logged(self.clean)
        with self._lock:
            self._come_back(worker)
        self._settle()

    def _settle(self) -> None:
        while self._ended and self._lock.take_if_free():
            try:
                while self._ended:
                    self._take_back(self._ended.popleft())
            finally:
                self._lock.release()

    # From here to _adapt the lock is held.

    def _serve(self, lease: Lease, job: Job) -> bool:
        """Serve a job; False when it is the first of a lease that has to wait."""
        if lease.is_over or exiting.is_set():
            msg = "The event is over, or the process ends: there is no thread for it any more."
            raise RuntimeError(msg)
        if lease.refusal is not None:
            raise PoolExhausted(lease.refusal)
        lease.is_quiet = False
        if lease.worker is None and not lease.backlog:
            if (worker := self._take(lease.client)) is None:
                lease.since, lease.returned = time.monotonic(), self._scaling.returned
                self._line.add(lease)
                lease.backlog.append(job)
                return False
            lease.begin(worker)
        if lease.worker is not None:
            lease.worker.hand(job)
        else:
            lease.backlog.append(job)
        return True

    def _take_back(self, lease: Lease) -> None:
        worker, lease.worker = lease.worker, None
        if worker is None:
            self._line.remove(lease)
        elif worker.is_busy or lease.failed:
            # A cancelled event may leave a hook running, and one that failed its connection in
            # any state; the thread is free once that has ended and it is clean.
            worker.hand(Job(partial(self._come_back_later, worker)))
        else:
            self._come_back(worker)

    def _come_back(self, worker: Worker) -> None:
        self._scaling.returned += 1
        worker.rest()
        if self._scaling.has_surplus and self._line and self._at_work > self.core:
            self._scaling.has_surplus = False
            self._free.appendleft(worker)
        else:
            self._give(worker)

    def _withdraw(self, worker: Worker) -> bool:
        is_free = worker in self._free
        if is_free:
            self._free.remove(worker)
        return is_free

    def _take(self, client: Client) -> Worker | None:
        left = self.limit - self._at_work
        # Nobody holds more than are at work, so it need not be counted who does.
        if self._at_work >= left and not self._shares().allow(client):
            return None
        if self._free and not (self._line and self._line.first(self._shares())):
            return self._free.pop()
        return self._start() if self._size < self.core else None

    def _shares(self, spare: int = 0) -> Shares:
        """Count who holds threads; ``spare`` of those at work are just being given to somebody."""
        holders = (worker.client for worker in self._workers)
        return Shares(holders, self.limit - self._at_work + spare)

    def _start(self) -> Worker:
        worker = Worker(self)
        self._workers.add(worker)
        self._size += 1
        return worker

    def _give(self, worker: Worker, *, warm: bool = True) -> None:
        while self._line and (lease := self._line.take(self._shares(1))):
            if not lease.is_over:
                lease.begin(worker)
                return
        if warm:
            self._free.append(worker)
        else:
            self._free.appendleft(worker)

    def _adapt(self, sample: Sample, *, is_late: bool) -> None:
        """Have more threads serve the events that wait, or fewer."""
        shares = self._shares()
        # Where none is left there may be fewer, and nobody may have one.
        first = self._line.first(shares if shares.left else self._shares(1))
        if first is None:
            return
        wanted = self._scaling.wanted(sample, is_late=is_late, at_work=self._at_work, first=first)
        while wanted and self._line.first(self._shares()):
            self._give(self._spare())
            wanted -= 1
        shares = self._shares()
        lease = self._line.crowded_out(shares)
        if lease is not None and shares.left and self._scaling.is_overdue(lease, self._at_work):
            self._line.remove(lease)
            lease.begin(self._spare())

    def _spare(self) -> Worker:
        return self._free.pop() if self._free else self._start()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look after the pool while events of this loop wait."""
        if loop not in self._watching:
            self._watching.add(loop)
            sample = self._scaling.sample(loop.time())
            loop.call_at(sample.due, self._check, loop, sample)

    def _check(self, loop: asyncio.AbstractEventLoop, sample: Sample) -> None:
        self._watching.discard(loop)
        late = []
        with self._lock:
            # Where no thread can be started, those there are will have to do.
            with suppress(RuntimeError):
                self._adapt(sample, is_late=loop.time() - sample.due > scaling.LATE)
            deadline = time.monotonic() - self.wait
            for lease in self._line.late(deadline):
                late.append(lease)
                own = self._shares().held[lease.client]
                lease.refusal = (
                    f"No thread came free within {self.wait:g} s; {self._at_work} of {self.limit} "
                    f"are leased, {own} of them to the same client. "
                    "Raise ThreadPool(limit=...), or make handlers that wait long background tasks."
                )
        self._settle()
        for lease in late:
            lease.fail()
        if self._line:
            self._watch(loop)


class _Lock:
    """A lock for which the thread that holds it does not wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder = 0

    def __enter__(self) -> None:
        if self._holder == threading.get_ident():
            msg = "The garbage collector ends an event here; there is no thread for it any more."
            raise RuntimeError(msg)
        self._lock.acquire()
        self._holder = threading.get_ident()

    def take_if_free(self) -> bool:
        """Take the lock unless somebody holds it, and tell whether it was taken."""
        taken = self._lock.acquire(blocking=False)
        if taken:
            self._holder = threading.get_ident()
        return taken

    def release(self, *_: object) -> None:
        self._holder = 0
        self._lock.release()

    __exit__ = release


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
        self._pool = pool
        self._is_bound = bound
        self._is_loose = False
        self._is_prepared = False
        self._loan: Loan | None = None
        # The pool's, under its lock.
        self.worker: Worker | None = None
        self.backlog: list[Job] = []
        self.is_quiet = False
        self.refusal: str | None = None
        self.since = 0.0
        self.returned = 0

    @property
    def taken(self) -> bool:
        """Whether the event has a thread."""
        return self.worker is not None

    def __enter__(self) -> Self:
        if self._pool.kept is not None:
            self._loan = self._pool.kept.lend()
        return self

    def submit(  # type: ignore[override]
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run ``fn`` on the event's thread."""
        promised: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._pool.serve(self, Job(partial(self._prepared, fn, *args, **kwargs), promised))
        return promised

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Give the thread back, or the place in the line for one."""
        self.is_over = True
        if self._pool.kept is not None and self._loan is not None:
            # What broke off may still be using it.
            is_sound = not (self.failed or (self.worker is not None and self.worker.is_busy))
            self._pool.kept.take_back(self._loan, is_sound=is_sound, limit=self._pool.size)
        self._pool.end(self)
        for job in self.backlog:
            if job.promised is not None:
                job.promised.cancel()

    def loosen(self) -> None:
        """Let the thread go while the event awaits, unless something is open on it."""
        self._is_loose = self.is_quiet = not self._is_bound

    def lets_go(self, *, is_empty: bool) -> bool:
        """Tell whether the thread may go: nothing was called since, or nothing of it is left."""
        return self._is_loose and not self.failed and (self.is_quiet or is_empty)

    def begin(self, worker: Worker) -> None:
        """Have the thread run what has waited for it."""
        self.worker, self._is_prepared = worker, False
        worker.client, worker.lease = self.client, ref(self)
        for job in self.backlog:
            worker.hand(job)
        self.backlog.clear()

    def fail(self) -> None:
        """Have what waits for the thread fail with the refusal."""
        for job in self.backlog:
            job.answer(None, PoolExhausted(self.refusal))

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
        lease.loosen()


def _nothing() -> None:
    """Stand in for a hook nobody gave."""
