"""One event as Reflex processes it, and what the bridge does to it."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import random
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextvars import Context, ContextVar
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast, runtime_checkable

import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.core.exceptions import PermissionDenied
from django.core.handlers.base import BaseHandler
from django.db import connections
from reflex.state import (
    FrontendEventExceptionState,
    OnLoadInternalState,
    State,
    StateUpdate,
    UpdateVarsInternalState,
)
from reflex_base.event import Event, EventHandler, EventSpec
from reflex_base.event.context import EventContext
from reflex_base.event.processor.base_state_processor import (
    BaseStateEventProcessor,
    chain_updates,
    process_event,
)
from reflex_base.registry import RegistrationContext
from reflex_base.vars.base import LiteralVar, Var

from rxbridge.asgi.connections import CONNECTION_HEADER, Connection, current_connection
from rxbridge.events.binder import Binding, binding_in
from rxbridge.events.chain.hooks import known_user, user_key
from rxbridge.events.guards import Guard, guards_of
from rxbridge.events.reflex.answers import function_of
from rxbridge.events.reflex.former import VarsOwner, keep_to_own_vars, noted_user
from rxbridge.events.reflex.outbox import Outbox, close_outbox, open_outbox
from rxbridge.events.reflex.page import page_task
from rxbridge.events.reflex.presence import Presence
from rxbridge.events.reflex.recipients import Address, note_shown
from rxbridge.events.reflex.redis_states import RedisStates
from rxbridge.events.reflex.serving import frontend_path
from rxbridge.events.requests import ReflexEvent
from rxbridge.events.tab_bound import ENDS_WITH_TAB
from rxbridge.events.threads.pool import let_thread_go

if TYPE_CHECKING:
    from reflex.state import BaseState
    from reflex_base.registry import RegisteredEventHandler

T = TypeVar("T")


@runtime_checkable
class Mirror(Protocol):
    """A state that shows what the request says of the visitor; see ``rxbridge.state``."""

    def _rxbridge_mirror(self, request: Any) -> bool | Awaitable[bool]:
        """Take over what the request says, None for nobody's; tell whether anything changed."""
        ...


# What asyncio says where no loop runs, and sqlite3 of a connection that another thread opened.
_OF_ANOTHER_THREAD = ("current event loop", "running event loop", "in that same thread")


class Kind(Enum):
    """What an event is to the bridge."""

    HANDLER = "a handler of the application's own"
    BACKGROUND = "a background task of the application's own"
    PAGE = "Reflex's own event that shows a page"
    REPORT = "Reflex's own event by which a page reports an error"


_ROOT, _ON_LOAD = State.get_full_name(), OnLoadInternalState.get_full_name()
_HYDRATING = frozenset({f"{_ROOT}.hydrate", f"{_ROOT}.hydrate_and_load"})
_OF_REFLEX = dict.fromkeys(_HYDRATING, Kind.PAGE) | {
    f"{_ROOT}.set_is_hydrated": Kind.PAGE,
    f"{_ON_LOAD}.on_load_internal": Kind.PAGE,
    f"{_ON_LOAD}.set_is_hydrated": Kind.PAGE,
    f"{UpdateVarsInternalState.get_full_name()}.update_vars_internal": Kind.PAGE,
    f"{FrontendEventExceptionState.get_full_name()}.handle_frontend_exception": Kind.REPORT,
}


