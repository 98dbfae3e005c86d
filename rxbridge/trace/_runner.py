"""TracedRunner: a MiddlewareRunner that tells a trace what it runs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.backends.signals import connection_created

from rxbridge.events.chain.runner import MiddlewareRunner, Outcome
from rxbridge.events.reflex.outbox import watched_deltas, wire_size
from rxbridge.trace._record import Record, Step, current
from rxbridge.trace._sql import without_literals

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from rxbridge.events.chain.layers import View
    from rxbridge.events.chain.plan import Factory, Hook
    from rxbridge.events.requests import ReflexEvent
    from rxbridge.trace._trace import EventTrace


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
        super().__init__(middleware, **options)
        self._trace = trace
        self._stack = list(dict.fromkeys(row.middleware for row in self.explain()))
        connection_created.connect(_watch, dispatch_uid="rxbridge.trace")
        for connection in connections.all(initialized_only=True):
            _watch(connection=connection)

    def observed(self, middleware: str, name: str, hook: Hook, is_async: bool) -> Hook:
        """Return the hook timed."""
        timed = _timed(middleware, name, hook, is_async)
        functools.update_wrapper(timed, hook)
        timed.__qualname__ = getattr(hook, "__qualname__", type(hook).__qualname__)
        return timed

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


def _count(delta: Mapping[str, Any]) -> None:
    # Of the event that sends: one that it chains inherits this, and has a record of its own.
    if (record := current.get()) is not None:
        record.told.delta_count += 1
        record.told.delta_bytes += wire_size(delta)


def _timed_view(record: Record, view: View) -> View:
    @functools.wraps(view)
    async def timed(request: HttpRequest, /, **kwargs: Any) -> HttpResponseBase | None:
        with record.handle():
            return await view(request, **kwargs)

    return timed


def _timed(middleware: str, name: str, hook: Hook, is_async: bool) -> Hook:
    async def timed_async(*args: Any) -> Any:
        with _step(middleware, name) as step:
            return step.answered(await hook(*args))

    def timed(*args: Any) -> Any:
        with _step(middleware, name) as step:
            return step.answered(hook(*args))

    return timed_async if is_async else timed


def _step(middleware: str, name: str) -> Step:
    record = current.get()
    return Step(middleware, name) if record is None else record.hook(middleware, name)


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
        record.told.sql_ms += step.ms
