"""The state behind the page guards; it registers with Reflex as it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import reflex as rx
from asgiref.sync import sync_to_async

from rxbridge.events.binder import current_user
from rxbridge.events.guards import login_required
from rxbridge.state.mirrors import take_over

if TYPE_CHECKING:
    from django.http import HttpRequest


class PageGuardState(rx.State):
    """What a page asks of the server before it shows itself; display only."""

    is_authenticated: bool = False
    is_staff: bool = False
    answers: dict[str, bool] = {}
    _answered_to: str = ""

    @rx.event
    @login_required
    def require_login(self) -> None:
        """Do nothing for who is signed in; the guard takes anyone else to the login page."""

    @rx.event
    @login_required
    async def ask(self, permissions: list[str]) -> None:
        """Answer whether the user has all ``permissions``; only the last answer is kept."""
        user: Any = current_user()
        allowed = bool(await sync_to_async(user.has_perms)(permissions))
        self.answers = {question(permissions): allowed}

    def _rxbridge_mirror(self, request: HttpRequest | None) -> bool:
        """Take over who is there, and forget what was answered to another user."""
        user: Any = getattr(request, "user", None)
        known = user is not None and user.is_authenticated
        is_staff = known and getattr(user, "is_staff", False)
        shown: dict[str, Any] = {"is_authenticated": known, "is_staff": is_staff}
        key = str(getattr(user, "pk", "")) if known else ""
        if key != self._answered_to:
            self._answered_to, shown["answers"] = key, {}
        return take_over(self, shown)


def question(permissions: list[str]) -> str:
    """Return the key under which the answer for ``permissions`` is found."""
    return " ".join(permissions)
