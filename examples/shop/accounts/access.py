"""What a banned user may still do, and what is the shop's own."""

from collections.abc import Callable
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])


def open_to_banned(view: View) -> View:
    """Mark a view, or the handler of an event, as one that banned users may use."""
    view.open_to_banned = True  # type: ignore[attr-defined]
    return view


def is_open(view: Callable[..., Any]) -> bool:
    """Tell whether banned users may use ``view``: it is marked, or open to every visitor.

    The latter is what Django's ``login_not_required`` says; the events by which Reflex shows a
    page say it as well.
    """
    return getattr(view, "open_to_banned", False) or not getattr(view, "login_required", True)


def is_own(handler: Callable[..., Any]) -> bool:
    """Tell whether ``handler`` is the shop's, and came neither with Reflex nor with rxbridge."""
    return handler.__module__.partition(".")[0] not in {"reflex", "rxbridge"}
