"""The template filters of the trace's page: times, sizes and shares as it shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.template import Library

register = Library()


@register.filter
def share(part: float, whole: float) -> str:
    """Return a part as percent of the whole."""
    return f"{100 * part / whole if whole else 0:.3f}%"


@register.filter
def duration(milliseconds: float) -> str:
    """Return a time in the unit that suits it."""
    if milliseconds < 1:
        return f"{milliseconds * 1000:.0f} µs"
    return f"{milliseconds:.1f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.2f} s"


@register.filter
def size(count: int) -> str:
    """Return a number of bytes."""
    return f"{count} B" if count < 1000 else f"{count / 1000:.1f} kB"


@register.filter
def kind(hook: Mapping[str, Any]) -> str:
    """Return the CSS class of a hook's bar."""
    if hook["hook"] in ("handler", "__call__"):
        return "handler" if hook["hook"] == "handler" else "around"
    return "loop" if hook["thread"] == "loop" else "thread"


@register.filter
def short(within: str) -> str:
    """Return the name of the hook that a statement was run by."""
    if within == "rxbridge.resolve_identity":
        return "session and user"
    return ".".join(within.split(".")[-2:])
