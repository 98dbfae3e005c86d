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
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Generator,
    Mapping,
    Sequence,
)
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
    _prepare_event_payload,
    chain_updates,
    process_event,
)
from reflex_base.registry import RegistrationContext
from reflex_base.vars.base import LiteralVar, Var

from rxbridge.asgi.connections import CONNECTION_HEADER, Connection, current_connection
from rxbridge.events.binder import Binding, binding_in
from rxbridge.events.chain.identity import ASKED_AHEAD, known_user, user_key
from rxbridge.events.guards import Guard, guards_of
from rxbridge.events.reflex.answers import function_of
from rxbridge.events.reflex.former import NOTE, VarsOwner, keep_to_own_vars, noted_user
from rxbridge.events.reflex.outbox import Outbox, close_outbox, open_outbox
from rxbridge.events.reflex.page import page_task
from rxbridge.events.reflex.presence import Presence
from rxbridge.events.reflex.recipients import Address, Recipient, TabNamespace, recipient_now
from rxbridge.events.reflex.redis_states import RedisStates
from rxbridge.events.reflex.serving import frontend_path
from rxbridge.events.requests import ReflexEvent
from rxbridge.events.tab_bound import ENDS_WITH_TAB
from rxbridge.events.threads.pool import let_thread_go

if TYPE_CHECKING:
    from reflex.state import BaseState

T = TypeVar("T")


@runtime_checkable
class Mirror(Protocol):
    """A state that shows what the request says of the visitor; see ``rxbridge.state``."""

    def _rxbridge_mirror(self, request: Any) -> bool | Awaitable[bool]:
        """Take over what the request says, None for nobody's; tell whether anything changed."""
        ...


_NOTHING = contextlib.nullcontext()

# What asyncio says where no loop runs, and sqlite3 of a connection that another thread opened.
_OF_ANOTHER_THREAD = ("current event loop", "running event loop", "in that same thread")


class Kind(Enum):
    """What an event is to the bridge."""

    HANDLER = "a handler of the application's own"
    BACKGROUND = "a background task of the application's own"
    PAGE = "Reflex's own event that shows a page"
    REPORT = "Reflex's own event by which a page reports an error"


