"""The revoker's end of a broadcast: what it sends is kept until it is sent."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from asgiref.sync import async_to_sync

from rxbridge.events.sessions.broadcast import Reader, keep_listening

if TYPE_CHECKING:
    from rxbridge.events.sessions.broadcast import Broadcast

logger = logging.getLogger("rxbridge")

Message: TypeAlias = dict[str, Any]

_LIMIT = 10_000  # messages kept while the broadcast cannot be reached
_HINTS = 200  # that of a browser's cookies is not worth more: a hand-off sees to them
_LONGEST_PAUSE = 5.0  # seconds between attempts to reach it, at most


class Wire:
    """Send messages to the other workers, and hand on theirs; a worker's own it does not hear.

    ``obey`` is called with each message and ``missed`` when some may have been lost.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        *,
        obey: Callable[[Message], None],
        missed: Callable[[], None],
    ) -> None:
        self._broadcast = broadcast
        self._obey = obey
        self._missed = missed
        self._worker = secrets.token_hex(8)
        self._outbox: deque[Message] = deque()
        self._hear = Reader("the channel of revocations", self._take)
        self.listening = asyncio.Event()

    def listen(self) -> Coroutine[Any, Any, None]:
        """Return what hears the other workers, until cancelled; ``listening`` tells when."""
        self.listening = asyncio.Event()
        return keep_listening(self._broadcast, self._hear, self._gap, self.listening.clear)

    def post(self, message: Message) -> Coroutine[Any, Any, None] | None:
        """Have ``message`` sent; return what is to be run for it, if it is not running yet."""
        if message.get("kind") == "cookies" and len(self._outbox) >= _HINTS:
            return None
        if len(self._outbox) >= _LIMIT:
            self._outbox.clear()
            message = {"kind": "all"}
        self._outbox.append(message)
        return self._send_all() if len(self._outbox) == 1 else None

    def send_now(self, message: Message) -> None:
        """Send ``message`` from a process without a loop, such as a management command."""
        try:
            async_to_sync(self._broadcast.publish)(self._sealed(message))
        except Exception:
            logger.exception("A revocation could not be told to the workers")

    async def _send_all(self) -> None:
        pause = 0.1
        while self._outbox:
            message = self._outbox[0]
            try:
                await self._broadcast.publish(self._sealed(message))
            except Exception as error:
                logger.warning("Revocations do not reach the other workers: %s", error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
                continue
            # What came meanwhile may have replaced everything.
            if self._outbox[0] is message:
                self._outbox.popleft()

    def _take(self, message: Message) -> None:
        if message["worker"] != self._worker:
            self._obey(message)

    def _gap(self) -> None:
        self.listening.set()
        self._missed()

    def _sealed(self, message: Message) -> str:
        return json.dumps({"worker": self._worker, **message})