class EventInProcess:
    """One event as Reflex hands it to a middleware, with the operations the bridge needs."""

    def __init__(
        self, app: rx.App, state: BaseState, event: Event, *, fresh_vars: bool = False
    ) -> None:
        self.app = app
        self._state = state._get_root_state()
        self._event = event
        self._context = EventContext.get()
        self.is_chained = self._context.parent_txid is not None
        """Whether another event enqueued this one."""
        self.loads_page = event.name in _HYDRATING
        """Whether a page has just loaded, or has a new socket: it is sent all vars of its tab."""
        self._shows_page = self.loads_page or event.name.endswith(".on_load_internal")
        states = self._context.state_manager
        self._states = states if isinstance(states, RedisStates) else None
        self.outbox: Outbox | None = None
        if self._states is not None and self._states.stores_each_event:
            self.outbox = open_outbox(self._context, shows_all=self.loads_page)
        self.redirects: list[Any] = []
        self.is_misdirected = False
        self._request: Any = None
        self._user: Any = None
        self._owner = VarsOwner(self._state) if fresh_vars else None
        self.has_fresh_vars = False
        """Whether the vars of the page are another user's than it shows."""
        self._is_running = self._navigates = False
        self._presence: Presence | None = None
        self._mirrors: list[Mirror] | None = None
        self._registered: RegisteredEventHandler = RegistrationContext.get().event_handlers[
            event.name
        ]
        own = Kind.BACKGROUND if self._registered.handler.is_background else Kind.HANDLER
        self.kind = _OF_REFLEX.get(event.name, own)
        """What this event is to the bridge."""
        is_of_page = self.kind is Kind.PAGE or self.is_chained
        self.may_be_cancelled: bool = is_of_page or self._registered.handler.supersedes
        """Whether Reflex may break it off for a newer event: what a page loads, or is marked so."""

    def is_elsewhere(self) -> bool:
        """Tell whether what runs now is for another tab, as in a block of ``app.modify_state``."""
        return EventContext.get().token != self._context.token

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
            handler=function_of(self._registered.handler),
            payload=self._event.payload,
            router_data=router_data,
            token=self._context.token,
            background=self.kind is Kind.BACKGROUND,
            shows_page=self.kind is Kind.PAGE,
            connection=connection,
        )

    def judge_upload(self, upload: Connection, request: Any, registry: Any) -> bool:
        """Tell whether the event, which came by ``upload``, names a tab of somebody else's.

        As far as is known by now; ``is_misdirected`` says it from then on. The connection by which
        the tab has last sent an event tells, or, unless it is open at this worker, the user.
        """
        last = str(self._state.router_data.get("headers", {}).get(CONNECTION_HEADER.decode()))
        tab: Connection | None = registry.get(last)
        if tab is not None and not tab.closed:
            self.is_misdirected |= not Address.of(upload).is_of(tab)
        elif (user := known_user(request)) is not None:
            self.is_misdirected |= noted_user(self._state) not in ("", user_key(user))
        return self.is_misdirected

    @property
    def page_guards(self) -> tuple[Guard, ...]:
        """The guards of the page this event is chained from; each says itself that it refuses."""
        if not self.is_chained:
            return ()
        route = self.description.router_data.get("pathname", "").removeprefix("/") or "index"
        page: Any = self.app._unevaluated_pages.get(route)
        return () if page is None else guards_of(page.component)

    async def page_refuses(self, request: Any) -> bool:
        """Tell whether the page does not show itself to the user of ``request``."""
        for guard in self.page_guards:
            try:
                await guard.acheck(request)
            except PermissionDenied:
                return True
        return False

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
        if type(state) is not State or self.loads_page:
            return False
        if self._states is not None and self._context.token in self._states.ahead:
            return True
        just_connected = "rx_router_session" in state.dirty_vars
        return not state.is_hydrated and (just_connected or not state.router_data)

    async def rehydrate(self) -> None:
        """Send the page its vars and its ``on_load`` again, as Reflex does for an expired state."""
        await self._processor._rehydrate(self._state)
        if self.outbox is not None:
            self.outbox.shows_all = True

    async def run(
        self, payload: Mapping[str, Any], *, threaded: bool, tab_grace: float | None = None
    ) -> None:
        """Run the handler as Reflex does, deltas streaming as it yields.

        With ``threaded`` a synchronous handler runs on the event's thread, where Django's ORM
        may be used, instead of on the event loop. A redirect that the handler returns is in
        ``redirects`` afterwards: the browser is to go once it has the event's cookies. When the
        handler signs somebody in or out, the next delta has the mirrors of that. A generator is
        closed at its next step once its tab has been gone for ``tab_grace`` seconds.
        """
        handler, in_steps, yields = _prepared(self._registered.handler, threaded)
        if self.outbox is not None and (in_steps or not yields):
            self.outbox.is_closed = not in_steps
        ends: bool | None = getattr(self.description.handler, ENDS_WITH_TAB, None)
        if tab_grace is not None and (ends or (in_steps and ends is None)):
            self._presence = self._presence_within(tab_grace)
        _running.set(self)
        self._is_running = True
        state = await self._state.get_state(self._registered.states[0])
        came_to_its_end = False
        try:
            if not yields:
                let_thread_go()
            if not (ends or in_steps):
                await process_event(handler, dict(payload), state, self._state)
            else:
                async with contextlib.AsyncExitStack() as stack:
                    if ends and self._presence is not None:
                        await stack.enter_async_context(self._presence.required())
                    if in_steps:
                        handler = await stack.enter_async_context(_closing_generator(handler))
                    await process_event(handler, dict(payload), state, self._state)
            came_to_its_end = True
        finally:
            self._is_running = False
            if self._owner is not None:
                user = getattr(self._request, "user", None)
                if user is not self._user:  # The handler put somebody there, and broke off.
                    self._owner.pass_to(known_user(self._request))
                if not came_to_its_end:
                    self._owner.break_off()

    async def begin(self, request: Any) -> bool:
        """Have vars and mirrors be those of the event's user; tell whether a mirror changed.

        That is before anything is sent of them.
        """
        if (user := known_user(request)) is not None:
            await self._settle(user, is_start=True)
        note_shown(self.app)
        return await self.mirror(request)

    def is_of_unknown(self, request: Any) -> bool:
        """Tell whether it is to show somebody's page to a user that nobody could find."""
        is_anothers = noted_user(self._state) != "" and known_user(request) is None
        return self._shows_page and is_anothers

    def once_more(self) -> Any:
        """Return what has the page send this event again, a few seconds later."""
        payload = self._event.payload.items()
        args: tuple[tuple[Var[Any], Var[Any]], ...] = tuple(
            (Var(name), LiteralVar.create(value)) for name, value in payload
        )
        again = EventSpec(handler=self._registered.handler, args=args)
        return page_task("wait", random.uniform(1, 3), then=[again])  # noqa: S311

    async def show_although_refused(self, request: Any) -> None:
        """Show the page although its event was refused: to nobody, when it was to load it.

        A click that is refused leaves a page as it is, for the user it was loaded by. A refused
        event may have a user that nobody knows; a page that loads is then nobody's, and so is one
        that is sent all of a new state.
        """
        is_page, is_fresh, user = self.kind is Kind.PAGE, self.is_fresh, known_user(request)
        is_sent_all = is_fresh or self.loads_page
        if is_sent_all or (is_page and user is not None):
            await self._settle(user, is_start=True)
            note_shown(self.app)
        if is_page:
            await self.mirror(None)
        if is_fresh:
            await self.rehydrate()
        if is_page:
            await self.run(self.description.payload, threaded=False)

    async def show_fresh_vars(self, *, stays: bool = True) -> None:
        """Send a page whose vars are fresh all of them, and load it again if the browser stays."""
        if not self.has_fresh_vars or self.loads_page:
            return
        self.has_fresh_vars = False
        await self.send_delta()
        navigates = not stays or self._navigates or self.redirects
        if self._state.router_data and not self._shows_page and not navigates:
            await self.emit(OnLoadInternalState.on_load_internal)

    async def mirror(self, request: Any) -> bool:
        """Let the mirrors take over what they show of the request; tell whether one changed."""
        if request is not None:
            request.loads_page = self.loads_page
            request.shows_page = request.loads_page or (self._shows_page and not self.is_chained)
        self._request, self._user = request, getattr(request, "user", None)
        if self._mirrors is None:
            states = tuple(RegistrationContext.get().base_states.values())
            self._mirrors = [
                cast("Mirror", await self._state.get_state(cls)) for cls in _mirroring(states)
            ]
        changed = False
        for mirror in self._mirrors:
            answer = mirror._rxbridge_mirror(request)
            changed |= answer if isinstance(answer, bool) else await answer
        return changed

    async def note_step(self, step: Any) -> bool:
        """Take note of what a handler yields, and keep up with it; False if nobody is there."""
        if self._presence is not None and await self._presence.is_over():
            return False
        self._navigates |= any(
            map(_is_redirect, step if isinstance(step, list | tuple) else [step])
        )
        await self.follow()
        return True

    async def keep_up(self) -> bool:
        """Let vars and mirrors follow the request, as ``mirror`` does, and another user of it."""
        user = getattr(self._request, "user", None)
        if user is not self._user:
            await self._settle(known_user(self._request))
        return await self.mirror(self._request)

    async def follow(self) -> None:
        """Keep up with another user than the one vars and mirrors are of."""
        if getattr(self._request, "user", None) is not self._user:
            await self.keep_up()

    def pass_to(self, request: Any, user: Any) -> None:
        """Have the handler, which has just signed ``user`` in or out, go on with their vars."""
        event = getattr(request, "reflex_event", None)  # A proxy of the request has it too.
        is_own = event is not None and event is getattr(self._request, "reflex_event", None)
        if self._owner is not None and self._is_running and is_own:
            self._owner.pass_to(user)

    def keep_to_own_vars(self) -> None:
        """Have a background task change vars no longer once they are another user's."""
        if self._owner is not None:
            keep_to_own_vars(self._state)

    def _presence_within(self, grace: float) -> Presence | None:
        event: ReflexEvent | None = getattr(self._request, "reflex_event", None)
        if event is None or event.connection is None:
            return None
        return Presence(self.app, self._context.token, event.connection, grace)

    async def _settle(self, user: Any, *, is_start: bool = False) -> None:
        if self._owner is not None and await self._owner.settle(user, is_start=is_start):
            self.has_fresh_vars = True

    async def send_delta(self) -> None:
        """Send the page what changed since the last delta."""
        await chain_updates(None, handler_name="rxbridge", root_state=self._state)

    @staticmethod
    async def emit(*specs: Any) -> None:
        """Send events to the page now, where Reflex takes no update from the bridge."""
        await chain_updates(list(specs), handler_name="rxbridge")

    async def give_up(self) -> None:
        """Have the page show what is stored, for this event's state is not going to be."""
        if self._states is not None and self.outbox is not None:
            await self._states.give_up(self.outbox)

    def update(self, *specs: Any) -> StateUpdate:
        """Return the answer that tells Reflex the event is done, with events for the page."""
        return StateUpdate(events=Event.from_event_type(list(specs)) if specs else [])

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
        if self.is_chained:
            binding = self.enqueuing_binding
            parent: ReflexEvent | None = getattr(binding and binding.request, "reflex_event", None)
            return None if parent is None else parent.connection
        context = self._enqueuing_context()
        return None if context is None else context.get(current_connection)

    def _last_page(self) -> dict[str, Any]:
        known = self._state.router_data
        return {key: known[key] for key in ("pathname", "asPath") if key in known}


