"""The adapter: all that rxbridge takes from Reflex beyond its documentation is in this file.

Read against Reflex 0.10; a Reflex upgrade is a change here.
"""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import inspect
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextvars import Context
from enum import Enum
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl
from weakref import WeakKeyDictionary

import reflex as rx
from asgiref.sync import sync_to_async
from reflex.istate.manager.memory import StateManagerMemory
from reflex.istate.manager.token import BaseStateToken
from reflex.state import (
    FrontendEventExceptionState,
    OnLoadInternalState,
    State,
    StateUpdate,
    UpdateVarsInternalState,
)
from reflex_base.config import get_config
from reflex_base.environment import environment
from reflex_base.event import Event, EventHandler, resolve_upload_handler_param
from reflex_base.event.context import EventContext
from reflex_base.event.processor.base_state_processor import (
    BaseStateEventProcessor,
    chain_updates,
    process_event,
)
from reflex_base.registry import RegistrationContext

from rxbridge.asgi.connections import Connection, current_connection
from rxbridge.events.binder import Binding, binding_in
from rxbridge.events.request_factory import ReflexEvent

if TYPE_CHECKING:
    from reflex.state import BaseState
    from reflex_base.event.processor.future import EventFuture
    from reflex_base.registry import RegisteredEventHandler

    from rxbridge.asgi._types import ASGIApp

LOAD = "window.location.assign"
"""The browser's function that loads an address the app's own router does not answer."""

MIRROR_METHOD = "_rxbridge_mirror"
"""The method by which a state class says that it mirrors the request; see ``rxbridge.state``."""


class Kind(Enum):
    """What an event is to the bridge."""

    HANDLER = "a handler of the application's own"
    BACKGROUND = "a background task of the application's own"
    PAGE = "Reflex's own event that shows a page"
    INTERNAL = "Reflex's own event that needs no user"


@functools.cache
def _hydrating_handlers() -> frozenset[str]:
    return _names((State,), "hydrate", "hydrate_and_load")


@functools.cache
def _page_handlers() -> frozenset[str]:
    return (
        _hydrating_handlers()
        | _names((OnLoadInternalState,), "on_load_internal")
        | _names((UpdateVarsInternalState,), "update_vars_internal")
    )


@functools.cache
def _internal_handlers() -> frozenset[str]:
    return _names((State, OnLoadInternalState), "set_is_hydrated") | _names(
        (FrontendEventExceptionState,), "handle_frontend_exception"
    )


def _names(states: tuple[type[BaseState], ...], *handlers: str) -> frozenset[str]:
    return frozenset(f"{state.get_full_name()}.{name}" for state in states for name in handlers)


def reflex_asgi(app: rx.App) -> ASGIApp:
    """Return the ASGI app of a Reflex app without compiling it, so without Node.

    The bundle is compiled beforehand, by ``reflex export --frontend-only --no-zip``; serve it
    with ``SPAStaticApp``. Reflex decides by an environment variable whether calling the app
    compiles; it is set for the length of that call and then as it was.
    """
    variable = environment.REFLEX_SKIP_COMPILE
    before = variable.getenv()
    variable.set(True)
    try:
        return app()
    finally:
        variable.set(before)


def frontend_path() -> str:
    """Return the prefix of the app's pages as Reflex is configured, without a slash at its end."""
    return get_config().frontend_path.rstrip("/")


