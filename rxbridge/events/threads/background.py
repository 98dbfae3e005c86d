"""The thread of a background task: its own, for as long as the task lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from asgiref.sync import ThreadSensitiveContext
from django.db import connections

from rxbridge.events.threads.worker import LINGER, Job, Worker, exiting, logged

if TYPE_CHECKING:
    from rxbridge.events.threads.worker import Hook

P = ParamSpec("P")
T = TypeVar("T")


class TaskThread(Executor):
    """A single thread that exists once it is used, and closes its database connections.

    ``release`` is called on it at times while it has nothing to do.
    """

    def __init__(self, release: Hook) -> None:
        self.idle = LINGER
        self._release = release
        self.retire: Hook = connections.close_all
        self._worker: Worker | None = None
        self._is_over = False

    def submit(  # type: ignore[override]
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> asyncio.Future[T]:
        """Run ``fn`` on the thread."""
        if self._is_over or exiting.is_set():
            msg = "The background task is over, or the process ends: it has no thread any more."
            raise RuntimeError(msg)
        promised: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._worker = self._worker or Worker(self, name="rxbridge-background")
        self._worker.hand(Job(partial(fn, *args, **kwargs), promised))
        return promised

    def end(self) -> None:
        """End the thread after what is queued, without waiting for it."""
        self._is_over = True
        self._worker = None

    def clean_up(self, worker: Worker, /) -> bool:  # noqa: ARG002
        """Leave the thread to its task."""
        return False

    dismiss = clean_up

    def let_go(self, worker: Worker, /) -> object:  # noqa: ARG002
        """Release what the task does not need while it awaits."""
        return logged(self._release)


async def own_thread_for_task(release: Hook) -> None:
    """Run the synchronous code of the current task on a thread nobody else uses.

    A background task may live for hours, so it does not lease one of the events' threads.
    """
    thread = TaskThread(release)
    # Never left: it ends with the task, whose context it is part of.
    await ThreadSensitiveContext(executor=thread).__aenter__()  # type: ignore[no-untyped-call]
    task = asyncio.current_task()
    if task is not None:
        task.add_done_callback(lambda _: thread.end())
