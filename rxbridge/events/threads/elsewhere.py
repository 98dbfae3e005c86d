"""Elsewhere: a call on a thread that is neither an event's own nor asgiref's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """Return the event loop that runs in this thread, where nothing may block."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


async def elsewhere(function: Callable[..., T], *args: Any, **named: Any) -> T:
    """Call ``function`` on another thread, whose database connections are closed again."""
    return await sync_to_async(closing, thread_sensitive=False)(function, *args, **named)


def closing(function: Callable[..., T], *args: Any, **named: Any) -> T:
    """Call ``function``, and close this thread's database connections."""
    try:
        return function(*args, **named)
    finally:
        connections.close_all()
