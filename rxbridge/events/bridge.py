"""EventBridge: the Reflex middleware that runs each handler inside Django's chain."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeVar

import reflex as rx
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from django.utils.translation import get_language, override

from rxbridge._renamed import warn_of_former
from rxbridge.asgi.connections import ConnectionRegistry, parse_set_cookie
from rxbridge.errors import InvalidEvent, NotAllowed, NotShown, PoolExhausted
from rxbridge.events._test_context import in_test_transaction
from rxbridge.events.binder import ContextBinder
from rxbridge.events.chain.identity import known_user, user_key
from rxbridge.events.chain.runner import MiddlewareRunner
from rxbridge.events.guards import Refused, check_guards
from rxbridge.events.reflex import (
    EventInProcess,
    Kind,
    check_transports,
    follow_sign_ins,
    frontend_path,
    navigation,
    page_task,
)
from rxbridge.events.reflex.answers import answer
from rxbridge.events.refusals import EventSpec, Refusal, default_refusal, location
from rxbridge.events.requests import SyntheticRequestFactory
from rxbridge.events.threads.afterwards import Afterwards
from rxbridge.events.threads.background import own_thread_for_task

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase
    from reflex.event import Event
    from reflex.state import BaseState, StateUpdate

    from rxbridge.asgi.connections import Connection
    from rxbridge.events.binder import Binding
    from rxbridge.events.chain.layers import Identity, View
    from rxbridge.events.chain.runner import Outcome
    from rxbridge.events.requests import EventRequest, ReflexEvent

logger = logging.getLogger("rxbridge")

T = TypeVar("T")
Predicate: TypeAlias = "Callable[[ReflexEvent], bool]"
Jars: TypeAlias = Sequence[Mapping[str, str]]
Work: TypeAlias = "Callable[[EventRequest, Binding], Awaitable[Any]]"

_UNTIL_SENT = 0.5
"""Seconds for an event's update to go out; what a socket has not sent is lost when it closes."""


class RequestFactory(Protocol):
    """What makes the request of an event; see ``SyntheticRequestFactory``."""

    def build(self, event: ReflexEvent, /) -> EventRequest: ...


class Handoff(Protocol):
    """What takes the cookies of an event to the browser; see ``CookieHandoff``."""

    def is_due(self, connection: Connection, /) -> bool: ...

    async def resume(self, connection: Connection, tab: str, /) -> bool: ...

    async def has_lost(self, connection: Connection, tab: str, /) -> bool: ...

    async def issue(
        self,
        connection: Connection,
        cookies: Mapping[str, str],
        before: Mapping[str, Sequence[str | None]],
        /,
    ) -> str | None: ...

    def request(self, ticket: str, /) -> Mapping[str, Any]: ...


class Revoker(Protocol):
    """What ends the events of a session that has ended; see ``SessionRevoker``."""

    def running(self, connection: Connection | None, /) -> AbstractContextManager[object]: ...

    def note(self, connection: Connection | None, request: EventRequest, /) -> None: ...

    def track(self, connection: Connection | None, /) -> None: ...


class SessionParts(Protocol):
    """Who is behind a socket, and until when; see ``Sessions``."""

    @property
    def handoff(self) -> Handoff | None: ...

    @property
    def revoker(self) -> Revoker | None: ...

    @property
    def identity(self) -> Identity | None: ...


