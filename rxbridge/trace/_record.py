"""What is kept of one event: names, numbers and times, and nothing that anybody typed."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import get_ident
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, Self, TypeAlias
from urllib.parse import urlsplit

from rxbridge.events.chain.identity import known_user

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from django.http import HttpRequest

    from rxbridge.events.chain.runner import Outcome
    from rxbridge.events.requests import ReflexEvent

Result: TypeAlias = Literal["running", "done", "refused", "failed", "cancelled"]

Span: TypeAlias = "Callable[[str, str, str], AbstractContextManager[object]]"
"""Given a step's owner and hook, and a database's vendor, returns what is current in the step."""

STEPS = 200
"""Hooks kept of one event, and as many statements; more are counted only."""

LENGTH = 200
"""Characters kept of a name."""

NAMES = 20
"""Cookies kept of one event."""


@dataclass(slots=True, eq=False)
class Step:
    """Something that ran in an event: a hook, the handler, a statement. Enter it to time it.

    ``said`` is the status a hook answered with, or the type of what was raised.
    """

    owner: str
    hook: str
    scope: AbstractContextManager[object] | None = None
    said: str | int | None = None
    start: float = 0.0
    end: float = 0.0
    thread: int = 0

    def __enter__(self) -> Self:
        self.thread = get_ident()
        if self.scope is not None:
            self.scope.__enter__()
        self.start = perf_counter()
        return self

    def __exit__(self, kind: type[BaseException] | None, *raised: Any) -> None:  # noqa: PYI036 - another's arguments
        self.end = perf_counter()
        if kind is not None:
            self.said = type_name(kind)
        if self.scope is not None:
            self.scope.__exit__(kind, *raised)
            self.scope = None

    def answered(self, answer: Any) -> Any:
        """Note the status of what a hook answered, and return it."""
        self.said = getattr(answer, "status_code", None)
        return answer

    @property
    def ms(self) -> float:
        """How long it took."""
        return max(self.end - self.start, 0.0) * 1000

    def holds(self, other: Step) -> bool:
        """Tell whether ``other`` began while this ran."""
        return self is not other and self.start <= other.start <= self.end


@dataclass(slots=True)
class Told:
    """What the page, the JSON and the log tell of an event; times are milliseconds.

    The page is told as its route, ``/reset/[token]``; its path may hold what is secret.
    """

    number: int
    handler: str
    event: str
    route: str
    background: bool
    result: Result = "running"
    reached: bool = False
    status: int = 0
    redirect: str = ""
    error_type: str = ""
    user: str = ""
    cookies: list[str] = field(default_factory=list)
    ms: float = 0.0
    handler_ms: float = 0.0
    sql_count: int = 0
    sql_ms: float = 0.0
    delta_count: int = 0
    delta_bytes: int = 0


@dataclass(slots=True)
class Record:
    """One event. Its hooks may run on several threads, though never two at once."""

    told: Told
    blocks: bool
    stack: Sequence[str]
    span: Span | None = None
    txid: str = ""
    parent: str = ""
    at: float = field(default_factory=time.time)
    loop: int = field(default_factory=get_ident)
    start: float = field(default_factory=perf_counter)
    hooks: list[Step] = field(default_factory=list)
    view: Step | None = None
    queries: list[Step] = field(default_factory=list)

    @classmethod
    def of(
        cls, event: ReflexEvent, *, number: int, stack: Sequence[str], span: Span | None
    ) -> Self:
        """Return the record an event begins with."""
        route = event.router_data.get("pathname")
        told = Told(
            number=number,
            handler=event.handler_name[:LENGTH],
            event=event.name[:LENGTH],
            route=route.partition("?")[0][:LENGTH] if isinstance(route, str) else "",
            background=event.background,
        )
        return cls(told, _blocks(event.handler), stack, span)

    def hook(self, middleware: str, hook: str) -> Step:
        """Return a step for a hook that is about to run."""
        return self._step(self.hooks, middleware, hook)

    def handle(self) -> Step:
        """Return the step for the handler."""
        self.view = self._step([], self.told.handler, "handler")
        return self.view

    def query(self, sql: str, vendor: str) -> Step:
        """Return a step for a statement that is about to run."""
        self.told.sql_count += 1
        return self._step(self.queries, sql, "sql", vendor)

    def _step(self, kept: list[Step], owner: str, hook: str, vendor: str = "") -> Step:
        step = Step(owner, hook, self.span(owner, hook, vendor) if self.span is not None else None)
        if len(kept) < STEPS:
            kept.append(step)
        return step

    def finish(self, request: HttpRequest, outcome: Outcome) -> None:
        """Take over what came of the event."""
        told, response = self.told, outcome.response
        told.status = response.status_code
        told.redirect = destination(response.headers.get("Location", ""))
        told.cookies = [name[:LENGTH] for name in list(response.cookies)[:NAMES]]
        told.user = _user(request)
        if outcome.exception is not None:
            told.error_type = type_name(type(outcome.exception))
        refused = not outcome.view_called or told.status >= 300
        self.end("failed" if told.error_type else "refused" if refused else "done")
        told.reached = outcome.view_called

    def end(self, result: Result) -> None:
        """Note that the event has ended, and how."""
        told = self.told
        told.result, told.reached = result, self.view is not None
        told.ms = round((perf_counter() - self.start) * 1000, 3)
        told.handler_ms = round(self.view.ms, 3) if self.view is not None else 0.0
        told.sql_ms = round(told.sql_ms, 3)


current: ContextVar[Record | None] = ContextVar("rxbridge.trace", default=None)


def type_name(kind: type[BaseException]) -> str:
    """Return the name of an exception's type; its message may hold anything."""
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"[:LENGTH]


def destination(location: str) -> str:
    """Return where a redirect leads, without its query, fragment and credentials."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "?"
    if parts.scheme not in ("", "http", "https"):
        return f"{parts.scheme}:…"[:LENGTH]
    host = parts.netloc.rpartition("@")[2]
    path = parts.path.partition(";")[0]
    return parts._replace(netloc=host, path=path, query="", fragment="").geturl()[:LENGTH]


def _blocks(handler: Callable[..., Any]) -> bool:
    """Tell whether the bridge moves a handler to its event's thread."""
    is_async = inspect.iscoroutinefunction(handler) or inspect.isasyncgenfunction(handler)
    return not (is_async or handler.__module__.startswith(("reflex.", "reflex_base.")))


def _user(request: HttpRequest) -> str:
    """Return the primary key of the user, if the event has asked who it is."""
    user = known_user(request)
    key: Any = getattr(user, "pk", None)
    return "" if key is None else str(key)[:LENGTH]
