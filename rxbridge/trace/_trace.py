"""EventTrace: the last events, what ran in each, and the page that shows them."""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from http import HTTPStatus
from io import BytesIO
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from starlette.responses import JSONResponse, Response

from rxbridge.asgi._refusal import refuse
from rxbridge.asgi._types import Receive, Scope, Send
from rxbridge.trace._description import described
from rxbridge.trace._page import SECURITY_HEADERS, chosen, render
from rxbridge.trace._record import Record, Told, current

if TYPE_CHECKING:
    from django.http import QueryDict
    from opentelemetry.trace import Tracer

    from rxbridge.events.requests import ReflexEvent

logger = logging.getLogger("rxbridge.trace")

Allow: TypeAlias = Callable[[Scope], bool | Awaitable[bool]]


class EventTrace:
    """Keep what ran in the last events, and show it: an ASGI app for a prefix of your choice.

    ::

        trace = EventTrace()
        runner = TracedRunner(trace)  # in place of MiddlewareRunner()
        PrefixRouter({"/_trace": trace, ...})

    ``keep`` is how many events are kept. Each also becomes a line of the log ``rxbridge.trace``
    and, with an OpenTelemetry ``tracer``, a span.

    The page is 404 unless ``settings.DEBUG`` is on and the browser is on this machine.
    ``allow`` replaces that rule: it is called with the scope, may be async, and says who sees it.
    What is kept holds no cookie's value, header, payload, query string, SQL parameter or message
    of an exception.
    """

    def __init__(
        self, *, keep: int = 200, allow: Allow | None = None, tracer: Tracer | None = None
    ) -> None:
        if keep < 1:
            msg = f"keep={keep} is how many events are kept and must be positive; write 200."
            raise ValueError(msg)
        self.keep = keep
        self._allow = allow or (_on_this_machine if settings.DEBUG else _nobody)
        self._records: deque[Record] = deque(maxlen=keep)
        self._numbers = count(1)
        self._threads: dict[int, int] = {}
        self._spans = None
        if tracer is not None:
            from rxbridge.trace._spans import Spans

            self._spans = Spans(tracer)

    @contextmanager
    def recording(self, event: ReflexEvent, stack: Sequence[str]) -> Generator[Record]:
        """Record an event that runs in the block; ``stack`` is the chain's middleware."""
        number, spans = next(self._numbers), self._spans
        span = None if spans is None else spans.step
        record = Record.of(event, number=number, stack=stack, span=span)
        token = current.set(record)
        try:
            with spans.event(record.told) if spans is not None else nullcontext():
                try:
                    yield record
                except BaseException:
                    record.end("cancelled")
                    raise
        finally:
            current.reset(token)
            self._records.append(record)
            _log(record.told)

    def events(self) -> list[dict[str, Any]]:
        """Return what is kept of each event, the newest first, in terms of JSON."""
        records = list(self._records)
        number_of = {record.txid: record.told.number for record in records if record.txid}
        return [described(each, number_of, self._threads) for each in reversed(records)]

    def clear(self) -> None:
        """Forget the events kept."""
        self._records.clear()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the page, or with JSON for ``?format=json``."""
        request = ASGIRequest(dict(scope), BytesIO()) if scope["type"] == "http" else None
        if request is None or not await self._is_allowed(scope, request):
            await refuse(scope, receive, send, HTTPStatus.NOT_FOUND)
        else:
            await self._answer(request.GET)(scope, receive, send)

    async def _is_allowed(self, scope: Scope, request: ASGIRequest) -> bool:
        if request.method not in ("GET", "HEAD"):
            return False
        try:
            # Another site's name that was made to lead here is not among the allowed hosts.
            request.get_host()
        except DisallowedHost:
            return False
        answer = self._allow(scope)
        return bool(await answer if inspect.isawaitable(answer) else answer)

    def _answer(self, query: QueryDict) -> Response:
        events = self.events()
        if query.get("format") == "json":
            return JSONResponse({"events": chosen(events, query)}, headers=SECURITY_HEADERS)
        html = render(events, query, keep=self.keep)
        return Response(html, media_type="text/html", headers=SECURITY_HEADERS)


def _nobody(scope: Scope) -> bool:  # noqa: ARG001
    return False


def _on_this_machine(scope: Scope) -> bool:
    """Say whether the browser is on this machine; a proxy on it says so of everybody."""
    host = (scope.get("client") or ("", 0))[0]
    try:
        is_near = ip_address(host).is_loopback and not _is_forwarded(scope)
    except ValueError:
        is_near = False
    if not is_near:
        logger.warning(
            "The trace is shown to this machine alone; %s needs EventTrace(allow=…).", host
        )
    return is_near


def _is_forwarded(scope: Scope) -> bool:
    """Say whether a header has a name that proxies leave."""
    names = [bytes(name).lower() for name, _ in scope["headers"]]
    return any(name.startswith(b"x-forwarded-") or name in _OF_PROXIES for name in names)


_OF_PROXIES = frozenset(
    {b"cf-connecting-ip", b"forwarded", b"true-client-ip", b"via", b"x-client-ip", b"x-real-ip"}
)


def _log(told: Told) -> None:
    if not logger.isEnabledFor(logging.INFO):
        return
    logger.info(
        "%s %s %s in %.1f ms, %d queries",
        told.handler,
        told.result,
        told.status,
        told.ms,
        told.sql_count,
        extra={**asdict(told), "user_id": told.user},
    )