class EventBridge(rx.Middleware):
    """Run every event's handler inside Django's middleware chain.

    Added to the app with ``app.add_middleware(EventBridge(connections))``, after any other
    Reflex middleware: Reflex calls none behind it. What the chain refuses does not run;
    ``refuse`` returns the events the page is sent instead. ``only`` and ``exclude`` choose which
    events are bridged; one that is not bridged runs as in plain Reflex, with nobody bound.

    ``sessions`` is who is behind a socket and until when: a ``Sessions``. ``handoff`` and
    ``revoker`` stand in its place for one of these alone. ``requests``, ``runner`` and
    ``binder`` are a ``SyntheticRequestFactory``, a ``MiddlewareRunner`` and a ``ContextBinder``
    unless given. Parts that are to know each other and do not are a ``ValueError``.

    With ``threaded`` a handler that is not async runs on its event's own thread, where Django's
    ORM may be used; without, on the event loop, as in plain Reflex. A function of the event
    decides for each handler.

    With ``fresh_vars`` a tab whose user gives way to another, or to nobody, starts with fresh
    vars; without, the next user of the tab is sent what the former one's handlers left in them.

    Once a tab has been gone for ``tab_grace`` seconds, its generators are closed at their next
    step, and handlers with ``ends_with_tab`` are cancelled; with None all go on.
    """

    def __init__(
        self,
        connections: ConnectionRegistry | RequestFactory | None = None,
        *former: Any,
        sessions: SessionParts | None = None,
        requests: RequestFactory | None = None,
        runner: MiddlewareRunner | None = None,
        binder: ContextBinder | None = None,
        handoff: Handoff | None = None,
        revoker: Revoker | None = None,
        refuse: Callable[[Refusal], Sequence[EventSpec]] = default_refusal,
        only: Predicate | None = None,
        exclude: Predicate | None = None,
        threaded: bool | Predicate = True,
        fresh_vars: bool = True,
        tab_grace: float | None = 10.0,
        skip: Predicate | None = None,
    ) -> None:
        if former:
            now = "EventBridge(connections), with requests=, runner= and binder= where need be"
            warn_of_former("EventBridge(requests, runner, binder)", now)
            requests, runner, binder = connections, *former  # type: ignore[assignment]
            connections = None
        if skip is not None:
            warn_of_former("EventBridge(skip=...)", "exclude=")
            exclude = skip
        if sessions is not None:
            if handoff is not None or revoker is not None:
                msg = "sessions has a handoff and a revoker; leave handoff= and revoker= out."
                raise ValueError(msg)
            handoff, revoker = sessions.handoff, sessions.revoker
        check_transports()
        prefix = frontend_path()
        if requests is None:
            if not isinstance(connections, ConnectionRegistry):
                msg = f"Write EventBridge(connections), a ConnectionRegistry; got {connections!r}."
                raise ValueError(msg)
            requests = SyntheticRequestFactory(connections, frontend_path=prefix)
        if runner is None:
            runner = MiddlewareRunner(identity=sessions.identity if sessions else None)
        self.requests = requests
        self.connections = getattr(requests, "connections", None)
        self.runner = runner
        self.binder = ContextBinder() if binder is None else binder
        self.handoff = handoff
        self.revoker = revoker
        self.refuse = refuse
        self.threaded = threaded
        self.fresh_vars = fresh_vars
        if tab_grace is not None and tab_grace < 0:
            msg = f"tab_grace={tab_grace} is in seconds; write None for handlers to go on for ever."
            raise ValueError(msg)
        self.tab_grace = tab_grace
        self.afterwards = Afterwards()
        self.leaves_out = _leaving_out(only, exclude)
        self._check_parts(prefix)
        _check_registry(connections, requests, sessions)
        _check_identity(runner, revoker, sessions)
        _check_confirmed(handoff, revoker)
        if fresh_vars:
            follow_sign_ins()

    def _check_parts(self, prefix: str) -> None:
        for name, method in (("requests", "build"), ("runner", "run"), ("binder", "bound")):
            part = getattr(self, name)
            if not callable(getattr(part, method, None)):
                msg = f"{name} must have a method {method}(); got {part!r}."
                raise ValueError(msg)
        if getattr(self.requests, "frontend_path", prefix) != prefix:
            msg = (
                f"Reflex's frontend_path is {prefix!r}; write "
                f"SyntheticRequestFactory(frontend_path={prefix!r}), or request.path lacks it."
            )
            raise ValueError(msg)

    async def preprocess(self, app: rx.App, state: BaseState, event: Event) -> StateUpdate | None:
        """Run the event; return an update when it is done, ``None`` to let Reflex run it."""
        process = EventInProcess(app, state, event, self.connections, fresh_vars=self.fresh_vars)
        bridged = _BridgedEvent(self, process)
        self.binder.bind(None)
        try:
            if process.kind is Kind.PAGE and process.is_chained:
                # It shows what the event it follows has made: to nobody, where that was refused.
                is_left_out = process.enqueuing_binding is None
            else:
                is_left_out = self.leaves_out is not None and self.leaves_out(process.description)
            if is_left_out:
                process.note_shown()
                return None
            work = bridged.go()
            if process.may_be_cancelled and process.kind is not Kind.BACKGROUND:
                work = bridged.to_its_end(work)
            try:
                specs = await work
            finally:
                # What Reflex still does in this task is to know whose event it was: the work of a
                # background task, and what other tabs of a room are sent.
                if (binding := bridged.binding) is not None:
                    binding.over, binding.again = True, self.again
                    self.binder.bind(binding)
            return None if specs is None else await process.end(specs)
        except BaseException:
            await process.give_up()
            raise

    async def as_owner(self, event: ReflexEvent, compute: Callable[[], Any]) -> Any:
        """Return what ``compute`` gives inside the chain of a tab that no event of runs.

        ``event`` describes the tab. Raises ``NotShown`` where its connection is not this
        worker's, or the chain lets it through no more.
        """
        request, jars = self.build(event)
        connection = request.reflex_event.connection
        if self.connections is not None and (connection is None or connection.closed):
            msg = "its connection is not open at this worker"
            raise NotShown(msg)

        async def work(request: EventRequest, binding: Binding) -> Any:  # noqa: ARG001
            value = compute()
            return await value if inspect.isawaitable(value) else value

        view, found = self._in_place_of(event, work)
        view.login_required = False  # type: ignore[attr-defined] # as for a page
        outcome = await self.runner.run(request, view)
        keep_cookies(connection, outcome.response, jars)
        if outcome.exception is not None:
            raise outcome.exception
        if not found or outcome.response.status_code >= 300:
            msg = f"the middleware chain answered {outcome.response.status_code}"
            raise NotShown(msg)
        return found[0]

    async def again(self, former: Binding, call: Callable[[], Any]) -> Any:
        """Return what ``call`` gives inside a new run of the chain that admitted ``former``.

        That is for a background task, whose own chain is over. Raises ``NotAllowed`` where the
        chain, or a guard of the handler, refuses it or knows another user by now.
        """
        event: ReflexEvent = former.request.reflex_event  # type: ignore[attr-defined]
        raised: list[Exception] = []

        async def work(request: EventRequest, binding: Binding) -> Any:
            if user_key(known_user(request)) != user_key(known_user(former.request)):
                msg = (
                    "The browser has another user than the background task "
                    f"{event.handler_name} began with, so a piece of it did not run."
                )
                raised.append(NotAllowed(msg))
                raise PermissionDenied(msg)
            await check_guards(event.handler, request)
            binding.over, binding.is_elsewhere = True, former.is_elsewhere
            try:
                return await call()
            except Exception as error:
                raised.append(error)
                raise

        request, jars = self.build(event)
        view, found = self._in_place_of(event, work)
        outcome = await self.runner.run(request, view, kwargs=event.payload)
        await EventInProcess.emit(*await self.hand_off(request, outcome.response, jars, []))
        if error := next(iter(raised), outcome.exception):
            raise error
        if not found or outcome.response.status_code >= 300:
            ran = "after it had run" if found else "so it did not run"
            msg = (
                f"The middleware chain answered {outcome.response.status_code} to a piece of the "
                f"background task {event.handler_name}, {ran}."
            )
            raise NotAllowed(msg)
        return found[0]

    async def judge(
        self, app: rx.App, event: ReflexEvent
    ) -> tuple[Refusal, Exception | str | None] | None:
        """Return how the chain or a guard refuses an upload's handler, and why; None if none does.

        That is before the upload is read; the handler has a run of the chain of its own.
        """
        if self.leaves_out is not None and self.leaves_out(event):
            return None
        try:
            request, jars = self.build(event)
        except InvalidEvent as error:
            return Refusal(event=event, status=400), str(error)

        async def work(request: EventRequest, binding: Binding) -> None:  # noqa: ARG001
            await check_guards(event.handler, request)

        view, passed = self._in_place_of(event, work)
        outcome = await self.runner.run(request, view)
        keep_cookies(request.reflex_event.connection, outcome.response, jars)
        if passed and outcome.response.status_code < 300:
            return None
        return _refusal(app, event, request, outcome.response), outcome.exception

    def _in_place_of(self, event: ReflexEvent, work: Work) -> tuple[View, list[Any]]:
        """Return a view that does ``work`` in place of the event's handler, and what that gave."""
        found: list[Any] = []

        async def view(request: EventRequest, /, **_: Any) -> HttpResponseBase:
            with self.binder.bound(request) as binding:
                try:
                    found.append(await work(request, binding))
                except Refused as refused:
                    return refused.response
            return binding.response

        return functools.update_wrapper(view, event.handler), found

    def build(self, event: ReflexEvent) -> tuple[EventRequest, Jars]:
        """Return the request of ``event``, and what the browser may have held as it was built."""
        request = self.requests.build(event)
        connection = request.reflex_event.connection
        return request, () if connection is None else (connection.held, connection.cookies)

    async def resume(self, event: ReflexEvent) -> bool:
        """Put into a new socket's jar what events have set for its tab while it had none."""
        if self.handoff is None or event.connection is None:
            return False
        try:
            return await self.handoff.resume(event.connection, event.token)
        except Exception as error:  # of the ticket store; a page loads without it
            logger.warning("Cookies of before its tab came back may be lost: %r", error)
            return False

    async def has_lost(self, event: ReflexEvent) -> bool:
        """Tell, once, whether cookies that events of the tab have set came to nothing."""
        if self.handoff is None or event.connection is None:
            return False
        with suppress(Exception):  # As above, and said there.
            return await self.handoff.has_lost(event.connection, event.token)
        return False

    async def hand_off(
        self,
        request: EventRequest,
        response: HttpResponseBase,
        jars: Jars,
        then: list[EventSpec],
    ) -> list[EventSpec]:
        """Put the cookies the chain set into the jar, and on their way to the browser.

        Returns the events for the page: ``then``, after the browser has the cookies.
        """
        connection, handoff = request.reflex_event.connection, self.handoff
        before = keep_cookies(connection, response, jars) if response.cookies else {}
        if connection is None or handoff is None or not (before or handoff.is_due(connection)):
            return then
        cookies = {name: response.cookies[name].OutputString() for name in before}
        try:
            ticket = await handoff.issue(connection, cookies, before)
        except Exception as error:  # No header can hold them, or the ticket store is away.
            logger.warning("Cookies do not reach the browser: %s", error)
            return then
        if ticket is None:
            return then
        return [page_task("handOff", handoff.request(ticket), then=then)]