@functools.lru_cache(maxsize=1)
def _mirroring(states: tuple[type[BaseState], ...]) -> list[type[BaseState]]:
    """Return the states that mirror the request, found anew when a state was registered."""
    return [
        cls
        for cls in states
        # A substate inherits its parent's, which is called for the parent.
        if issubclass(cls, Mirror)
        and cls._rxbridge_mirror is not getattr(cls.get_parent_state(), "_rxbridge_mirror", None)
    ]


def navigation(app: rx.App, url: str) -> Any:
    """Return the event that takes the browser to ``url``, a path or an address elsewhere.

    A page of the app is shown by its own router; anything else is loaded. Reflex's redirect
    would show the app's 404 page for a path Django answers.
    """
    if (page := _page(app, url)) is not None:
        return rx.redirect(page)
    return page_task("load", url)


def _page(app: rx.App, url: str) -> str | None:
    """Return ``url`` as the app's own router has it, if it is a page of the app."""
    prefix = frontend_path()
    path = url.partition("?")[0].partition("#")[0]
    if not url.startswith("/") or not f"{path}/".startswith(f"{prefix}/"):
        return None
    relative = url.removeprefix(prefix) or "/"
    return relative if app.router(path.removeprefix(prefix) or "/") else None


_running: ContextVar[EventInProcess] = ContextVar("rxbridge.event")