_ID_HEADER = CONNECTION_HEADER.decode()
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

    outbox: Outbox | None = None
    upload: Connection | None = None
    """What the event came by, if that is an upload's request."""
    is_misdirected = False
    has_fresh_vars = False
    """Whether the vars of the page are another user's than it shows."""
    _owner: VarsOwner | None = None
    _presence: Presence | None = None
    _mirrors: list[Mirror] | None = None
    request: Any = None
    """Django's request of the event, once its user is known."""
    _user: Any = None
    began = False
    """Whether the handler was called, be it to be refused by its guard."""
    _is_running = _navigates = False

    def __init__(
        self,
        app: rx.App,
        state: BaseState,
        event: Event,
        connections: Any = None,
        *,
        fresh_vars: bool = False,
    ) -> None:
        self.app = app
        self._state = root = state._get_root_state()
        self._event = event
        self._context = context = EventContext.get()
        self._connections = connections
        self._fresh_vars = fresh_vars
        self._registered = RegistrationContext.get().event_handlers[event.name]
        self._handler = _known(self._registered.handler, event.name)
        self.kind = self._handler.kind
        """What this event is to the bridge."""
        self.is_chained = context.parent_txid is not None
        """Whether another event enqueued this one."""
        self.loads_page = self._handler.loads_page
        """Whether a page has just loaded, or has a new socket: it is sent all vars of its tab."""
        self.may_be_cancelled = self.is_chained or self._handler.is_superseded
        """Whether Reflex may break it off for a newer event: what a page loads, or is marked so."""
        self.redirects: list[Any] = []
        states = context.state_manager
        self._states = states if isinstance(states, RedisStates) else None
        if self._states is not None and self._states.stores_each_event:
            self.outbox = open_outbox(context, shows_all=self.loads_page)
        router_data = context.router_data or event.router_data
        headers = router_data.get("headers")
        connection = None
        if not router_data:
            # An upload, or what one chained: the page is the tab's last, and who it is was
            # noted when the event was enqueued.
            self.upload = connection = self._enqueuing_connection()
            router_data = self._last_page()
        elif connections is not None and isinstance(headers, dict):
            connection = connections.get(str(headers.get(_ID_HEADER)))
        # Reflex tells by the router data of the event before, which is overwritten by the time a
        # middleware is called. What is left to tell by: nobody has hydrated it, and what the
        # connection put into it has not been sent.
        is_ahead = self._states is not None and context.token in self._states.ahead
        self.is_fresh = (type(root) is State and not self.loads_page) and (
            is_ahead
            or not (
                root.is_hydrated
                or ("rx_router_session" not in root.dirty_vars and root.router_data)
            )
        )
        """Whether the tab's state was just created although its page has been shown already."""
        self.recipient = Recipient(context.token, connection)
        recipient_now.set(None if connections is None else self.recipient)
        self.description = ReflexEvent(
            name=event.name,
            handler=self._handler.function,
            payload=event.payload,
            router_data=router_data,
            token=context.token,
            background=self.kind is Kind.BACKGROUND,
            shows_page=self.kind is Kind.PAGE,
            connection=connection,
        )
        """The event as the other parts see it."""

    def is_elsewhere(self) -> bool:
        """Tell whether what runs now is for another tab, as in a block of ``app.modify_state``."""
        return EventContext.get().token != self._context.token

    def note_shown(self) -> None:
        """Take note that the vars of the tab are those of the event's user."""
        connection, tabs = self.recipient.connection, self.app.event_namespace
        if connection is None or connection.kind != "websocket":
            return
        if isinstance(tabs, TabNamespace):
            tabs.shown_to[self.recipient.token] = connection

    def judge_upload(self, request: Any) -> bool:
        """Tell whether the event came by an upload and names a tab of somebody else's.

        As far as is known by now; ``is_misdirected`` says it from then on. The connection by which
        the tab has last sent an event tells, or, unless it is open at this worker, the user.
        """
        if self.upload is None or self._connections is None:
            return False
        last = str(self._state.router_data.get("headers", {}).get(_ID_HEADER))
        tab: Connection | None = self._connections.get(last)
        if tab is not None and not tab.closed:
            self.is_misdirected |= not Address.of(self.upload).is_of(tab)
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
        known = self._handler
        if self.outbox is not None:
            self.outbox.is_closed = not known.in_steps
        ends = known.ends_with_tab
        connection = self.recipient.connection
        if tab_grace is not None and connection and (ends or (known.in_steps and ends is None)):
            self._presence = Presence(self.app, self._context.token, connection, tab_grace)
        _running.set(self)
        self._is_running = self.began = True
        state = await self._state.get_state(self._registered.states[0])
        came_to_its_end = False
        try:
            if not known.yields:
                let_thread_go()
            there = self._presence.required() if ends and self._presence else _NOTHING
            async with there:
                if known.is_reflexs:
                    await process_event(known.handler, dict(payload), state, self._state)
                else:
                    await self._call(state, payload, threaded=threaded)
            came_to_its_end = True
        finally:
            self._is_running = False
            user = getattr(self.request, "user", None)
            if user is not self._user and self._fresh_vars:
                # The handler put somebody there, and broke off.
                self._vars_owner().pass_to(known_user(self.request))
            if not came_to_its_end and self._owner is not None:
                self._owner.break_off()

    async def _call(self, state: BaseState, payload: Mapping[str, Any], *, threaded: bool) -> None:
        """Call the handler, and send what it returns or yields as ``process_event`` does."""
        known, handler = self._handler, self._handler.handler
        answer: Any
        named = _prepare_event_payload(handler, payload)
        if threaded and known.is_plain:
            answer = await _on_thread(known.atomic, state, **named)
        else:
            answer = handler.fn(state, **named)
            if handler._is_coroutine_function:
                answer = await answer
        if inspect.isgenerator(answer):
            answer = _stepwise(answer, _on_thread if threaded else _on_loop)
        if inspect.isasyncgen(answer):
            await self._follow(answer)
            answer = None
        await self.mirror()
        if answer is not None:
            answer = self._without_redirects(answer)
        await chain_updates(answer, known.name, self._state)

    async def _follow(self, steps: AsyncGenerator[Any, Any]) -> None:
        """Send what a handler yields, each time with the mirrors of who the user is by then."""
        # What is left to the garbage collector ends when the event's thread is another's.
        async with contextlib.aclosing(steps):
            async for step in steps:
                if not await self.note_step(step):
                    break
                await chain_updates(step, self._handler.name, self._state)
        close_outbox()

    def _without_redirects(self, returned: Any) -> Any:
        """Return what a handler returned without its redirects: they go out last."""
        if _is_redirect(returned):
            self.redirects.append(returned)
            return None
        if isinstance(returned, list | tuple):
            self.redirects.extend(filter(_is_redirect, returned))
            return [each for each in returned if not _is_redirect(each)]
        return returned

    def expect(self, request: Any) -> None:
        """Take the request of the event, whose user is not known yet."""
        self.recipient.request = request
        request.loads_page = self.loads_page
        request.shows_page = self.loads_page or (self._handler.shows_page and not self.is_chained)
        if request.shows_page:
            asks = [
                getattr(cls, "_rxbridge_ask", None)
                for cls in _mirroring(tuple(RegistrationContext.get().base_states.values()))
            ]
            setattr(request, ASKED_AHEAD, [ask for ask in asks if ask is not None])

    async def begin(self, request: Any) -> bool:
        """Have vars and mirrors be those of the event's user; tell whether a mirror changed.

        That is before the handler, which may read them. A page that has other vars than these is
        sent all.
        """
        user = known_user(request)
        self.request, self._user = request, getattr(request, "user", None)
        if user is not None:
            await self._settle(user, is_start=True)
        self.note_shown()
        changed = await self.mirror()
        if self.kind is Kind.BACKGROUND:  # Reflex sends a fresh state itself.
            if changed:
                await self.send_delta()
        elif self.is_fresh:
            await self.rehydrate()
        if self.has_fresh_vars:
            await self.show_fresh_vars()
        return changed

    def is_of_unknown(self, request: Any) -> bool:
        """Tell whether it is to show somebody's page to a user that nobody could find."""
        is_anothers = noted_user(self._state) != "" and known_user(request) is None
        return self._handler.shows_page and is_anothers

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
        is_page, user = self.kind is Kind.PAGE, known_user(request)
        is_sent_all = self.is_fresh or self.loads_page
        if is_sent_all or (is_page and user is not None):
            await self._settle(user, is_start=True)
            self.note_shown()
        if is_page:
            self.request = self._user = None
            await self.mirror()
        if self.is_fresh:
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
        if self._state.router_data and not self._handler.shows_page and not navigates:
            await self.emit(OnLoadInternalState.on_load_internal)

    async def mirror(self) -> bool:
        """Let vars and mirrors follow the request, and its user; tell whether a mirror changed."""
        user = getattr(self.request, "user", None)
        if user is not self._user:
            self._user = user
            await self._settle(known_user(self.request))
        if self._mirrors is None:
            self._mirrors = [
                cast("Mirror", await self._state.get_state(cls))
                for cls in _mirroring(tuple(RegistrationContext.get().base_states.values()))
            ]
        changed = False
        for mirror in self._mirrors:
            answer = mirror._rxbridge_mirror(self.request)
            changed |= answer if isinstance(answer, bool) else await answer
        return changed

    async def note_step(self, step: Any) -> bool:
        """Take note of what a handler yields, and keep up with it; False if nobody is there."""
        if self._presence is not None and await self._presence.is_over():
            return False
        self._navigates |= any(
            map(_is_redirect, step if isinstance(step, list | tuple) else [step])
        )
        if getattr(self.request, "user", None) is not self._user:
            await self.mirror()
        return True

    def pass_to(self, request: Any, user: Any) -> None:
        """Have the handler, which has just signed ``user`` in or out, go on with their vars."""
        event = getattr(request, "reflex_event", None)  # A proxy of the request has it too.
        is_own = event is not None and event is getattr(self.request, "reflex_event", None)
        if self._fresh_vars and self._is_running and is_own:
            self._vars_owner().pass_to(user)

    def keep_to_own_vars(self) -> None:
        """Have a background task change vars no longer once they are another user's."""
        if self._fresh_vars:
            keep_to_own_vars(self._state)

    async def _settle(self, user: Any, *, is_start: bool = False) -> None:
        if not self._fresh_vars:
            return
        is_noted = self._owner is None and vars(self._state).get(NOTE) == user_key(user)
        if not is_noted and await self._vars_owner().settle(user, is_start=is_start):
            self.has_fresh_vars = True

    def _vars_owner(self) -> VarsOwner:
        self._owner = self._owner or VarsOwner(self._state)
        return self._owner

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

    async def end(self, specs: Sequence[Any] = ()) -> StateUpdate:
        """Return the answer that tells Reflex the event is done, with events for the page."""
        if self.outbox is not None:
            # What Reflex would send itself would not wait for what is still to be stored.
            self.outbox.is_closed = True
            await self.emit(*specs)
            specs = ()
        return StateUpdate(events=Event.from_event_type(specs) if specs else [])

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


