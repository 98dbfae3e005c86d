"""The trace as OpenTelemetry spans, named by its semantic conventions."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_current_span

from rxbridge.trace._record import Told, type_name

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_DATABASES = {"oracle": "oracle.db"}


class Spans:
    """Start a span for each step of an event; each is current while its step runs.

    Source: https://opentelemetry.io/docs/specs/semconv/ (code, database, http, error)
    """

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    @contextmanager
    def event(self, told: Told) -> Generator[None]:
        """Have a span around the whole event, named by its handler."""
        is_nested = get_current_span().get_span_context().is_valid
        kind = SpanKind.INTERNAL if is_nested else SpanKind.SERVER
        with self._started(told.handler, kind, {"code.function.name": told.handler}) as span:
            try:
                yield
            finally:
                span.set_attributes(_attributes(told))
                if told.result == "failed":
                    _fail(span, told.error_type)

    def step(self, owner: str, hook: str, vendor: str) -> AbstractContextManager[Span]:
        """Return the span of a middleware's hook, of the handler or of a statement."""
        if hook == "sql":
            operation = owner.partition(" ")[0].upper()
            attributes = {
                "db.system.name": _DATABASES.get(vendor, vendor),
                "db.operation.name": operation,
                "db.query.text": owner,
            }
            return self._started(operation, SpanKind.CLIENT, attributes)
        is_handler = hook == "handler"
        name = hook if is_handler else f"{owner.rpartition('.')[2]}.{hook}"
        function = owner if is_handler else f"{owner}.{hook}"
        return self._started(name, SpanKind.INTERNAL, {"code.function.name": function})

    @contextmanager
    def _started(self, name: str, kind: SpanKind, attributes: dict[str, Any]) -> Generator[Span]:
        # OpenTelemetry's own record of an exception has its message.
        with self._tracer.start_as_current_span(
            name,
            kind=kind,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                _fail(span, type_name(type(error)))
                raise


def _fail(span: Span, error: str) -> None:
    span.set_attribute("error.type", error)
    span.set_status(StatusCode.ERROR)


def _attributes(told: Told) -> dict[str, Any]:
    attributes = {
        "http.route": told.route,
        "http.response.status_code": told.status,
        "rxbridge.event": told.event,
        "rxbridge.result": told.result,
        "rxbridge.reached": told.reached,
        "rxbridge.redirect": told.redirect,
        "rxbridge.cookies": told.cookies,
        "rxbridge.delta.count": told.delta_count,
        "rxbridge.delta.bytes": told.delta_bytes,
        "rxbridge.sql.count": told.sql_count,
        "user.id": told.user,
    }
    return {name: value for name, value in attributes.items() if value not in ("", [])}
