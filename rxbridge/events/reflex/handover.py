"""TabHandover: a tab whose worker was killed goes on at another one, with its state."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import asyncio
import logging
import pickle
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from reflex.state import StateUpdate
from reflex.utils.token_manager import LostAndFoundRecord, RedisTokenManager

if TYPE_CHECKING:
    import reflex as rx

    from rxbridge.asgi._types import ASGIApp, Receive, Scope, Send

logger = logging.getLogger("rxbridge")

PATIENCE = 1.5
"""Seconds a silent worker has to be heard again: Reflex renews a broken subscription after one."""

_TAKE_AWAY = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


def keeping_tabs(app: rx.App, asgi: ASGIApp) -> ASGIApp:
    """Return ``asgi`` behind a ``TabHandover`` where several workers share the app's states."""
    namespace = app.event_namespace
    tabs = None if namespace is None else namespace._token_manager
    return TabHandover(asgi, tabs) if isinstance(tabs, RedisTokenManager) else asgi


class TabHandover:
    """Let a tab keep its state as it comes back, although the worker it was at was killed.

    Reflex notes in Redis which worker has a tab. It takes a tab with such a note for a duplicate,
    and gives it another token and an empty state. A worker that ends takes its notes away, one
    that is killed leaves them for an hour. So before Reflex sees a handshake, a note is taken
    away here when the worker it names is gone: each listens on a channel of its own, and Redis
    says twice, ``PATIENCE`` apart, that nobody does. A worker that is slow still listens.

    Costs a handshake one read of Redis. When that fails, Reflex does as it would.
    """

    def __init__(self, app: ASGIApp, tabs: RedisTokenManager) -> None:
        self._app = app
        self._tabs = tabs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Make way for a tab that comes back, then let Reflex have it."""
        if (token := token_of(scope)) is not None:
            try:
                await self._make_way(token)
            except Exception as error:
                # A note may be another release's, or none: the token is the client's word.
                logger.warning("A tab whose worker was killed may lose its state: %r", error)
        await self._app(scope, receive, send)

    async def _make_way(self, token: str) -> None:
        redis: Any = self._tabs.redis
        key = self._tabs._get_redis_key(token)
        note = await redis.get(key)
        if note is None:
            return
        worker = pickle.loads(note).instance_id  # noqa: S301 - Reflex's own, which reads it so
        if worker != self._tabs.instance_id and await self._is_gone(worker):
            # Unless the tab has come back elsewhere meanwhile.
            await redis.eval(_TAKE_AWAY, 1, key, note)

    async def _is_gone(self, worker: str) -> bool:
        channel = f"channel:{self._tabs._get_lost_and_found_key(worker)}"
        # What is published there goes on to a tab; this is for none.
        nothing = pickle.dumps(LostAndFoundRecord(token="", update=StateUpdate()))
        if await self._tabs.redis.publish(channel, nothing):
            return False
        await asyncio.sleep(PATIENCE)
        return not await self._tabs.redis.publish(channel, nothing)


def token_of(scope: Scope) -> str | None:
    """Return the token of a tab that opens a socket, by WebSocket or by polling."""
    if scope["type"] not in ("http", "websocket"):
        return None
    query = parse_qs(scope["query_string"].decode("latin-1"))
    # With a `sid` it is open already.
    return query["token"][0] if "EIO" in query and "token" in query and "sid" not in query else None