class _Handler:
    """What is known of a handler, found once for all of its events."""

    def __init__(self, handler: EventHandler, name: str) -> None:
        self.handler = handler
        self.function = function_of(handler)
        self.name = self.function.__qualname__
        own = Kind.BACKGROUND if handler.is_background else Kind.HANDLER
        self.kind = _OF_REFLEX.get(name, own)
        self.loads_page = name in _HYDRATING
        self.shows_page = self.loads_page or name.endswith(".on_load_internal")
        self.is_superseded: bool = self.kind is Kind.PAGE or handler.supersedes
        self.ends_with_tab: bool | None = getattr(self.function, ENDS_WITH_TAB, None)
        self.yields = inspect.isgeneratorfunction(self.function)
        self.in_steps = self.yields or inspect.isasyncgenfunction(self.function)
        self.is_plain = not (self.in_steps or handler._is_coroutine_function)
        self.is_reflexs = self.function.__module__.startswith(("reflex.", "reflex_base."))
        self.atomic = BaseHandler().make_view_atomic(handler.fn) if self.is_plain else handler.fn


_known = functools.cache(_Handler)


def handlers_without_transaction() -> set[str]:
    """Return the application's handlers that ``ATOMIC_REQUESTS`` asks for and cannot reach.

    A background task is no request; rxbridge's own handlers see to their transactions.
    """
    wanted = {alias for alias, each in connections.settings.items() if each["ATOMIC_REQUESTS"]}
    names = set()
    for name, registered in RegistrationContext.get().event_handlers.items():
        known = _known(registered.handler, name)
        function = inspect.unwrap(known.function)  # A mixin's is a copy, a guarded one the guard's.
        is_excepted = not wanted - getattr(known.function, "_non_atomic_requests", set())
        # A mixin's copy has another module.
        defined_in: str = getattr(function, "__globals__", {}).get("__name__", "")
        is_ours = defined_in.startswith(("reflex.", "reflex_base.", "rxbridge."))
        if not (is_excepted or is_ours or known.is_plain or known.kind is Kind.BACKGROUND):
            names.add(f"{function.__module__}.{function.__qualname__}")
    return names


