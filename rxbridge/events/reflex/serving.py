"""The ASGI app of a Reflex app, and where it serves."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import asyncio
import logging
import math
from http import HTTPStatus
from typing import TYPE_CHECKING

from reflex.app import EventNamespace
from reflex.istate.manager.redis import StateManagerRedis
from reflex_base.config import get_config
from reflex_base.constants import Endpoint, StateManagerMode
from reflex_base.environment import environment, state_manager_disk_debounce
from reflex_base.event.context import EventContext

from rxbridge.asgi._refusal import refuse
from rxbridge.events.reflex.intake import Intake
from rxbridge.events.reflex.recipients import TabNamespace
from rxbridge.events.reflex.redis_states import RedisStates
from rxbridge.events.reflex.setters import add_setters
from rxbridge.events.reflex.uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Iterable

    import reflex as rx
    from reflex_base.event.processor import EventProcessor

    from rxbridge.asgi._types import ASGIApp, Message, Receive, Scope, Send
    from rxbridge.events.threads.afterwards import Afterwards

logger = logging.getLogger("rxbridge")


def reflex_asgi(
    app: rx.App, *, grace: float = 8.0, backlog: int = 100, max_upload: int | None = None
) -> ASGIApp:
    """Return the ASGI app of a Reflex app without compiling it, so without Node.

    The bundle is compiled beforehand, by ``reflex export --frontend-only --no-zip``; serve it
    with ``SPAStaticApp``. With states in Redis, a tab whose worker was killed keeps its state at
    another.

    When the server stops, events that run or wait for their turn have ``grace`` seconds to end;
    then they are cancelled, as background tasks are at once. With 0 all are, as in plain Reflex.

    A socket with more than ``backlog`` unfinished events, or with more text in them than four of
    the largest, is not read until one has ended. An event of more characters than
    ``REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE``, by default a million, is refused with a 413.

    An upload is judged by the chain and the handler's guards before its body is read, and is a 413
    once it has more than ``max_upload`` bytes.

    Reflex decides by an environment variable whether calling the app
    compiles; it is set for the length of that call and then as it was.
    """
    if grace < 0:
        msg = f"grace={grace} is in seconds and must not be negative; write 0 to wait for nothing."
        raise ValueError(msg)
    if backlog < 1:
        msg = f"backlog={backlog} is how many events of a socket may wait; write 1 or more."
        raise ValueError(msg)
    if max_upload is not None and max_upload < 1:
        msg = f"max_upload={max_upload} is in bytes; write 1 or more, or None for no bound."
        raise ValueError(msg)
    if app.sio is not None:
        check_transports(app.sio.eio.transports)
    variable = environment.REFLEX_SKIP_COMPILE
    before = variable.getenv()
    variable.set(True)
    try:
        with app.set_contexts():
            add_setters()
        asgi: ASGIApp = app()
    finally:
        variable.set(before)
    if type(app._state_manager) is StateManagerRedis:
        app._state_manager = RedisStates.in_place_of(app._state_manager)
    if type(app._event_namespace) is EventNamespace:
        app._event_namespace = TabNamespace.in_place_of(app._event_namespace)
    if not app._unevaluated_pages.keys() - {"404"}:
        logger.warning(
            "The Reflex app has no page. Where it is made, import the modules with @rx.page."
        )
    return _Served(app, asgi, grace=grace, backlog=backlog, max_upload=max_upload)


class _Served:
    """What a Reflex app serves, in one app: each that waits around a socket costs it memory.

    Refused are the sockets of one that no server has started, each of whose events would fail. One
    that is stopped is first left to end what it does.
    """

    def __init__(
        self, app: rx.App, asgi: ASGIApp, *, grace: float, backlog: int, max_upload: int | None
    ) -> None:
        path = get_config().prepend_backend_path(str(Endpoint.UPLOAD))
        self._app = app
        self._asgi = asgi
        self._uploads = Uploads(
            app, asgi, path=path, frontend_path=frontend_path(), max_size=max_upload
        )
        has_tabs = app.event_namespace is not None
        self._intake = Intake(app, backlog=backlog) if has_tabs else None
        self._grace = grace
        self._has_lifespan = False
        self._told = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what a server sends."""
        kind = scope["type"]
        if kind == "http":
            await self._uploads(scope, receive, send)
        elif kind == "lifespan":
            self._has_lifespan = True
            await self._asgi(scope, self._stopping_late(receive), send)
        elif kind == "websocket" and not (self._has_lifespan or self._is_started()):
            await self._refuse(scope, receive, send)
        elif kind != "websocket" or self._intake is None:
            await self._asgi(scope, receive, send)
        else:
            socket = self._intake.socket(scope, receive, send)
            token = EventContext.set(socket.context)
            try:
                await self._asgi(scope, socket.receive, socket.send)
            finally:
                EventContext.reset(token)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._told:
            self._told = True
            logger.error(
                "Reflex was not started, so no event can run: the server speaks no lifespan, or "
                "the router does not pass it on. Use uvicorn, granian or hypercorn, not daphne and "
                "without --lifespan off, and write PrefixRouter(..., lifespan=reflex)."
            )
        await refuse(scope, receive, send, HTTPStatus.SERVICE_UNAVAILABLE)

    def _stopping_late(self, receive: Receive) -> Receive:
        async def receive_late() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown" and self._is_started():
                await _end(self._app, self._grace)
            return message

        return receive_late

    def _is_started(self) -> bool:
        try:
            _ = self._app.event_processor
        except RuntimeError:
            return False
        return True


async def _end(app: rx.App, grace: float) -> None:
    """Wait until all that tabs have begun is over, for ``grace`` at most."""
    processor = app.event_processor
    parts = (getattr(middleware, "afterwards", None) for middleware in app._middlewares)
    left: list[Afterwards] = [part for part in parts if part is not None]
    try:
        async with asyncio.timeout(grace):
            await _end_events(processor)
            for part in left:
                await part.ended()
    except TimeoutError:
        names = sorted({queue[0][0].event.name for queue in processor._token_queues.values()})
        if unsent := sum(map(len, left)):
            names.append(f"{unsent} e-mails, which are not sent")
        logger.warning(
            "Events did not end within reflex_asgi(grace=%g) and are cancelled: %s",
            grace,
            ", ".join(names),
        )


async def _end_events(processor: EventProcessor) -> None:
    """Wait until no tab's event runs or waits for another, nor what they chain.

    Background tasks are not waited for, which may never end.
    """
    await processor.join()
    while tabs := processor._token_queues:
        first = [processor._tasks[queue[0][0].ctx.txid] for queue in tabs.values()]
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        await processor.join()


def check_transports(transports: Iterable[str] | None = None) -> None:
    """Raise unless sockets are WebSockets alone: a poll is gone before the event it brought runs.

    Without ``transports`` these are what Reflex is configured to use.
    """
    if "polling" in (transports or (get_config().transport,)):
        msg = (
            "Long polling is on, and an event that comes by it has no connection to be known by. "
            'Take transport="polling" out of rx.Config in rxconfig.py, or write '
            'transports=["websocket"] where the app is given a Socket.IO server of its own.'
        )
        raise ValueError(msg)


def seconds_until_stored(config: rx.Config) -> float:
    """Return how long a worker may keep what an event did before it stores it, as configured."""
    if config.state_manager_mode is StateManagerMode.DISK:
        return state_manager_disk_debounce().total_seconds()
    return math.inf if config.state_manager_mode is StateManagerMode.MEMORY else 0.0


def frontend_path() -> str:
    """Return the prefix of the app's pages as Reflex is configured, without a slash at its end."""
    return get_config().frontend_path.rstrip("/")
