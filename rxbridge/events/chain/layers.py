"""The layers of the middleware chain, and how a list of middleware becomes one.

A layer answers a request from the event loop (``acall``) or from the event's own thread
(``call``). Neither raises an ``Exception``: what a hook raises becomes a response at its layer,
as ``convert_exception_to_response`` makes it in Django.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import Context, ContextVar
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol, TypeAlias

from asgiref.sync import async_to_sync, sync_to_async
from django.core.exceptions import (
    BadRequest,
    MiddlewareNotUsed,
    PermissionDenied,
    SuspiciousOperation,
)
from django.core.handlers.exception import response_for_exception
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.response import HttpResponseBase
from django.urls import set_urlconf
from django.utils.log import log_response

from rxbridge.errors import PoolExhausted, RxBridgeError
from rxbridge.events.chain import hooks
from rxbridge.events.chain.identity import KNOWN, identity_blocks, resolve_identity
from rxbridge.events.chain.plan import (
    IDENTITY_ROW,
    Entry,
    Factory,
    Hook,
    Middleware,
    Observe,
    PlanRow,
    is_async,
)
from rxbridge.events.threads.elsewhere import elsewhere

View: TypeAlias = Callable[..., Awaitable[HttpResponseBase | None]]

_ANSWERS: Sequence[tuple[type[Exception], int]] = (
    (Http404, 404),
    (PermissionDenied, 403),
    (MultiPartParserError, 400),
    (BadRequest, 400),
    (SuspiciousOperation, 400),
)


@dataclass(slots=True)
class Run:
    """One event on its way through the chain."""

    view: View
    kwargs: Mapping[str, Any]
    clock: asyncio.Timeout
    """What ends a chain that takes too long to reach the view."""
    limit: float | None
    """Seconds it may take from where it first leaves the loop; None once they count."""
    view_called: bool = False
    over: bool = False
    exception: Exception | None = None
    answer: int | None = None
    """The status of what the view raised, where that is one of Django's ways to answer."""

    def enter(self) -> None:
        """Let the view run, once; raise when it ran or its event is over."""
        if self.over or self.view_called:
            msg = (
                "A middleware called get_response a second time, or after its event was over; "
                "a handler runs once."
            )
            raise RxBridgeError(msg)
        if self.clock.when() is not None:
            self.clock.reschedule(None)
        self.view_called = True

    def start_clock(self) -> None:
        """Have the chain be ended that takes too long from now on, unless it is at the view."""
        if self.limit is not None and not self.view_called:
            due, self.limit = asyncio.get_running_loop().time() + self.limit, None
            # A timer keeps its context until it is due, cancelled or not.
            Context().run(self.clock.reschedule, due)

    def shown(self, prepare: Callable[[HttpRequest], None] | None = None) -> View:
        """Return the view as ``process_view`` hooks see it: one may decorate it, and call that.

        ``prepare`` is what the chain does between those hooks and the view.
        """

        async def view(request: HttpRequest, **kwargs: Any) -> HttpResponseBase:
            if prepare is not None:
                await sync_to_async(prepare)(request)
            self.enter()
            return await self.view(request, **kwargs) or HttpResponse()

        return functools.update_wrapper(view, self.view)


current_run: ContextVar[Run] = ContextVar("rxbridge.run")


class Identity(Protocol):
    """What may know a request's user without a check; see ``Revalidator``."""

    def restore(self, request: HttpRequest, /) -> bool: ...

    def store(self, request: HttpRequest, /) -> None: ...


class Layer(Protocol):
    """A part of the chain."""

    async def acall(self, request: HttpRequest) -> HttpResponseBase: ...

    def call(self, request: HttpRequest) -> HttpResponseBase: ...


@dataclass(frozen=True, slots=True)
class Step:
    """A hook on the way in or out, with the test of whether it would block the loop."""

    run: Hook
    blocks: hooks.Test

    @classmethod
    def of(cls, middleware: Middleware, name: str) -> Step | None:
        """Return the step of a hook, if the chain is to call it."""
        hook = middleware.hook(name)
        return None if hook is None else cls(hook, hooks.blocking_test(middleware.instance, name))


