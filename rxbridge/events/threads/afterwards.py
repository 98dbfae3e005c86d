"""Afterwards: what an event leaves to be done beside the tab's next ones, such as sending mail."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from asgiref.sync import sync_to_async

from rxbridge.events._test_context import current_test
from rxbridge.events.threads.elsewhere import closing

logger = logging.getLogger("rxbridge")


class Afterwards:
    """Call functions on a few threads of their own, in the order they come.

    Of those of one client, a network address, at most as many are taken as are left of ``limit``.
    """

    def __init__(self, *, threads: int = 4, limit: int = 1_000) -> None:
        self._limit = limit
        self._threads = ThreadPoolExecutor(threads, "rxbridge-afterwards")
        self._left: dict[Future[None], str] = {}

    def __len__(self) -> int:
        """Return how many calls have yet to end."""
        return len(self._left)

    async def do(self, *calls: Callable[[], object], client: str = "") -> None:
        """See that ``calls`` are made; under ``EventClient`` they are when this returns."""
        for call in calls:
            if current_test.get() is not None:
                await sync_to_async(_logged)(call)
            elif (own := [*self._left.values()].count(client)) >= self._limit - len(self._left):
                waiting = f"{len(self._left)} calls wait, {own} of this client"
                logger.error("Not done, since %s: %r", waiting, call)
            else:
                future = self._threads.submit(closing, _logged, call)
                self._left[future] = client
                future.add_done_callback(self._left.pop)

    async def ended(self) -> None:
        """Wait until nothing is left to be done."""
        while left := [*self._left]:
            await asyncio.wait([asyncio.wrap_future(each) for each in left])


def _logged(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception:
        logger.exception("What an event left to be done afterwards failed")
