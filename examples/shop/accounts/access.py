"""What is open to everybody."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.contrib.auth.decorators import login_not_required

View = TypeVar("View", bound=Callable[..., Any])


def open_to_everybody(view: View) -> View:
    """Mark a view, or the handler of an event, as one that visitors and banned users may use too.

    Django's `LoginRequiredMiddleware`, where a project adds it, lets it through as well.
    """
    view.open_to_everybody = True  # type: ignore[attr-defined]
    return login_not_required(view)


def is_open(view: Callable[..., Any]) -> bool:
    """Tell whether ``view`` is marked, or is Reflex's own and only shows a page."""
    return getattr(view, "open_to_everybody", False) or is_reflex_own(view)


def is_reflex_own(handler: Callable[..., Any]) -> bool:
    """Tell whether ``handler`` came with Reflex, and not with the shop."""
    return handler.__module__.startswith("reflex.")
