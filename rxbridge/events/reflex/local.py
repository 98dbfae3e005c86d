"""LocalServer: Reflex without sockets, for ``EventClient``."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

import reflex as rx
from reflex.istate.manager.memory import StateManagerMemory
from reflex.istate.manager.token import BaseStateToken
from reflex.state import OnLoadInternalState, State, StateUpdate
from reflex_base.config import get_config
from reflex_base.event import Event, resolve_upload_handler_param
from reflex_base.event.processor.base_state_processor import BaseStateEventProcessor
from reflex_base.registry import RegistrationContext

from rxbridge.errors import RxBridgeError
from rxbridge.events.reflex.answers import bridge_of
from rxbridge.events.reflex.setters import add_setters

if TYPE_CHECKING:
    from reflex.state import BaseState
    from reflex_base.event.context import EventContext
    from reflex_base.event.processor.future import EventFuture


class RecordingProcessor(BaseStateEventProcessor):
    """Reflex's own event processor, which also remembers the event of each future."""

    def __init__(self, app: rx.App) -> None:
        super().__init__(middleware=app, backend_exception_handler=app.backend_exception_handler)
        self.events: WeakKeyDictionary[EventFuture, Event] = WeakKeyDictionary()

    async def enqueue(
        self, token: str, event: Event, ev_ctx: EventContext | None = None
    ) -> EventFuture:
        """Enqueue an event as Reflex does."""
        future = await super().enqueue(token, event, ev_ctx)
        self.events[future] = event
        return future

    def is_background(self, future: EventFuture) -> bool:
        """Tell whether the handler of this future's event is a background task."""
        registered = RegistrationContext.get().event_handlers.get(self.events[future].name)
        return registered is not None and registered.handler.is_background

    async def finished(self) -> None:
        """Wait for the backend exception handlers, which run in tasks after their events'."""
        tasks = [
            task
            for task in self._tasks.values()
            if task.get_name().startswith("reflex_backend_exception_handler|")
        ]
        await asyncio.gather(*tasks, return_exceptions=True)