def follow_sign_ins() -> None:
    """Have handlers that sign somebody in or out go on with that user's vars."""
    for signal in (user_logged_in, user_logged_out):
        signal.connect(_pass_on, dispatch_uid="rxbridge.fresh_vars")


def _pass_on(*, signal: Any, request: Any = None, user: Any = None, **_: Any) -> None:
    if (running := _running.get(None)) is not None:
        running.pass_to(request, user if signal is user_logged_in else None)


@functools.cache
def _prepared(handler: EventHandler, threaded: bool) -> tuple[EventHandler, bool, bool]:
    """Return the handler as it runs, on the event's thread if it is synchronous, say.

    And whether it runs as an async generator, and whether it is written as a plain one.
    """
    as_it_runs = _adapted(handler, threaded)
    yields = inspect.isgeneratorfunction(function_of(handler))
    return as_it_runs, inspect.isasyncgenfunction(as_it_runs.fn), yields


def _adapted(handler: EventHandler, threaded: bool) -> EventHandler:
    """Have what the handler returns looked through for redirects; what it yields is sent at once.

    A synchronous one is to run on the event's thread, or as if it were not.
    """
    function = function_of(handler)
    if function.__module__.startswith(("reflex.", "reflex_base.")):
        return handler
    if inspect.isasyncgenfunction(function):
        return handler
    if inspect.isgeneratorfunction(function):
        return _replaced(handler, _steps_on_thread(handler.fn)) if threaded else handler
    call: Callable[..., Awaitable[Any]] = handler.fn
    if not inspect.iscoroutinefunction(function):
        call = functools.partial(_on_loop, handler.fn)
        if threaded:
            call = functools.partial(_on_thread, BaseHandler().make_view_atomic(handler.fn))
    return _replaced(handler, _keeping_back(handler.fn, call))


