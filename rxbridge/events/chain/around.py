"""What may be opened around each event, outside the chain; and Django's signals as such."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.signals import request_finished, request_started
from django.db import connections

from rxbridge.events.threads.elsewhere import elsewhere

if TYPE_CHECKING:
    from django.dispatch import Signal

Around: TypeAlias = (
    "Callable[[Any], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]"
)


@asynccontextmanager
async def request_signals(request: ASGIRequest) -> AsyncGenerator[None]:
    """Send Django's ``request_started`` and ``request_finished`` around an event.

    For ``MiddlewareRunner(around=[request_signals])``. Receivers run on the event's own thread
    and may use the ORM; connections that are kept stay open.
    """
    send = sync_to_async(_send)
    await send(request_started, scope=request.scope)
    try:
        yield
    except TimeoutError:
        send = partial(elsewhere, _send)  # A hook may still hold the event's own thread.
        raise
    finally:
        await send(request_finished)


def _send(signal: Signal, **named: Any) -> None:
    """Send ``signal`` to all, Django's own receivers among them, which close old connections."""
    kept: list[Any] = list(connections.all(initialized_only=True))
    due = [connection.close_at for connection in kept]
    for connection in kept:
        connection.close_at = None
    try:
        signal.send(sender=ASGIHandler, **named)
    finally:
        for connection, close_at in zip(kept, due, strict=True):
            connection.close_at = connection.close_at or close_at
