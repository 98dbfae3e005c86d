"""The thread of a background task: its own, for as long as the task lives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from asgiref.sync import ThreadSensitiveContext
from django.db import connections

P = ParamSpec("P")
T = TypeVar("T")


class TaskThread(ThreadPoolExecutor):
    """A single thread that exists once it is used, and closes its database connections."""

    def __init__(self) -> None:
        super().__init__(max_workers=1, thread_name_prefix="rxbridge-background")
        self._used = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn`` on the thread."""
        self._used = True
        return super().submit(fn, *args, **kwargs)

    def retire(self) -> None:
        """End the thread after what is queued, without waiting for it."""
        if self._used:
            # The interpreter may be shutting down, which closes the connections too.
            with contextlib.suppress(RuntimeError):
                super().submit(connections.close_all)
        self.shutdown(wait=False)


async def own_thread_for_task() -> None:
    """Run the synchronous code of the current task on a thread nobody else uses.

    A background task may live for hours, so it does not lease one of the events' threads.
    """
    thread = TaskThread()
    # Never left: it ends with the task, whose context it is part of.
    await ThreadSensitiveContext(executor=thread).__aenter__()  # type: ignore[no-untyped-call]
    task = asyncio.current_task()
    if task is not None:
        task.add_done_callback(lambda _: thread.retire())