class Verdict(Enum):
    """What became of an event's handler inside the chain."""

    RAN = "it came to its end, or to a refusal of its own"
    RAISED = "it raised anything else, or what was to be shown before it did"
    REFUSED = "a guard or a mirror refused, so it did not run"
    MAY_START = "it is a background task's, and every check of it came to its end"


@dataclass(slots=True)
class _BridgedEvent:
    """One event's way through the bridge."""

    bridge: EventBridge
    process: EventInProcess
    binding: Binding | None = None
    jars: Jars = ()
    verdict: Verdict | None = None
    page_refuses: bool = False

    async def go(self) -> list[EventSpec] | None:
        """Run the event in the chain; return what to send the page, None if Reflex goes on."""
        bridge, process = self.bridge, self.process
        event = process.description
        try:
            request, self.jars = bridge.build(event)
            if process.loads_page and await bridge.resume(request.reflex_event):
                request, self.jars = bridge.build(event)
        except InvalidEvent as error:
            await process.show_although_refused(None)
            return self._refuse(Refusal(event=event, status=400), str(error))
        process.expect(request)
        if process.upload and process.judge_upload(request):
            return self._turn_away()
        connection = request.reflex_event.connection
        revoker = bridge.revoker
        running = nullcontext() if revoker is None else revoker.running(connection)
        view = _view_of(event.handler, process.kind in (Kind.PAGE, Kind.REPORT))
        token = _bridged.set(self)
        with running as cause:
            try:
                outcome = await bridge.runner.run(request, view, kwargs=event.payload)
            except asyncio.CancelledError:
                if getattr(cause, "has_ended", False):
                    await self._tell_of_end()
                raise
            finally:
                _bridged.reset(token)
            if self.binding is not None and self.binding.afterwards:
                client = "" if connection is None else connection.network
                await bridge.afterwards.do(*self.binding.afterwards, client=client)
            return await self._conclude(request, outcome)

    async def handle(self, request: EventRequest, payload: dict[str, Any]) -> HttpResponseBase:
        """Run the handler, in place of which the chain has the view of ``_view_of``."""
        bridge, process = self.bridge, self.process
        changed = False
        with bridge.binder.bound(request) as binding:
            self.binding = binding
            binding.is_elsewhere = process.is_elsewhere
            if process.upload and process.judge_upload(request):
                raise PermissionDenied
            if process.kind is Kind.BACKGROUND:
                return await self._admit(request, binding)
            try:
                changed = await process.begin(request)
                threaded = bridge.threaded
                if callable(threaded):
                    threaded = threaded(process.description)
                await process.run(payload, threaded=threaded, tab_grace=bridge.tab_grace)
                self.verdict = Verdict.RAN
                if process.has_fresh_vars:
                    await process.show_fresh_vars(stays=binding.destination is None)
            except PoolExhausted:
                raise
            except PermissionDenied as refused:
                response = await self._refused(request, refused)
                if await process.mirror() or changed:
                    await process.send_delta()
                return response
            except Exception:
                self.verdict = Verdict.RAISED
                raise
            return binding.response

    async def _admit(self, request: EventRequest, binding: Binding) -> HttpResponseBase:
        """Stand for a background task while the chain decides; it starts after the chain."""
        binding.time_zone = timezone.get_current_timezone()
        await self.process.begin(request)
        try:
            await check_guards(self.process.description.handler, request)
        except PermissionDenied as refused:
            return await self._refused(request, refused)
        self.verdict = Verdict.MAY_START
        return binding.response

    async def _refused(self, request: EventRequest, refused: PermissionDenied) -> HttpResponseBase:
        """Return what a guard answers; a handler's own refusal is the chain's to answer."""
        came_to_run = self.process.began and not isinstance(refused, Refused)
        self.verdict = Verdict.RAN if came_to_run else Verdict.REFUSED
        self.page_refuses = await self.process.page_refuses(request)
        if not isinstance(refused, Refused):
            raise refused
        return refused.response

    async def to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Await ``work``; once its handler has run, a cancellation no longer ends it.

        Reflex cancels what a page still loads when the browser leaves it or goes to another,
        which the handler itself may have sent it to, and a handler with ``supersedes`` when it
        is called again. Its session has yet to be saved then.
        """
        task = asyncio.create_task(work)
        while not task.done():
            # A server that stops cancels once more. To leave then would give up the lock of the
            # state that the event still works on.
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                if self.verdict is None:
                    task.cancel()
        return task.result()

    async def _conclude(self, request: EventRequest, outcome: Outcome) -> list[EventSpec] | None:
        """Return what the page is sent, once the chain is over; None if Reflex goes on."""
        bridge, process, connection = self.bridge, self.process, request.reflex_event.connection
        if process.is_misdirected or (not outcome.view_called and process.judge_upload(request)):
            return self._turn_away()
        allowed = outcome.view_called and outcome.response.status_code < 300
        raised = outcome.exception if self.verdict is Verdict.RAISED else None
        specs: list[EventSpec] = []
        if allowed or raised is not None:
            then = process.redirects
            if self.binding is not None and self.binding.destination is not None:
                then = [*then, navigation(process.app, self.binding.destination)]
        else:
            specs, then = self._tell_of_refusal(request, outcome)
        then = await bridge.hand_off(request, outcome.response, self.jars, then)
        # The tab's next socket has yet to load its page, and to find the cookies that are left for
        # it. Were the browser given them before, that page would be nobody's.
        if not (process.loads_page and connection and connection.closed):
            specs += then
        if process.loads_page and await bridge.has_lost(request.reflex_event):
            lost = Refusal(event=process.description, status=409, handler_ran=True)
            specs += self._refuse(lost, "of an earlier event: its browser got other cookies")
        if bridge.revoker is not None:
            bridge.revoker.note(connection, request)
        if raised is not None:
            await process.give_up()
            await process.emit(*specs)
            raise raised
        if not outcome.view_called:
            if outcome.response.status_code >= 500 and process.is_of_unknown(request):
                return [*specs, process.once_more()]
            await process.show_although_refused(request)
        if allowed and self.verdict is Verdict.MAY_START:
            await self._start_background(request, specs)
            return None
        return specs

    def _tell_of_refusal(
        self, request: EventRequest, outcome: Outcome
    ) -> tuple[list[EventSpec], list[EventSpec]]:
        """Return what tells the page of a refusal: at once, and once it has the event's cookies."""
        process, called = self.process, outcome.view_called
        refusal = _refusal(
            process.app,
            process.description,
            request,
            outcome.response,
            handler_ran=process.began and self.verdict is not Verdict.REFUSED,
        )
        told = self._refuse(refusal, outcome.exception)
        turned_away = not called and refusal.redirect is not None
        if self.page_refuses or (turned_away and self._is_page_shut(request)):
            told = []  # The page says so itself.
        return (told, []) if refusal.redirect is None else ([], told)

    def _turn_away(self) -> list[EventSpec]:
        """Refuse an upload that names another's tab; that tab is told nothing of it."""
        refusal = Refusal(event=self.process.description, status=403)
        self._refuse(
            refusal, "it came by a request of another browser than that of the tab it names"
        )
        return []

    def _is_page_shut(self, request: EventRequest) -> bool:
        """Tell whether the page sends a visitor away by itself, who is not signed in."""
        user = known_user(request)
        known = user is not None and not user.is_authenticated
        return known and bool(self.process.page_guards)

    async def _tell_of_end(self) -> None:
        """Tell the visitor that a logout elsewhere ended what they asked for, such as a login."""
        if self.process.kind is not Kind.PAGE:
            refusal = Refusal(event=self.process.description, status=409)
            cause = "its session was ended while it ran, so it was cancelled"
            await self.process.emit(*self._refuse(refusal, cause))

    async def _start_background(self, request: EventRequest, specs: list[EventSpec]) -> None:
        """Leave a background task to Reflex, which starts it now."""
        if self.bridge.revoker is not None:
            self.bridge.revoker.track(request.reflex_event.connection)
        self.process.keep_to_own_vars()
        threads = self.bridge.runner.threads
        if threads is not None and not in_test_transaction():
            await own_thread_for_task(threads.release)
        await self.process.emit(*specs)

    def _refuse(self, refusal: Refusal, cause: Exception | str | None) -> list[EventSpec]:
        request = self.process.recipient.request  # Its chain is over, and with it its language.
        with override(getattr(request, "LANGUAGE_CODE", get_language())):
            return answer(refusal, cause, self.bridge.refuse)