class LocalServer:
    """Reflex's event processor with a list for each tab in place of a socket, for ``EventClient``.

    Its state is in memory and gone with it.
    """

    def __init__(self, app: rx.App) -> None:
        self._app = app
        self._manager: Any = StateManagerMemory()  # type: ignore[abstract]
        self._processor = RecordingProcessor(app)
        self._received: dict[str, list[StateUpdate]] = {}
        self._to_fire: defaultdict[str, asyncio.Queue[Event]] = defaultdict(asyncio.Queue)
        self._background: dict[str, list[EventFuture]] = {}
        self._stack = contextlib.AsyncExitStack()

    @property
    def connections(self) -> Any:
        """The registry of the app's bridge, or ``None``."""
        requests = getattr(bridge_of(self._app), "requests", None)
        return getattr(requests, "connections", None)

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._app.set_contexts())
        add_setters()
        add_pages(self._app)
        self._processor.configure(
            state_manager=self._manager,
            event_namespace=self,  # type: ignore[arg-type] # only its emit_update is called
        )
        await self._stack.enter_async_context(self._processor)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    async def emit_update(self, update: StateUpdate, token: str) -> None:
        """Take what would go to a tab's page."""
        self._received.setdefault(token, []).append(update)
        for event in update.events:
            if event.name in RegistrationContext.get().event_handlers:
                self._to_fire[token].put_nowait(event)

    def load_event(self, path: str) -> Event:
        """Return the event a browser sends as it connects from a page of the app."""
        self._require_page(path)
        return Event(name=f"{State.get_full_name()}.hydrate_and_load")

    def navigation_event(self, path: str) -> Event:
        """Return the event a browser sends as it goes to another page of the app."""
        self._require_page(path)
        return Event(name=f"{OnLoadInternalState.get_full_name()}.on_load_internal")

    def _require_page(self, path: str) -> None:
        if self._app.router(path) is None:
            pages = ", ".join(f"/{route}" for route in sorted(self._app._unevaluated_pages))
            msg = (
                f"The app has no page at {path!r}; it has {pages or 'none'}. Import the modules "
                "of its pages; a query is given as query=."
            )
            raise RxBridgeError(msg)

    def event(self, handler: Any, payload: Mapping[str, Any]) -> Event:
        """Return the event of a handler given by reference."""
        (event,) = Event.from_event_type(handler)
        return dataclasses.replace(event, payload={**event.payload, **payload})

    def upload_event(self, handler: Any, files: Iterable[tuple[str, bytes]]) -> Event:
        """Return the event of an upload: it carries its files, and no word of a page."""
        (event,) = Event.from_event_type(handler)
        registered = RegistrationContext.get().event_handlers[event.name].handler
        parameter, _ = resolve_upload_handler_param(registered)
        sent = [
            rx.UploadFile(file=BytesIO(content), path=Path(name), size=len(content))
            for name, content in files
        ]
        return dataclasses.replace(event, payload={parameter: sent})

    def router_data(self, path: str, query: str) -> dict[str, Any]:
        """Return what a browser on that page says of it, and the server of its route."""
        route = self._app.router(path) or "404"
        return {
            "pathname": f"/{route.removeprefix('/')}",
            "asPath": f"{path}?{query}" if query else path,
            "query": dict(parse_qsl(query, keep_blank_values=True)) | _params(route, path),
        }

    async def fire(self, token: str, event: Event) -> list[Exception]:
        """Enqueue an event; wait for it and what it chained, except for background tasks.

        Returns what was raised by any of their handlers.
        """
        root = await self._processor.enqueue(token, event)
        return await self._wait(token, [root])

    async def background(self, token: str, timeout: float | None) -> list[Exception]:
        """Wait for a tab's background tasks and what they chained."""
        errors: list[Exception] = []
        async with asyncio.timeout(timeout):
            while started := self._background.pop(token, None):
                try:
                    errors += await self._wait(token, started, into_background=True)
                except asyncio.CancelledError:
                    self._background.setdefault(token, []).extend(started)
                    raise
        return errors

    async def told(self, token: str, timeout: float | None) -> Event:
        """Wait for an event that a tab's page is to fire."""
        async with asyncio.timeout(timeout):
            return await self._to_fire[token].get()

    def received(self, token: str) -> tuple[list[Any], list[Any]]:
        """Take out the deltas and the events a tab's page has received since the last call."""
        updates = self._received.pop(token, [])
        return (
            [update.delta for update in updates if update.delta],
            [event for update in updates for event in update.events],
        )

    async def state(self, token: str, cls: type[BaseState]) -> BaseState:
        """Return a tab's instance of a state class."""
        root: BaseState = await self._manager.get_state(BaseStateToken(ident=token, cls=State))
        return await root.get_state(cls)

    async def _wait(
        self, token: str, futures: list[EventFuture], *, into_background: bool = False
    ) -> list[Exception]:
        errors: list[Exception] = []
        for future in futures:
            if self._processor.is_background(future) and not into_background:
                self._background.setdefault(token, []).append(future)
                continue
            await asyncio.wait([future])
            if not future.cancelled() and isinstance(error := future.exception(), Exception):
                errors.append(error)
            errors += await self._wait(token, future.children)
        await self._processor.finished()
        return errors


def add_pages(app: rx.App) -> None:
    """Give the app the pages of ``@rx.page`` and of plugins, as compiling it does."""
    for page, options in app._registration_context.decorated_pages:
        route = app._page_route_key(page, options.get("route"))
        known = app._unevaluated_pages.get(route or "")
        if known is None or known.component is not page:
            app.add_page(page, **options)
    app._register_plugin_pages(get_config().plugins)


def _params(route: str, path: str) -> dict[str, str | list[str]]:
    """Return what the dynamic segments of a page's route stand for in ``path``."""
    params: dict[str, str | list[str]] = {}
    given = path.strip("/").split("/")
    for index, segment in enumerate(route.strip("/").split("/")):
        name = segment.strip("[]").removeprefix("...")
        if segment.startswith(("[...", "[[...")):
            params[name] = given[index:]
        elif segment.startswith("[") and index < len(given):
            params[name] = given[index]
    return params
