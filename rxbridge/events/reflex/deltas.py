"""The deltas an event sends, as a trace wants to know of them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from typing import Any

from reflex_base.event.context import EventContext
from reflex_base.utils.format import json_dumps


class _Telling:
    """Reflex's way to send a delta, which tells of each."""

    def __init__(self, send: Callable[..., Any], tell: Callable[[Mapping[str, Any]], None]) -> None:
        self._send = send
        self._tell = tell

    async def __call__(self, token: str, delta: Mapping[str, Any]) -> Any:
        self._tell(delta)
        return await self._send(token, delta)


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
    token = EventContext.set(_telling(context, tell))
    try:
        yield context.txid, context.parent_txid
    finally:
        EventContext.reset(token)


def _telling(context: EventContext, tell: Callable[[Mapping[str, Any]], None]) -> EventContext:
    """Return a copy of the event's context that tells; Reflex's own stays as it is."""
    send = context.emit_delta_impl
    # A chained event inherits it; one that chains itself would wrap it once more each time.
    if send is None or isinstance(send, _Telling):
        return context
    told = copy.copy(context)
    object.__setattr__(told, "emit_delta_impl", _Telling(send, tell))
    return told


def wire_size(delta: Mapping[str, Any]) -> int:
    """Return the bytes of a delta as JSON."""
    return len(json_dumps(delta).encode())
