"""Outbox: what an event sends at its end leaves once its state is stored; a trace is told of it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Awaitable, Callable, Generator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from reflex_base.event.context import EventContext
from reflex_base.utils.format import json_dumps

FIELDS = [each.name for each in dataclasses.fields(EventContext) if each.init]

_outbox: ContextVar[Outbox | None] = ContextVar("rxbridge.outbox", default=None)
_tell: ContextVar[Callable[[Mapping[str, Any]], None] | None] = ContextVar(
    "rxbridge.deltas", default=None
)


class Outbox:
    """What one event sends to its tab: at once while it runs, once it is stored from its end on."""

    def __init__(self, token: str, shows_all: bool) -> None:
        self.token = token
        self.shows_all = shows_all
        self.is_closed = self.has_shown = False
        self._waiting: list[tuple[bool, Callable[[], Awaitable[Any]]]] = []

    async def put(self, send: Callable[[], Awaitable[Any]], *, is_delta: bool) -> None:
        """Call ``send``, now or with the rest."""
        if self.is_closed:
            self._waiting.append((is_delta, send))
        else:
            self.has_shown |= is_delta
            await send()

    async def empty(self, *, is_stored: bool = True) -> None:
        """Send what waits, but no delta of what was not stored; what comes later leaves at once."""
        waiting, self._waiting, self.is_closed = self._waiting, [], False
        for is_delta, send in waiting:
            if is_stored or not is_delta:
                await send()


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _SendingContext(EventContext):  # type: ignore[no-untyped-call]
    """An event's context by which what the running task sends goes by its outbox.

    A chained event inherits the context, and has an outbox of its own.
    """

    async def emit_delta(self, delta: Mapping[str, Mapping[str, Any]]) -> None:
        """Send a delta as Reflex does, once it may leave."""
        if (tell := _tell.get()) is not None:
            tell(delta)
        send = functools.partial(EventContext.emit_delta, self, delta)
        outbox = outbox_of(self.token)
        await (send() if outbox is None else outbox.put(send, is_delta=True))

    async def emit_event(self, *events: Any) -> None:
        """Send events as Reflex does, once they may leave."""
        send = functools.partial(EventContext.emit_event, self, *events)
        outbox = outbox_of(self.token)
        await (send() if outbox is None else outbox.put(send, is_delta=False))


def outbox_of(token: str) -> Outbox | None:
    """Return the outbox of the event that runs in this task, if it is of that tab."""
    outbox = _outbox.get()
    return outbox if outbox is not None and outbox.token == token else None


def close_outbox() -> None:
    """Let all that the event of this task still sends wait until it is stored."""
    if (outbox := _outbox.get()) is not None:
        outbox.is_closed = True


def open_outbox(context: EventContext, *, shows_all: bool) -> Outbox:
    """Have what the event of this task sends go by an outbox of its own."""
    EventContext.set(_sending(context))
    outbox = Outbox(context.token, shows_all)
    _outbox.set(outbox)
    return outbox


def _sending(context: EventContext) -> EventContext:
    if isinstance(context, _SendingContext):
        return context
    return _SendingContext(**{name: getattr(context, name) for name in FIELDS})


@contextmanager
def watched_deltas(
    tell: Callable[[Mapping[str, Any]], None],
) -> Generator[tuple[str, str | None] | None]:
    """Have ``tell`` called with each delta that is sent in the block, and by what it chains.

    Yields the event's id and that of the event that chained it; ``None`` outside of Reflex.
    """
    try:
        context = EventContext.get()
    except LookupError:
        yield None
        return
    sending, telling = EventContext.set(_sending(context)), _tell.set(tell)
    try:
        yield context.txid, context.parent_txid
    finally:
        _tell.reset(telling)
        EventContext.reset(sending)


def wire_size(delta: Mapping[str, Any]) -> int:
    """Return the bytes of a delta as JSON."""
    return len(json_dumps(delta).encode())
