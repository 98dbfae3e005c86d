"""TracedRunner: a MiddlewareRunner that tells a trace what it runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connections
from django.db.backends.signals import connection_created

from rxbridge.events.chain.plan import HOOKS, Entry, Factory, is_async
from rxbridge.events.chain.runner import MiddlewareRunner, Outcome, View
from rxbridge.events.reflex.deltas import watched_deltas, wire_size
from rxbridge.trace._record import Record, current
from rxbridge.trace._sql import without_literals

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from rxbridge.events.chain.layers import Identity
    from rxbridge.events.requests import ReflexEvent
    from rxbridge.trace._trace import EventTrace

__all__ = ["TracedRunner"]


class TracedRunner(MiddlewareRunner):
    """Run the chain as ``MiddlewareRunner`` does, and tell ``trace`` what ran and where.

    It takes the same arguments after ``trace`` and stands in its place::

        trace = EventTrace()
        runner = TracedRunner(trace) if settings.DEBUG else MiddlewareRunner()

    The plan is the same: each middleware is its own self, with its hooks timed.
    """

    def __init__(
        self,
        trace: EventTrace,
        middleware: Iterable[str | Factory] | None = None,
        **options: Any,
    ) -> None:
        listed = settings.MIDDLEWARE if middleware is None else middleware
        if isinstance(listed, str):
            msg = "middleware is a list of dotted paths; write [path] for one."
            raise ValueError(msg)
        identity: Identity | None = options.pop("identity", None)
        timed = [_timed_factory(Entry.of(each)) for each in listed]
        super().__init__(timed, identity=_TimedIdentity(identity), **options)
        self.identity = identity
        self._trace = trace
        self._stack = list(dict.fromkeys(row.middleware for row in self.explain()))
        connection_created.connect(_watch, dispatch_uid="rxbridge.trace")
        for connection in connections.all(initialized_only=True):
            _watch(connection=connection)

    async def run(
        self, request: HttpRequest, view: View, *, kwargs: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Run ``view`` inside the chain, as ``MiddlewareRunner.run`` does."""
        event: ReflexEvent = request.reflex_event  # type: ignore[attr-defined]
        with self._trace.recording(event, self._stack) as record, watched_deltas(_count) as ids:
            if ids is not None:
                record.txid, record.parent = ids[0], ids[1] or ""
            outcome = await super().run(request, _timed_view(record, view), kwargs=kwargs)
            record.finish(request, outcome)
            return outcome


class _TimedIdentity:
    """Stand before the runner's identity, or for none, and note when the user is resolved."""

    def __init__(self, identity: Identity | None) -> None:
        self._identity = identity

    def prime(self, request: HttpRequest) -> bool:
        if (record := current.get()) is not None:
            record.asked = perf_counter()
        return self._identity is not None and self._identity.prime(request)

    def learn(self, request: HttpRequest) -> None:
        if (record := current.get()) is not None:
            record.identified()
        if self._identity is not None:
            self._identity.learn(request)


def _count(delta: Mapping[str, Any]) -> None:
    # The event that sends, which a chained one is not the one whose way to send it inherited.
    if (record := current.get()) is not None:
        record.tell_delta(wire_size(delta))


def _timed_view(record: Record, view: View) -> View:
    @functools.wraps(view)
    async def timed(request: HttpRequest, /, **kwargs: Any) -> HttpResponseBase | None:
        with record.handle():
            return await view(request, **kwargs)

    return timed


def _timed_factory(entry: Entry) -> Factory:
    """Return a factory that the chain takes for ``entry``'s own, whose hooks are timed.

    A class stays a subclass of itself, since the chain looks at its bases and methods to plan
    what runs where; what it makes is an instance of the class as it was.
    """
    module, _, name = entry.name.rpartition(".")
    names: dict[str, Any] = {"__module__": module, "__qualname__": name}

    def make(get_response: Any) -> Any:
        return _timed_instance(entry, get_response)

    def new(_: type, get_response: Any) -> Any:
        return make(get_response)

    if isinstance(entry.factory, type):
        subclass: Any = type(entry.factory)
        made: Factory = subclass(entry.factory.__name__, (entry.factory,), names | {"__new__": new})
        return made
    functools.update_wrapper(make, entry.factory)
    make.__module__, make.__qualname__ = module, name
    # Where the factory is an object, its class may say so.
    for mode in ("async_capable", "sync_capable"):
        if hasattr(entry.factory, mode):
            setattr(make, mode, getattr(entry.factory, mode))
    return make


def _timed_instance(entry: Entry, get_response: Any) -> Any:
    instance = entry.factory(get_response)
    if instance is None:
        return None
    timed = instance
    if not entry.is_hooks_only:
        timed = _timed(entry.name, "__call__", instance, is_async=entry.is_async)
    for name in HOOKS:
        if (hook := getattr(instance, name, None)) is not None:
            # On the instance, so that its class is what it was.
            setattr(timed, name, _timed(entry.name, name, hook, is_async=is_async(hook)))
    return timed


def _timed(
    middleware: str, name: str, hook: Callable[..., Any], *, is_async: bool
) -> Callable[..., Any]:
    def timed(*args: Any) -> Any:
        record = current.get()
        if record is None:
            return hook(*args)
        with record.hook(middleware, name) as step:
            answer = hook(*args)
            step.said = getattr(answer, "status_code", None)
            return answer

    async def timed_async(*args: Any) -> Any:
        record = current.get()
        if record is None:
            return await hook(*args)
        with record.hook(middleware, name) as step:
            answer = await hook(*args)
            step.said = getattr(answer, "status_code", None)
            return answer

    chosen = timed_async if is_async else timed
    functools.update_wrapper(chosen, hook)
    chosen.__qualname__ = getattr(hook, "__qualname__", type(hook).__qualname__)
    return chosen


def _watch(*, connection: Any, **_: Any) -> None:
    """Have the statements of a connection timed, from now on."""
    if _time_query not in connection.execute_wrappers:
        # First: whoever is inside ``execute_wrapper()`` takes the last one away at its end.
        connection.execute_wrappers.insert(0, _time_query)


def _time_query(
    execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: dict[str, Any]
) -> Any:
    record = current.get()
    if record is None:
        return execute(sql, params, many, context)
    text = without_literals(sql) if isinstance(sql, str) else f"({type(sql).__name__})"
    step = record.query(text, context["connection"].vendor)
    try:
        with step:
            return execute(sql, params, many, context)
    finally:
        record.query_seconds += step.seconds
