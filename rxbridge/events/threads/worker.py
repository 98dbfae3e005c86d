"""Worker: one thread of a pool, which looks after itself when it idles."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

logger = logging.getLogger("rxbridge")

LINGER = 0.05
"""Seconds after its last call in which a thread may be leased again before it is cleaned."""

_LONGEST_PAUSE = 1.0

if TYPE_CHECKING:
    import asyncio

    from rxbridge.events.threads.line import Client

Hook: TypeAlias = "Callable[[], object]"


@dataclass(slots=True, eq=False)
class Job:
    """A call for a thread, and the future of what it gives, if anybody waits for that.

    The future is of the event loop that waits: one of ``concurrent.futures`` in between would
    cost as much as all the rest of the way to the thread and back.
    """

    call: Callable[[], Any]
    promised: asyncio.Future[Any] | None = None
    is_over: bool = False
    """Whether the thread is done with it; what was handed before is over then, too."""

    def run(self) -> None:
        """Make the call, on the thread, unless it was cancelled."""
        answer: tuple[Any, BaseException | None] | None = None
        if self.promised is None or not self.promised.cancelled():
            try:
                answer = self.call(), None
            except BaseException as error:
                answer = None, error
        del self.call
        self.is_over = True
        if answer is not None:
            self.answer(*answer)
        # The traceback holds this frame: without these it would hold itself.
        del answer, self

    def answer(self, result: Any, error: BaseException | None) -> None:
        """Have the loop that waits know what came of the call, from whatever thread."""
        # The thread knows the last job that it was handed, and is to keep nothing of it.
        promised, self.promised = self.promised, None
        if promised is not None:
            with contextlib.suppress(RuntimeError):  # It is closed.
                promised.get_loop().call_soon_threadsafe(_keep, promised, result, error)


def _keep(promised: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if promised.done():  # Cancelled meanwhile.
        return
    if isinstance(error, StopIteration):
        # Before Python 3.12 a future refuses it, and whoever awaits would wait for ever.
        promised.set_exception(RuntimeError(f"{error!r} was raised on a thread."))
    elif error is not None:
        promised.set_exception(error)
    else:
        promised.set_result(result)


class Pool(Protocol):
    """What a thread asks of its pool when it has had nothing to do for a while."""

    idle: float
    retire: Hook

    def clean_up(self, worker: Worker, /) -> bool: ...

    def let_go(self, worker: Worker, /) -> object: ...

    def dismiss(self, worker: Worker, /) -> bool: ...


class Worker:
    """One thread: it runs what it is handed, in order.

    ``lease`` is of the event it works for, on behalf of ``client``. It ends when its pool says
    so, when nothing refers to this object any more, and with the process, which waits for what it
    runs.
    """

    _numbers = count(1)

    def __init__(self, pool: Pool) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self.last = Job(bool, is_over=True)
        """What it was handed last; once that is over, it has nothing left to run."""
        self.client: Client = None
        self.lease: weakref.ref[Any] | None = None
        # The pool may be gone when the thread ends; its ``retire`` must not refer to it.
        thread = threading.Thread(
            target=_serve,
            args=(weakref.ref(self), weakref.ref(pool), self._jobs, pool.idle, pool.retire),
            name=f"rxbridge_{next(self._numbers)}",
            daemon=True,
        )
        thread.start()
        _alive[thread] = self._jobs
        weakref.finalize(self, self._jobs.put, None).atexit = False

    def hand(self, job: Job) -> None:
        """Have the thread run ``job`` after those it was handed before."""
        self.last = job
        self._jobs.put(job)


# Daemons, so that those that idle do not keep the process; what still runs is waited for.
_alive: weakref.WeakKeyDictionary[threading.Thread, SimpleQueue[Any]] = weakref.WeakKeyDictionary()
exiting = threading.Event()
"""Set as the process ends: threads take no more jobs."""


@atexit.register
def _wait_for_jobs() -> None:
    exiting.set()
    alive: list[tuple[threading.Thread, SimpleQueue[Any]]] = []
    while len(alive) < len(_alive):
        with contextlib.suppress(RuntimeError):  # Another thread has just started one.
            alive = list(_alive.items())
    for _, jobs in alive:
        jobs.put(None)
    for thread, _ in alive:
        thread.join()


def _serve(
    this: weakref.ref[Worker],
    pool: weakref.ref[Pool],
    jobs: SimpleQueue[Job | None],
    idle: float,
    retire: Hook,
) -> None:
    """Run jobs until there are to be no more."""
    is_clean = True
    pause: float | None = idle
    while True:
        try:
            job = jobs.get(timeout=pause)
        except Empty:
            worker, owner = this(), pool()
            if worker is None or owner is None:
                pause = None  # What is in the queue is yet to run; the end comes that way too.
            elif is_clean:
                if owner.dismiss(worker):
                    return
            elif owner.clean_up(worker):
                is_clean, pause = True, idle
            else:  # Leased, by an event that awaits something else.
                owner.let_go(worker)
                pause = min(2 * (pause or LINGER), _LONGEST_PAUSE)
            del worker, owner
            continue
        if job is None:
            break
        job.run()
        del job
        is_clean, pause = False, LINGER
    logged(retire)


def logged(hook: Hook) -> object:
    """Call a hook for which nobody waits."""
    try:
        return hook()
    except BaseException:  # The thread goes on whatever it is.
        logger.exception("The clean-up of an event's thread failed")
        return None