class ViewLayer:
    """The innermost layer: the view, and the hooks that see it, its exception or its template.

    ``steps`` come before the view; the hook layer around it takes them, to share its hop.
    """

    def __init__(self, identity: Identity | None, observe: Observe) -> None:
        self._identity = identity
        resolve = observe("rxbridge", "resolve_identity", resolve_identity, False)
        self._resolve = resolve if identity is None else _storing(identity, resolve)
        self._views: list[Step] = []
        self._late: list[Hook] = []
        self._exceptions: list[Hook] = []
        self._templates: list[Hook] = []
        self._ask_on_thread = sync_to_async(self._ask)

    def add(self, middleware: Middleware) -> None:
        """Take the view hooks of the next middleware outwards."""
        if (step := Step.of(middleware, "process_view")) is not None:
            self._views.insert(0, step)
        if (hook := middleware.hook("process_exception")) is not None:
            self._exceptions.append(async_to_sync(hook) if is_async(hook) else hook)
        if (hook := middleware.hook("process_template_response")) is not None:
            self._templates.append(hook)

    def ready(self) -> list[Step]:
        """Return what comes between the last ``process_request`` and the view.

        Once all middleware have been added; ``process_view`` hooks from the first async one on
        are awaited beside the view.
        """
        early = list(takewhile(lambda each: not is_async(each.run), self._views))
        self._late = [each.run for each in self._views[len(early) :]]
        resolve = Step(self._resolve, identity_blocks)
        steps = [] if self._identity is None else [Step(_restoring(self._identity), None)]
        for each in early:
            if each.blocks is identity_blocks:
                steps.append(resolve)  # It asks for the user itself.
            steps.append(Step(_view_step(each.run, self._resolve), each.blocks))
        return [*steps, resolve]

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        run = current_run.get()
        if hasattr(request, "urlconf"):
            set_urlconf(request.urlconf)
        try:
            for hook in self._late:
                run.start_clock()
                if response := await _awaited(hook, request, run.shown(), (), run.kwargs):
                    response = checked(await _decorated(response), hook)
                    break
            else:
                run.enter()
                try:
                    response = await run.view(request, **run.kwargs)
                except Exception as error:
                    response = await self._answer(request, error)
                if type(response) is not HttpResponse:
                    response = HttpResponse() if response is None else checked(response, run.view)
        except Exception as error:
            return await converted(request, error)
        return await self.finish(request, response) if hasattr(response, "render") else response

    def call(self, request: HttpRequest) -> HttpResponseBase:
        return async_to_sync(self.acall)(request)

    async def finish(self, request: HttpRequest, response: Any) -> HttpResponseBase:
        """Render a template response, as Django does inside the chain."""
        if not callable(getattr(response, "render", None)):
            return response  # type: ignore[no-any-return]
        try:
            for hook in self._templates:
                response = checked(await _awaited(hook, request, response), hook)
            try:
                return checked(await _awaited(response.render), response.render)
            except Exception as error:
                return await self._answer(request, error)
        except Exception as error:
            return await converted(request, error)

    async def _answer(self, request: HttpRequest, error: Exception) -> HttpResponseBase:
        """Return the first answer a ``process_exception`` gives, or raise the error again."""
        answer = await self._ask_on_thread(request, error) if self._exceptions else None
        if answer is None:
            current_run.get().answer = _answer_status(error)
            raise error
        return answer

    def _ask(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        for hook in self._exceptions:
            response = hook(request, error)
            if response:
                return checked(response, hook)
        return None


class HookLayer:
    """Neighbouring middleware that are nothing but hooks; their sync hooks share one hop.

    The way in is a list of steps: ``process_request`` of each, then those of the view where it
    is next. Steps that do not block run on the loop; from the first one that does, the rest run
    on the event's thread in one go. The way out is the same with ``process_response``.
    """

    def __init__(self, middleware: Sequence[Middleware], inner: Layer) -> None:
        self._inner = inner
        self._view = inner if isinstance(inner, ViewLayer) else None
        self._own = [Step.of(each, "process_request") for each in middleware]
        self._out = [Step.of(each, "process_response") for each in middleware]
        self._inward_on_thread = sync_to_async(self._inward)
        self._outward_on_thread = sync_to_async(self._outward)

    @functools.cached_property
    def _steps(self) -> list[Step | None]:
        # Not before the first request: middleware further out adds to the view's steps.
        return [*self._own, *self._view.ready()] if self._view else self._own

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        at, response, out = self._inward(request, 0, stay=True)
        if response is None and at < len(self._steps):
            current_run.get().start_clock()
            try:
                at, response, out = await self._inward_on_thread(request, at, stay=False)
            except Exception as error:  # of the thread itself, as when there is none to be had
                response = await converted(request, error)
                out = min(at, len(self._own)) - 1
        if response is None:
            response = await self._inner.acall(request)
        else:
            current_run.get().start_clock()  # No view will; the way out may hang as well.
            if self._view and at >= len(self._own):
                response = await self._view.finish(request, response)
        out, response = self._outward(request, response, out, stay=True)
        if out < 0:
            return response
        try:
            return (await self._outward_on_thread(request, response, out, stay=False))[1]
        except Exception as error:
            return await converted(request, error)

    def call(self, request: HttpRequest) -> HttpResponseBase:
        at, response, out = self._inward(request, 0, stay=False)
        if response is None:
            response = self._inner.call(request)
        elif self._view and at >= len(self._own):
            response = async_to_sync(self._view.finish)(request, response)
        return self._outward(request, response, out, stay=False)[1]

    def _inward(
        self, request: HttpRequest, at: int, *, stay: bool
    ) -> tuple[int, HttpResponseBase | None, int]:
        """Take the steps from ``at`` on; with ``stay`` stop before one that blocks.

        Returns where it stopped, the answer if a step gave one, and the index of the first
        ``process_response`` on the way out. As in Django, a middleware whose own
        ``process_request`` answered sees the answer again; one whose own raised does not.
        """
        last = len(self._own) - 1
        for index in range(at, len(self._steps)):
            if (step := self._steps[index]) is None:
                continue
            if stay and step.blocks is not None and step.blocks(request):
                return index, None, last
            try:
                response = step.run(request)
                if response:
                    checked(response, step.run)
            except Exception as error:
                if stay:  # Once more on the thread: to answer it may block.
                    return index, None, last
                return index, convert(request, error), min(index - 1, last)
            if response:
                return index, response, min(index, last)
        return len(self._steps), None, last

    def _outward(
        self, request: HttpRequest, response: HttpResponseBase, out: int, *, stay: bool
    ) -> tuple[int, HttpResponseBase]:
        """Run ``process_response`` from ``out`` outwards; with ``stay`` stop before a block."""
        for index in range(out, -1, -1):
            if (step := self._out[index]) is None:
                continue
            if stay and step.blocks is not None and step.blocks(request):
                return index, response
            try:
                answer = step.run(request, response)
                response = answer if type(answer) is HttpResponse else checked(answer, step.run)
            except Exception as error:
                if stay:
                    return index, response
                response = convert(request, error)
        return -1, response


class CallLayer:
    """A middleware that is a callable of its own, sync or async."""

    def __init__(
        self, entry: Entry, inner: Layer, reasons: Mapping[str, str], observe: Observe
    ) -> None:
        self._is_async = entry.is_async
        if not self._is_async and not getattr(entry.factory, "sync_capable", True):
            msg = f"Middleware {entry.name} must have sync_capable or async_capable set to True."
            raise ValueError(msg)
        inside = inner.acall if self._is_async else inner.call
        self.middleware = entry.load(inside, reasons, observe)
        self._instance = observe(entry.name, "__call__", self.middleware.instance, self._is_async)
        self._call_on_thread = sync_to_async(self.call)

    async def acall(self, request: HttpRequest) -> HttpResponseBase:
        current_run.get().start_clock()
        try:
            if not self._is_async:
                return await self._call_on_thread(request)
            return checked(await self._instance(request), self._instance)
        except Exception as error:
            return await converted(request, error)

    def call(self, request: HttpRequest) -> HttpResponseBase:
        if self._is_async:
            return async_to_sync(self.acall)(request)
        try:
            return checked(self._instance(request), self._instance)
        except Exception as error:
            return convert(request, error)


def load_chain(
    listed: Sequence[str | Factory],
    reasons: Mapping[str, str],
    identity: Identity | None,
    observe: Observe,
) -> tuple[Layer, list[PlanRow], list[str]]:
    """Load the listed middleware, innermost first; return the outermost layer and the plan.

    And the names of those of which something may be open on the thread while the view runs.
    What ``observe`` gives for a hook is called in its place.
    """
    view = ViewLayer(identity, observe)
    layer: Layer = view
    group: list[Middleware] = []
    rows: list[list[PlanRow]] = [[IDENTITY_ROW]]
    unknown: list[str] = []

    def grouped() -> Layer:
        return HookLayer(group, layer) if group or layer is view else layer

    for entry in map(Entry.of, reversed(listed)):
        if (reason := entry.reason(reasons)) is not None:
            rows.append(entry.left_out(reason))
            continue
        try:
            if entry.is_hooks_only:
                middleware = entry.load(_never_called, reasons, observe)
                group.insert(0, middleware)
            else:
                layer = call = CallLayer(entry, grouped(), reasons, observe)
                middleware, group = call.middleware, []
        except MiddlewareNotUsed as error:
            why = str(error) or "it did not say why"
            rows.append(entry.left_out(f"not used: {why}"))
            continue
        view.add(middleware)
        rows.append(entry.rows(middleware))
        if not hooks.is_known(middleware.instance):
            unknown.insert(0, entry.name)
    return grouped(), [row for each in reversed(rows) for row in each], unknown


async def converted(request: HttpRequest, error: Exception) -> HttpResponseBase:
    """Convert ``error``, which is being handled, on the event's own thread if it can have one."""
    if not current_run.get().over:
        with suppress(PoolExhausted):
            return await sync_to_async(convert)(request, error)
    return await elsewhere(convert, request, error)


def convert(request: HttpRequest, error: Exception) -> HttpResponseBase:
    """Return the response to what a hook or the view raised, which is told of once."""
    run = current_run.get()
    if run.over or (isinstance(error, PoolExhausted) and isinstance(run.exception, PoolExhausted)):
        # It was told of: each layer further out has no thread either, and a hook may go on.
        return HttpResponse(status=500 if run.over else 503)
    return answered(request, error)


def answered(request: HttpRequest, error: Exception) -> HttpResponseBase:
    """Return the response that Django makes of ``error``, and tell of it as Django does.

    It is that of a project's error page, with the status that ``error`` stands for. What is not
    one of Django's ways to answer is kept for the outcome.
    """
    status = _answer_status(error)
    if status is None:
        run = current_run.get()
        run.exception = run.exception or error
        if is_pool_full := type(error.__cause__).__name__ == "PoolTimeout":  # psycopg_pool's
            error.add_note(
                "The database's connection pool is full. Events that await hold a connection "
                "unless MiddlewareRunner(threads=database_threads(release=True)); or raise its "
                "max_size."
            )
        if is_pool_full or isinstance(error, PoolExhausted):
            return unavailable(request, error)
    try:
        response: HttpResponseBase = response_for_exception(request, error)
    except Exception as failure:  # of an error page, or DEBUG_PROPAGATE_EXCEPTIONS is on
        response = HttpResponse(status=status or 500)
        log(request, response, failure)
    response.status_code = status or 500
    return response


def unavailable(request: HttpRequest, error: Exception) -> HttpResponse:
    """Return a 503 for ``error``, which is being handled, and tell of it as Django would."""
    response = HttpResponse(status=503)
    got_request_exception.send_robust(sender=None, request=request)
    log(request, response, error)
    return response


def log(request: HttpRequest, response: HttpResponseBase, error: Exception | None = None) -> None:
    """Write what Django writes of a response with status 400 or above."""
    named: Any = {"response": response, "request": request, "exception": error}
    log_response("%s: %s", response.reason_phrase, request.path, **named)


def _answer_status(error: Exception) -> int | None:
    return next((status for kind, status in _ANSWERS if isinstance(error, kind)), None)


def checked(response: Any, source: Any) -> HttpResponseBase:
    """Return a hook's response; raise when it is none."""
    if isinstance(response, HttpResponseBase):
        return response
    owner = getattr(source, "__self__", source)
    name = getattr(owner, "__qualname__", type(owner).__qualname__)
    msg = f"{name} returned {type(response).__name__} instead of an HttpResponse."
    if asyncio.iscoroutine(response):
        response.close()
        msg += " It is async; mark it with async_capable = True and sync_capable = False."
    raise RxBridgeError(msg)


async def _awaited(hook: Hook, *args: Any) -> Any:
    if is_async(hook):
        return await hook(*args)
    return await sync_to_async(hook)(*args)


async def _decorated(response: Any) -> Any:
    """Return what a ``process_view`` gave, or the answer of the view it has decorated."""
    return await response if asyncio.iscoroutine(response) else response


def _restoring(identity: Identity) -> Hook:
    """Have a user put on the request who needs no check."""

    def restore(request: HttpRequest) -> None:
        if identity.restore(request):
            setattr(request, KNOWN, True)

    return restore


def _storing(identity: Identity, resolve: Hook) -> Hook:
    """Have a user who needs no check be left alone, and one that was checked be kept."""

    def resolve_or_leave(request: HttpRequest) -> None:
        if not hasattr(request, KNOWN):
            resolve(request)
            identity.store(request)

    return resolve_or_leave


def _view_step(hook: Hook, prepare: Callable[[HttpRequest], None]) -> Callable[[HttpRequest], Any]:
    def process_view(request: HttpRequest) -> Any:
        run = current_run.get()
        if hasattr(request, "urlconf"):
            set_urlconf(request.urlconf)
        response = hook(request, run.shown(prepare), (), run.kwargs)
        if asyncio.iscoroutine(response):
            response = async_to_sync(_decorated)(response)
        return checked(response, hook) if response else None

    return process_view


async def _never_called(request: HttpRequest) -> HttpResponseBase:
    msg = f"A middleware made of hooks called get_response itself for {request.path}."
    raise RxBridgeError(msg)
