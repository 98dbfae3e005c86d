"""The trace as OpenTelemetry spans, named by its semantic conventions."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, get_current_span

from rxbridge.trace._record import Record, type_name

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
    def event(self, record: Record) -> Generator[None]:
        """Have a span around the whole event, named by its handler."""
        is_nested = get_current_span().get_span_context().is_valid
        kind = SpanKind.INTERNAL if is_nested else SpanKind.SERVER
        with self._started(record.handler, kind, {"code.function.name": record.handler}) as span:
            try:
                yield
            finally:
                span.set_attributes(_attributes(record))
                if record.result == "failed":
                    _fail(span, record.error)

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


def _attributes(record: Record) -> dict[str, Any]:
    attributes = {
        "http.route": record.route,
        "http.response.status_code": record.status,
        "rxbridge.event": record.event,
        "rxbridge.result": record.result,
        "rxbridge.reached": record.view_called,
        "rxbridge.redirect": record.redirect,
        "rxbridge.cookies": record.cookies,
        "rxbridge.delta.count": record.deltas,
        "rxbridge.delta.bytes": record.delta_bytes,
        "rxbridge.sql.count": record.query_count,
        "user.id": record.user,
    }
    return {name: value for name, value in attributes.items() if value not in ("", ())}