_bridged: ContextVar[_BridgedEvent] = ContextVar("rxbridge.bridged")
"""The event whose handler the chain that runs is around."""


@functools.cache
def _view_of(handler: Callable[..., Any], is_open: bool) -> View:
    """Return the view that the chain sees: it has the handler's name and attributes.

    With ``is_open`` ``LoginRequiredMiddleware`` lets everybody through, to a page or its report of
    an error: the handlers that the page loads are events of their own, each refused or not.
    """

    async def view(request: EventRequest, /, **payload: Any) -> HttpResponseBase:
        return await _bridged.get().handle(request, payload)

    functools.update_wrapper(view, handler)
    if is_open:
        view.login_required = False  # type: ignore[attr-defined]
    return view


def _leaving_out(only: Predicate | None, exclude: Predicate | None) -> Predicate | None:
    """Return what tells whether an event is not the bridge's; None if all are."""
    if only is None:
        return exclude
    return lambda event: not only(event) or (exclude is not None and exclude(event))


def _refusal(
    app: rx.App,
    event: ReflexEvent,
    request: EventRequest,
    response: HttpResponseBase,
    *,
    handler_ran: bool = False,
) -> Refusal:
    target = location(request, response)
    return Refusal(
        event=event,
        status=response.status_code,
        location=target,
        redirect=None if target is None else navigation(app, target),
        handler_ran=handler_ran,
    )