def handlers_without_transaction() -> set[str]:
    """Return the application's handlers that ``ATOMIC_REQUESTS`` asks for and cannot reach.

    A background task is no request; rxbridge's own handlers see to their transactions.
    """
    wanted = {alias for alias, each in connections.settings.items() if each["ATOMIC_REQUESTS"]}
    names = set()
    for registered in RegistrationContext.get().event_handlers.values():
        handler = function_of(registered.handler)
        function = inspect.unwrap(handler)  # A mixin's is a copy, and a guarded one the guard's.
        is_excepted = not wanted - getattr(handler, "_non_atomic_requests", set())
        is_ours = function.__module__.startswith(("reflex.", "reflex_base.", "rxbridge."))
        is_plain = not (
            inspect.iscoroutinefunction(handler)
            or inspect.isgeneratorfunction(handler)
            or inspect.isasyncgenfunction(handler)
        )
        if not (is_excepted or is_ours or is_plain or registered.handler.is_background):
            names.add(f"{function.__module__}.{function.__qualname__}")
    return names


@contextlib.asynccontextmanager
async def _closing_generator(handler: EventHandler) -> AsyncGenerator[EventHandler]:
    """Have an asynchronous generator end with the event it ran for.

    One that Reflex stops iterating, such as for yielding what is no event, would be left to
    the garbage collector, and its ``finally`` would run when the event's thread is another's.
    """
    running: list[AsyncGenerator[Any]] = []

    @functools.wraps(handler.fn)
    def start(state: BaseState, /, **payload: Any) -> AsyncGenerator[Any]:
        running.append(_keeping_up(handler.fn(state, **payload)))
        return running[0]

    try:
        yield _replaced(handler, start)
    finally:
        for generator in running:
            await generator.aclose()