class EventInProcess:
    """One event as Reflex hands it to a middleware, with the operations the bridge needs."""

    def __init__(self, app: rx.App, state: BaseState, event: Event) -> None:
        self._app = app
        self._state = state._get_root_state()
        self._event = event
        self._context = EventContext.get()
        self._registered: RegisteredEventHandler = RegistrationContext.get().event_handlers[
            event.name
        ]

    @functools.cached_property
    def kind(self) -> Kind:
        """What this event is to the bridge."""
        if self._event.name in _page_handlers():
            return Kind.PAGE
        if self._event.name in _internal_handlers():
            return Kind.INTERNAL
        return Kind.BACKGROUND if self._registered.handler.is_background else Kind.HANDLER

    @property
    def is_chained(self) -> bool:
        """Whether another event enqueued this one."""
        return self._context.parent_txid is not None

    @functools.cached_property
    def description(self) -> ReflexEvent:
        """The event as the other parts see it."""
        router_data = self._context.router_data or self._event.router_data
        connection = None
        if not router_data:
            # An upload, or what one chained: the page is the tab's last, and who it is was
            # noted when the event was enqueued.
            connection = self._enqueuing_connection()
            router_data = self._last_page()
        return ReflexEvent(
            name=self._event.name,
            handler=_function(self._registered.handler),
            payload=self._event.payload,
            router_data=router_data,
            token=self._context.token,
            background=self.kind is Kind.BACKGROUND,
            shows_page=self.kind is Kind.PAGE,
            connection=connection,
        )

    @property
    def enqueuing_binding(self) -> Binding | None:
        """What was bound where this event was enqueued: that of the event it is chained from."""
        context = self._enqueuing_context()
        return binding_in(context) if context is not None else None

    @property
    def is_fresh(self) -> bool:
        """Whether the tab's state was just created although its page has been shown already.

        Reflex tells by the router data of the event before, which is overwritten by the time a
        middleware is called. What is left to tell by: nobody has hydrated it, and what the
        connection put into it has not been sent.
        """
        state = self._state
        if type(state) is not State or self._event.name in _hydrating_handlers():
            return False
        just_connected = "rx_router_session" in state.dirty_vars
        return not state.is_hydrated and (just_connected or not state.router_data)

    async def rehydrate(self) -> None:
        """Send the page its vars and its ``on_load`` again, as Reflex does for an expired state."""
        await self._processor._rehydrate(self._state)

    async def run(self, payload: Mapping[str, Any], *, threaded: bool) -> None:
        """Run the handler as Reflex does, deltas streaming as it yields.

        With ``threaded`` a synchronous handler runs on the event's thread, where Django's ORM
        may be used, instead of on the event loop.
        """
        handler = self._registered.handler
        async with _closing_generator(_threaded(handler) if threaded else handler) as handler:
            await process_event(
                handler=handler,
                payload=dict(payload),
                state=await self._state.get_state(self._registered.states[0]),
                root_state=self._state,
            )

    async def mirror(self, request: Any) -> bool:
        """Let the mirrors take over what they show of the request; tell whether one changed."""
        if request is not None:
            name = self._event.name
            request.loads_page = name in _hydrating_handlers()
            request.shows_page = request.loads_page or name.endswith(".on_load_internal")
        changed = False
        states = RegistrationContext.get().base_states
        for cls in _mirrors(tuple(states.values())):
            answer = getattr(await self._state.get_state(cls), MIRROR_METHOD)(request)
            changed |= bool(await answer if inspect.isawaitable(answer) else answer)
        return changed

    async def send_delta(self) -> None:
        """Send the page what changed since the last delta."""
        await chain_updates(None, handler_name="rxbridge", root_state=self._state)

    async def emit(self, *specs: Any) -> None:
        """Send events to the page now, where Reflex takes no update from the bridge."""
        await chain_updates(list(specs), handler_name="rxbridge")

    def update(self, *specs: Any) -> StateUpdate:
        """Return the answer that tells Reflex the event is done, with events for the page."""
        return StateUpdate(events=Event.from_event_type(list(specs)))

    def navigation(self, url: str) -> Any:
        """Return the event that takes the browser to ``url``, a path or an address elsewhere.

        A page of the app is shown by its own router; anything else is loaded. Reflex's redirect
        would show the app's 404 page for a path Django answers.
        """
        if (page := self._page(url)) is not None:
            return rx.redirect(page)
        return rx.call_script(f"{LOAD}({json.dumps(url)})")

    def script(self, javascript: str, *then: Any) -> Any:
        """Return the event that runs a script in the page; ``then`` follow its promise."""
        return rx.call_script(javascript, callback=list(then) if then else None)

    def _page(self, url: str) -> str | None:
        """Return ``url`` as the app's own router has it, if it is a page of the app."""
        prefix = frontend_path()
        path = url.partition("?")[0].partition("#")[0]
        if not url.startswith("/") or not f"{path}/".startswith(f"{prefix}/"):
            return None
        relative = url.removeprefix(prefix) or "/"
        return relative if self._app.router(path.removeprefix(prefix) or "/") else None

    @property
    def _processor(self) -> BaseStateEventProcessor:
        # The one that runs this event; the app's own is another under test.
        return self._context.enqueue_impl.__self__  # type: ignore[attr-defined,no-any-return]

    def _enqueuing_context(self) -> Context | None:
        """Return the context of whoever enqueued this event.

        Reflex runs each event in a task of its queue, whose context says nothing of the request
        it came by. But it keeps a future per event and gives it callbacks as it enqueues, and a
        future keeps the context in which each callback was added.
        """
        future = self._processor._futures.get(self._context.txid)
        callbacks = getattr(future, "_callbacks", None)
        return callbacks[0][1] if callbacks else None

    def _enqueuing_connection(self) -> Connection | None:
        context = self._enqueuing_context()
        if context is None:
            return None
        if self.is_chained:
            binding = binding_in(context)
            parent: ReflexEvent | None = getattr(binding and binding.request, "reflex_event", None)
            return parent.connection if parent is not None else None
        return context.get(current_connection)

    def _last_page(self) -> dict[str, Any]:
        known = self._state.router_data
        return {key: known[key] for key in ("pathname", "asPath") if key in known}