def keep_cookies(
    connection: Connection | None, response: HttpResponseBase, jars: Jars
) -> dict[str, list[str | None]]:
    """Put what ``response`` sets into the connection's jar, as a browser would into its own.

    ``jars`` are what the browser may have held when the event began. A cookie that it was given
    elsewhere since then stays, and the tab is to come back with it. Returns, for each cookie,
    what it was in ``jars``.
    """
    before: dict[str, list[str | None]] = {}
    if connection is None:
        return before
    for name, morsel in response.cookies.items():
        before[name] = [jar.get(name) for jar in jars]
        if connection.held.get(name) not in before[name]:
            logger.warning("Not set: the browser was given another %s while the event ran.", name)
            # What the page shows may be of a session that is not its browser's.
            asyncio.get_running_loop().call_later(_UNTIL_SENT, connection.close)
            continue
        is_deleted = parse_set_cookie(morsel.OutputString().encode())[1] is None
        try:
            connection.put(name, None if is_deleted else morsel.coded_value)
        except ValueError as error:
            logger.warning("The cookie %s reaches no later event: %s", name, error)
    return before


def _check_registry(
    connections: object, requests: RequestFactory, sessions: SessionParts | None
) -> None:
    """Raise unless all parts look into the same registry, as far as they show it."""
    known = [connections, *(getattr(part, "connections", None) for part in (requests, sessions))]
    if len({id(each) for each in known if each is not None}) > 1:
        msg = "The bridge, its requests and its sessions have different ConnectionRegistry objects."
        raise ValueError(msg)


