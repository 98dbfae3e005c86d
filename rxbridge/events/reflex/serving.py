"""The ASGI app of a Reflex app, and where it serves."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from reflex_base.config import get_config
from reflex_base.environment import environment

from rxbridge.asgi._refusal import refuse
from rxbridge.events.reflex.handover import keeping_tabs

if TYPE_CHECKING:
    import reflex as rx

    from rxbridge.asgi._types import ASGIApp, Receive, Scope, Send

logger = logging.getLogger("rxbridge")


def reflex_asgi(app: rx.App) -> ASGIApp:
    """Return the ASGI app of a Reflex app without compiling it, so without Node.

    The bundle is compiled beforehand, by ``reflex export --frontend-only --no-zip``; serve it
    with ``SPAStaticApp``. With states in Redis, a tab whose worker was killed keeps its state at
    another. Reflex decides by an environment variable whether calling the app
    compiles; it is set for the length of that call and then as it was.
    """
    variable = environment.REFLEX_SKIP_COMPILE
    before = variable.getenv()
    variable.set(True)
    try:
        return _Started(app, keeping_tabs(app, app()))
    finally:
        variable.set(before)


class _Started:
    """Refuse the sockets of an app that no server has started: each of their events would fail."""

    def __init__(self, app: rx.App, asgi: ASGIApp) -> None:
        self._app = app
        self._asgi = asgi
        self._has_lifespan = False
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what a server sends."""
        self._has_lifespan |= scope["type"] == "lifespan"
        if scope["type"] != "websocket" or self._has_lifespan or self._is_started():
            await self._asgi(scope, receive, send)
            return
        if not self._told:
            self._told = True
            logger.error(
                "Reflex was not started, so no event can run: the server speaks no lifespan, or "
                "the router does not pass it on. Use uvicorn, granian or hypercorn, not daphne and "
                "without --lifespan off, and write PrefixRouter(..., lifespan=reflex)."
            )
        await refuse(scope, receive, send, HTTPStatus.SERVICE_UNAVAILABLE)

    def _is_started(self) -> bool:
        try:
            _ = self._app.event_processor
        except RuntimeError:
            return False
        return True


def frontend_path() -> str:
    """Return the prefix of the app's pages as Reflex is configured, without a slash at its end."""
    return get_config().frontend_path.rstrip("/")
