"""Whether a handler goes on without its tab: ``ends_with_tab`` and ``outlives_tab``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

ENDS_WITH_TAB = "_rxbridge_ends_with_tab"
"""The attribute that says whether a handler ends with its tab; without it, it does not say."""


def ends_with_tab(handler: F) -> F:
    """Cancel an async handler while it awaits, once its tab is gone.

    For one that is of no use without a page, such as one that waits for an answer to show.
    Below ``@rx.event``. When a tab is gone: ``EventBridge(tab_grace=…)``.
    """
    return _marked(handler, ends=True)


def outlives_tab(handler: F) -> F:
    """Let a generator run to its end although its tab is gone: what it does is to be done.

    Below ``@rx.event``. Without it a generator is closed at its next ``yield``.
    """
    return _marked(handler, ends=False)


def _marked(handler: F, *, ends: bool) -> F:
    function: Any = handler
    if not inspect.isfunction(function):
        msg = f"Put it on the function of an event handler, below @rx.event, not on {handler!r}."
        raise TypeError(msg)
    if ends and not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
        msg = f"{function.__qualname__} is not async, and a thread cannot be stopped."
        raise TypeError(msg)
    setattr(handler, ENDS_WITH_TAB, ends)
    return handler