async def _keeping_up(steps: AsyncGenerator[Any]) -> AsyncGenerator[Any]:
    """Yield as ``steps`` does, each time with the mirrors of who the user is by then."""
    async with contextlib.aclosing(steps):
        async for step in steps:
            if not await _running.get().note_step(step):
                break
            yield step
    close_outbox()
    await _running.get().follow()


def _replaced(handler: EventHandler, fn: Callable[..., Any]) -> EventHandler:
    # Not dataclasses.replace: a subclass has an __init__ of its own. The hints cost most.
    return EventHandler(fn=fn, state=handler.state, _type_hints=handler._type_hints)


async def _on_thread(fn: Callable[..., T], /, *args: Any, **named: Any) -> T:
    """Call ``fn`` on the event's thread; what it raises for being there says why it was."""
    try:
        return await _uninterrupted(fn, *args, **named)
    except Exception as error:
        if any(sign in str(error) for sign in _OF_ANOTHER_THREAD):
            error.add_note(
                "EventBridge runs a handler that is not async on a thread of its event. Make it "
                "async, or write EventBridge(..., threaded=False), which may be a function of the "
                "event that returns False for this handler alone; see docs/troubleshooting.md."
            )
        raise


async def _on_loop(fn: Callable[..., T], /, *args: Any, **named: Any) -> T:
    return fn(*args, **named)


def _keeping_back(
    fn: Callable[..., Any], call: Callable[..., Awaitable[Any]]
) -> Callable[..., Any]:
    """Return ``fn``, by way of ``call``, without the redirects it returns: they go out last."""

    @functools.wraps(fn)
    async def answer(state: BaseState, /, **payload: Any) -> Any:
        returned, running = await call(state, **payload), _running.get()
        await running.follow()
        if returned is None:
            return None
        if _is_redirect(returned):
            running.redirects.append(returned)
            return None
        if isinstance(returned, list | tuple):
            running.redirects.extend(filter(_is_redirect, returned))
            return [each for each in returned if not _is_redirect(each)]
        return returned

    return answer


def _is_redirect(spec: Any) -> bool:
    return isinstance(spec, EventSpec) and spec.handler.fn.__qualname__ == "_redirect"


async def _uninterrupted(fn: Callable[..., T], /, *args: Any, **named: Any) -> T:
    """Call ``fn`` on the event's thread; once it has begun, a cancellation waits for its end.

    A thread cannot be stopped, and the lock of the state it works on must not be given up.
    """
    begun = threading.Lock()

    def call() -> T | None:
        if not begun.acquire(blocking=False):
            return None  # Its event was cancelled while it waited for a thread.
        try:
            return fn(*args, **named)
        except StopIteration as stop:
            # It cannot pass through a future; whoever awaits that would wait for ever.
            msg = f"{fn!r} raised StopIteration."
            raise RuntimeError(msg) from stop

    try:
        return await sync_to_async(call)()  # type: ignore[return-value]
    except asyncio.CancelledError:
        is_over = begun.acquire(blocking=False)
        while not is_over:
            with contextlib.suppress(asyncio.CancelledError):
                # The thread does one thing after the other, so this one when it is free.
                await sync_to_async(_nothing)()
                is_over = True
        raise


def _nothing() -> None:
    """Take a thread's turn."""


async def call_in_event(fn: Callable[[], Any]) -> Any:
    """Return what ``fn`` gives: awaited if it is async, else run on the event's thread."""
    if inspect.iscoroutinefunction(fn):
        return await fn()
    value = await _uninterrupted(fn)
    return await value if inspect.isawaitable(value) else value


def _steps_on_thread(fn: Callable[..., Iterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
    @functools.wraps(fn)
    async def steps(state: BaseState, /, **payload: Any) -> AsyncIterator[Any]:
        generator = fn(state, **payload)
        close = sync_to_async(generator.close)  # type: ignore[attr-defined]
        try:
            more = True
            while more:
                more, value = await _on_thread(_step, generator)
                if not more:
                    close_outbox()
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
