"""The thread of a background task: its own, for as long as the task lives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from asgiref.sync import ThreadSensitiveContext
from django.db import connections

from rxbridge.events.threads.pool import ThreadPool
from rxbridge.events.threads.worker import LINGER

if TYPE_CHECKING:
    from rxbridge.events.threads.worker import Hook


async def own_thread_for_task(release: Hook) -> None:
    """Run the synchronous code of the current task on a thread nobody else uses.

    A background task may live for hours, so it does not lease one of the events' threads.
    ``release`` is called on it at times while it has nothing to do.
    """
    close = connections.close_all
    pool = ThreadPool(core=1, limit=1, idle=LINGER, clean=close, release=release, retire=close)
    lease = pool.lease()

    def end(_: object) -> None:
        lease.shutdown()
        pool.core = 0  # What is beyond the core ends once it idles.

    # Never left: it ends with the task, whose context it is part of.
    await ThreadSensitiveContext(executor=lease).__aenter__()  # type: ignore[no-untyped-call]
    if (task := asyncio.current_task()) is not None:
        task.add_done_callback(end)
