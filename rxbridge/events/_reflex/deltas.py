"""The deltas an event sends, as a trace wants to know of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


def watch_deltas(tell: Callable[[Mapping[str, Any]], None]) -> tuple[str, str | None] | None:
    """Have ``tell`` called with each delta the running event sends, and those it chains.

    Returns the event's id and that of the event that chained it; ``None`` outside of Reflex.
    """
    try:
        context = EventContext.get()
    except LookupError:
        return None
    send = context.emit_delta_impl
    # A chained event inherits it; one that chains itself would wrap it once more each time.
    if send is not None and not isinstance(send, _Telling):
        object.__setattr__(context, "emit_delta_impl", _Telling(send, tell))
    return context.txid, context.parent_txid


def wire_size(delta: Mapping[str, Any]) -> int:
    """Return the bytes of a delta as JSON."""
    return len(json_dumps(delta).encode())
