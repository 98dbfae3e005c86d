"""Presence: whether the tab that an event works for is still there."""

# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING, Any

from rxbridge.events.reflex.recipients import Address, TabNamespace

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import reflex as rx

    from rxbridge.asgi.connections import Connection

logger = logging.getLogger("rxbridge")

_PAUSE = 0.5
"""Seconds between looks for the tab of a handler that is to be cancelled without it."""


class Presence:
    """Tells whether a tab has been away for ``grace`` seconds: its socket closed, and no other.

    A tab that comes back, at this worker or another, is there again.
    """

    def __init__(self, app: rx.App, token: str, connection: Connection, grace: float) -> None:
        self._namespace: Any = app.event_namespace
        self._tabs: Any = getattr(self._namespace, "_token_manager", None)
        self._token = token
        self._connection = connection
        self._grace = grace
        self._seen = time.monotonic()
        self._away_since: float | None = None

    async def is_over(self) -> bool:
        """Tell whether the tab is away for good."""
        closed_at = self._connection.closed_at
        if closed_at is None or self._tabs is None:
            return False
        now = time.monotonic()
        try:
            is_back = await self._tabs.is_token_connected(self._token) and self._is_own()
        except Exception as error:  # of Redis: nobody is known to have gone
            logger.warning("Whether the tab of a handler is there is not known: %r", error)
            is_back = True
        if is_back:
            self._seen, self._away_since = now, None
            return False
        if self._away_since is None:
            # It may have been back, by another socket, since it was last looked for.
            self._away_since = closed_at if closed_at > self._seen else now
        return now - self._away_since >= self._grace

    def _is_own(self) -> bool:
        """Tell whether who has the tab now is its browser, as far as this worker knows."""
        if not isinstance(self._namespace, TabNamespace):
            return True
        here = self._namespace.connection_of(self._token)
        return here is None or Address.of(self._connection).is_of(here)

    @contextlib.asynccontextmanager
    async def required(self) -> AsyncGenerator[None]:
        """Cancel the running task in the block once the tab is away for good."""
        task = asyncio.current_task()
        watch = asyncio.create_task(self._watch(task))
        try:
            yield
        finally:
            watch.cancel()

    async def _watch(self, task: asyncio.Task[Any] | None) -> None:
        while not await self.is_over():  # noqa: ASYNC110 - Reflex tells nobody
            await asyncio.sleep(_PAUSE)
        if task is not None:
            task.cancel("the tab it worked for is gone")