async def _on_loop(fn: Callable[..., T], /, *args: Any, **named: Any) -> T:
    return fn(*args, **named)


def _is_redirect(spec: Any) -> bool:
    return isinstance(spec, EventSpec) and spec.handler.fn.__qualname__ == "_redirect"


async def _on_thread(fn: Callable[..., T], /, *args: Any, **named: Any) -> T:
    """Call ``fn`` on the event's thread; what it raises for being there says why it was.

    Once it has begun, a cancellation waits for its end. A thread cannot be stopped, and the lock
    of the state it works on must not be given up.
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
    except Exception as error:
        if any(sign in str(error) for sign in _OF_ANOTHER_THREAD):
            error.add_note(
                "EventBridge runs a handler that is not async on a thread of its event. Make it "
                "async, or write EventBridge(..., threaded=False), which may be a function of the "
                "event that returns False for this handler alone; see docs/troubleshooting.md."
            )
        raise


def _nothing() -> None:
    """Take a thread's turn."""


async def call_in_event(fn: Callable[[], Any]) -> Any:
    """Return what ``fn`` gives: awaited if it is async, else run on the event's thread."""
    if inspect.iscoroutinefunction(fn):
        return await fn()
    value = await _on_thread(fn)
    return await value if inspect.isawaitable(value) else value


async def _stepwise(
    generator: Generator[Any, Any, Any], call: Callable[..., Awaitable[Any]]
) -> AsyncGenerator[Any]:
    """Yield what a synchronous generator does and returns, each step by way of ``call``."""
    try:
        more = True
        while more:
            more, value = await call(_step, generator)
            if not more:
                close_outbox()
            if more or value is not None:
                yield value
    finally:
        await call(generator.close)


def _step(generator: Generator[Any, Any, Any]) -> tuple[bool, Any]:
    try:
        return True, next(generator)
    except StopIteration as stop:
        return False, stop.value
