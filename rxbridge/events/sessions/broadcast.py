"""What carries revocations from one worker to the others: the protocol, and Redis for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis

_ALIVE = 5.0  # seconds of silence after which the connection to Redis is tried with a ping
_ANSWER = 2.0  # seconds Redis may take to answer anything


class Broadcast(Protocol):
    """A channel all workers listen to. Messages are short text without secrets."""

    async def publish(self, message: str) -> None:
        """Send ``message`` to every worker that listens, the sender too; raise if it cannot."""
        ...

    async def listen(self, deliver: Callable[[str], None], gap: Callable[[], None]) -> None:
        """Call ``deliver`` with each message, until cancelled; raise ``OSError`` on an outage.

        Whoever calls it calls it again. Call ``gap`` whenever listening begins, again after an
        outage too: messages sent before may have been lost.
        """
        ...


class RedisBroadcast:
    """Broadcast through a channel of Redis: ``RedisBroadcast("redis://localhost:6379/0")``.

    ``redis`` is an address or a ``redis.asyncio.Redis``. An address is opened anew for each use,
    so it serves any event loop; install ``rxbridge[redis]``. All workers of an application use
    the same ``channel``, and no other application does.

    A connection that died is noticed after some seconds of silence, and opened again with
    pauses of up to five seconds.
    """

    def __init__(self, redis: str | Redis, *, channel: str = "rxbridge:revocations") -> None:
        if not channel:
            msg = "channel is empty; name one that this application alone uses."
            raise ValueError(msg)
        if isinstance(redis, str):
            _check_address(redis)
        self.channel = channel
        self._redis = redis

    async def publish(self, message: str) -> None:
        """Send ``message`` to every worker that listens; raise ``RedisError`` if it cannot."""
        async with self._client() as client:
            await client.publish(self.channel, message)

    async def listen(self, deliver: Callable[[str], None], gap: Callable[[], None]) -> None:
        """Call ``deliver`` with each message, until cancelled; see ``Broadcast``."""
        from redis.exceptions import RedisError

        try:
            await self._listen(deliver, gap)
        except RedisError as error:
            raise OSError(str(error)) from error

    async def _listen(self, deliver: Callable[[str], None], gap: Callable[[], None]) -> None:
        async with self._client() as client, client.pubsub() as subscription:
            await subscription.subscribe(self.channel)
            pinged = False
            while True:
                message = await subscription.get_message(timeout=_ANSWER if pinged else _ALIVE)
                if message is None and pinged:
                    msg = f"Redis was silent for {_ALIVE + _ANSWER:g} s"
                    raise OSError(msg)
                pinged = message is None
                if message is None:
                    await subscription.ping()
                elif message["type"] == "subscribe":
                    gap()
                elif message["type"] == "message":
                    deliver(_text(message["data"]))

    def _client(self) -> AbstractAsyncContextManager[Any]:
        return _opened(self._redis) if isinstance(self._redis, str) else nullcontext(self._redis)


@asynccontextmanager
async def _opened(address: str) -> AsyncGenerator[Any]:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    # It must not reconnect by itself, since nobody would then hear of the gap.
    never = Retry(NoBackoff(), 0)
    client = Redis.from_url(address, socket_connect_timeout=_ANSWER, retry=never)
    try:
        yield client
    finally:
        closing = asyncio.create_task(client.aclose())
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing  # Cut off, it would leave the connection open.
            raise


def _check_address(address: str) -> None:
    try:
        from redis.asyncio import Redis
    except ImportError as error:
        msg = "RedisBroadcast needs the package redis; install rxbridge[redis]."
        raise ImportError(msg) from error
    Redis.from_url(address)  # raises ValueError for what is no address of Redis


def _text(content: str | bytes) -> str:
    # What is no text is no message of ours; it is for the receiver to say so.
    return content.decode(errors="replace") if isinstance(content, bytes) else content
