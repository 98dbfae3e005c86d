"""Channel: a worker's end of a broadcast; what it sends is kept until it is sent."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias

from asgiref.sync import async_to_sync

if TYPE_CHECKING:
    from rxbridge.events.sessions.broadcast import Broadcast

logger = logging.getLogger("rxbridge")

Message: TypeAlias = dict[str, Any]

_LONGEST_PAUSE = 5.0  # seconds between attempts to reach the broadcast, at most
_SOUND = 10.0  # seconds of listening after which the next attempt is made at once


class Channel:
    """Send messages to the other workers, and hand on theirs; a worker's own it does not hear.

    ``obey`` is called with each message and ``missed`` when some may have been lost. ``subject``
    is what they are about, for the log. While the broadcast cannot be reached ``limit`` of them
    wait, each once; beyond, ``overflow`` stands for all.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        *,
        obey: Callable[[Message], None],
        missed: Callable[[], None],
        subject: str,
        overflow: Message,
        limit: int = 10_000,
    ) -> None:
        self._broadcast = broadcast
        self._obey = obey
        self._missed = missed
        self._subject = subject
        self._overflow = overflow
        self._limit = limit
        self._worker = secrets.token_hex(8)
        self._outbox: dict[str, None] = {}
        self._is_sending = False
        self._has_complained = False
        self.listening = asyncio.Event()

    def __len__(self) -> int:
        """Return how many messages wait to be sent."""
        return len(self._outbox)

    def listen(self) -> Coroutine[Any, Any, None]:
        """Return what hears the other workers, until cancelled; ``listening`` tells when."""
        self.listening = asyncio.Event()
        return self._listen(self.listening)

    def post(self, message: Message) -> Coroutine[Any, Any, None] | None:
        """Have ``message`` sent; return what is to be run for it, if it is not running yet."""
        if len(self._outbox) >= self._limit:
            self._outbox.clear()
            message = self._overflow
        text = self._sealed(message)
        self._outbox.pop(text, None)  # It is the last now.
        self._outbox[text] = None
        return None if self._is_sending else self._send_all()

    def send_now(self, message: Message) -> None:
        """Send ``message`` from a process without a loop, such as a management command."""
        try:
            async_to_sync(self._broadcast.publish)(self._sealed(message))
        except Exception:
            logger.exception("The workers could not be told of %s", self._subject)

    async def _send_all(self) -> None:
        if self._is_sending:
            return
        self._is_sending, pause = True, 0.1
        try:
            while self._outbox:
                text = next(iter(self._outbox))
                # First, for the same that is posted meanwhile is to be sent again.
                del self._outbox[text]
                try:
                    await self._broadcast.publish(text)
                except BaseException as error:
                    self._outbox = {text: None, **self._outbox}
                    if not isinstance(error, Exception):
                        raise
                    logger.warning("The workers are not told of %s: %s", self._subject, error)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
        finally:
            self._is_sending = False

    async def _listen(self, listening: asyncio.Event) -> None:
        """Listen, and anew when the broadcast has left off, for whatever reason."""
        clock = asyncio.get_running_loop().time
        pause = 0.1
        while True:
            began = clock()
            try:
                await self._broadcast.listen(self._hear, self._gap)
                logger.warning("%r left off listening; it is asked to again", self._broadcast)
            except OSError as error:
                logger.warning("Messages of other workers do not arrive: %s", error)
            except Exception:
                logger.exception("%r failed to listen; it is asked to again", self._broadcast)
            finally:
                listening.clear()
            if clock() - began > _SOUND:
                pause = 0.1
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _hear(self, text: str) -> None:
        """Obey a message of another worker; what is none is dropped, and said once."""
        try:
            message: Message = json.loads(text)
            if message["worker"] != self._worker:
                self._obey(message)
        except Exception:
            # Anything may be sent there, and often: one line says it.
            if not self._has_complained:
                self._has_complained = True
                channel = f"the channel of {self._subject}"
                logger.exception("Messages on %s are none, and are dropped", channel)

    def _gap(self) -> None:
        self.listening.set()
        self._missed()

    def _sealed(self, message: Message) -> str:
        return json.dumps({"worker": self._worker, **message})
