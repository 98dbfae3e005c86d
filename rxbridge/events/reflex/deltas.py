"""The deltas an event sends, as a trace wants to know of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from reflex_base.event.context import EventContext
from reflex_base.utils.format import json_dumps

from rxbridge.events.reflex.outbox import Sending, by_way_of


class _Telling(Sending):
    """Reflex's way to send a delta, which tells of each."""

    def __init__(self, send: Callable[..., Any], tell: Callable[[Mapping[str, Any]], None]) -> None:
        super().__init__(send)
        self._tell = tell

    async def __call__(self, token: str, delta: Mapping[str, Any]) -> Any:
        self._tell(delta)
        return await self.send(token, delta)


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
        context = None
    if context is None:
        yield None
        return
    telling = by_way_of(_Telling, context.emit_delta_impl, tell)
    token = EventContext.set(dataclasses.replace(context, emit_delta_impl=telling))
    try:
        yield context.txid, context.parent_txid
    finally:
        EventContext.reset(token)


def wire_size(delta: Mapping[str, Any]) -> int:
    """Return the bytes of a delta as JSON."""
    return len(json_dumps(delta).encode())
