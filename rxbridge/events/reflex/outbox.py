"""Outbox: what an event sends at its end leaves once its state is stored."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from reflex_base.event.context import EventContext

_outbox: ContextVar[Outbox | None] = ContextVar("rxbridge.outbox", default=None)


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


class Sending:
    """One of Reflex's two ways to send something to a tab, with a stop on the way."""

    def __init__(self, send: Callable[..., Any]) -> None:
        self.send = send


class _DeltaByOutbox(Sending):
    is_delta = True

    async def __call__(self, token: str, *sent: Any) -> None:
        if (outbox := outbox_of(token)) is None:
            await self.send(token, *sent)
        else:
            send = functools.partial(self.send, token, *sent)
            await outbox.put(send, is_delta=self.is_delta)


class _EventsByOutbox(_DeltaByOutbox):
    is_delta = False


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
    EventContext.set(
        dataclasses.replace(
            context,
            emit_delta_impl=by_way_of(_DeltaByOutbox, context.emit_delta_impl),
            emit_event_impl=by_way_of(_EventsByOutbox, context.emit_event_impl),
        )
    )
    outbox = Outbox(context.token, shows_all)
    _outbox.set(outbox)
    return outbox


def by_way_of(stop: type[Sending], send: Any, *arguments: Any) -> Any:
    """Return ``send`` with this stop, once: a chained event inherits it."""
    inner = send
    while isinstance(inner, Sending):
        if isinstance(inner, stop):
            return send
        inner = inner.send
    return send and stop(send, *arguments)