def _check_identity(
    runner: MiddlewareRunner, revoker: Revoker | None, sessions: SessionParts | None
) -> None:
    """Raise unless the runner keeps the identity that the revoker tells of a revocation."""
    identity = getattr(runner, "identity", None)
    if sessions is not None and sessions.identity is not identity:
        msg = "The runner has another identity than sessions; write identity=sessions.identity."
        raise ValueError(msg)
    told = getattr(revoker, "revalidator", identity)
    if revoker is not None and told is not identity:
        msg = (
            "A revoked user would keep their identity, or is checked by nobody: give runner= "
            "and SessionRevoker the same Revalidator, or write Sessions(check_every=...)."
        )
        raise ValueError(msg)


def _check_confirmed(handoff: Handoff | None, revoker: Revoker | None) -> None:
    """Raise unless the hand-off tells the revoker what its browser holds."""
    if revoker is not None and getattr(handoff, "on_confirmed", revoker) is None:
        msg = (
            "The revoker is not told what a browser holds: write "
            "CookieHandoff(on_confirmed=revoker.confirmed), or take both from Sessions."
        )
        raise ValueError(msg)
    told = getattr(getattr(handoff, "on_confirmed", None), "__self__", revoker)
    if told is not revoker and hasattr(told, "running"):
        msg = "The hand-off tells a revoker that the bridge does not have; write revoker=."
        raise ValueError(msg)