@functools.lru_cache(maxsize=1)
def _mirrors(states: tuple[type[BaseState], ...]) -> list[type[BaseState]]:
    """Return the states that mirror the request, found anew when a state was registered."""
    return [
        cls
        for cls in states
        # A substate inherits its parent's, which is called for the parent.
        if (method := getattr(cls, MIRROR_METHOD, None)) is not None
        and method is not getattr(cls.get_parent_state(), MIRROR_METHOD, None)
    ]


def _function(handler: EventHandler) -> Callable[..., Any]:
    fn = handler.fn
    return fn.func if isinstance(fn, functools.partial) else fn


@functools.cache
def _threaded(handler: EventHandler) -> EventHandler:
    """Return the handler with a synchronous function moved to the event's thread."""
    function = _function(handler)
    is_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if is_async or function.__module__.startswith(("reflex.", "reflex_base.")):
        return handler
    wrapper = _steps_on_thread if inspect.isgeneratorfunction(function) else _on_thread
    return _replaced(handler, wrapper(handler.fn))


@contextlib.asynccontextmanager
async def _closing_generator(handler: EventHandler) -> AsyncGenerator[EventHandler]:
    """Have an asynchronous generator end with the event it ran for.

    One that Reflex stops iterating, such as for yielding what is no event, would be left to
    the garbage collector, and its ``finally`` would run when the event's thread is another's.
    """
    if not inspect.isasyncgenfunction(handler.fn):
        yield handler
        return
    running: list[AsyncGenerator[Any]] = []

    @functools.wraps(handler.fn)
    def start(state: BaseState, /, **payload: Any) -> AsyncGenerator[Any]:
        running.append(handler.fn(state, **payload))
        return running[0]

    try:
        yield _replaced(handler, start)
    finally:
        for generator in running:
            await generator.aclose()


def _replaced(handler: EventHandler, fn: Callable[..., Any]) -> EventHandler:
    # Not dataclasses.replace: a subclass has an __init__ of its own. The hints cost most.
    return EventHandler(fn=fn, state=handler.state, _type_hints=handler._type_hints)


def _on_thread(fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    async def call(state: BaseState, /, **payload: Any) -> Any:
        return await sync_to_async(_call)(fn, state, payload)

    return call


def _call(fn: Callable[..., Any], state: BaseState, payload: dict[str, Any]) -> Any:
    # A StopIteration cannot pass through a future; whoever awaits it would wait for ever.
    try:
        return fn(state, **payload)
    except StopIteration as stop:
        msg = f"{fn.__qualname__} raised StopIteration."
        raise RuntimeError(msg) from stop


def _steps_on_thread(fn: Callable[..., Iterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    @functools.wraps(fn)
    async def steps(state: BaseState, /, **payload: Any) -> AsyncIterator[Any]:
        generator = fn(state, **payload)
        step, close = sync_to_async(_step), sync_to_async(generator.close)  # type: ignore[attr-defined]
        try:
            more = True
            while more:
                more, value = await step(generator)
                if more or value is not None:
                    yield value
        finally:
            await close()

    return steps


def _step(generator: Iterator[Any]) -> tuple[bool, Any]:
    try:
        return True, next(generator)
    except StopIteration as stop:
        return False, stop.value


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
        self._background: dict[str, list[EventFuture]] = {}
        self._stack = contextlib.AsyncExitStack()

    @property
    def connections(self) -> Any:
        """The registry of the app's bridge, or ``None``."""
        for middleware in self._app._middlewares:
            registry = getattr(getattr(middleware, "requests", None), "connections", None)
            if registry is not None:
                return registry
        return None

    async def __aenter__(self) -> Self:
        self._stack.enter_context(self._app.set_contexts())
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

    def load_event(self) -> Event:
        """Return the event a browser sends as it connects."""
        return Event(name=f"{State.get_full_name()}.hydrate_and_load")

    def navigation_event(self) -> Event:
        """Return the event a browser sends as it goes to another page of the app."""
        return Event(name=f"{OnLoadInternalState.get_full_name()}.on_load_internal")

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


__all__ = ["EventInProcess", "Kind", "LocalServer", "frontend_path", "reflex_asgi"]
