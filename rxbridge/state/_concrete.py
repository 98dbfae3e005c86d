"""The states that register with Reflex as they are imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reflex as rx

from rxbridge.state.mirrors import user_fields

if TYPE_CHECKING:
    from django.http import HttpRequest


class DjangoUserState(rx.State):
    """The signed-in user, for pages to bind to; display only.

    The bridge fills it before first paint and after any event that changed it. It may be
    imported by any page; no handler may trust it: guards read ``self.user``.
    """

    is_authenticated: bool = False
    username: str = ""
    email: str = ""
    is_staff: bool = False
    is_superuser: bool = False

    def _rxbridge_mirror(self, request: HttpRequest | None) -> bool:
        """Take over what the request's user is; tell whether anything changed."""
        changed = False
        for name, value in user_fields(request).items():
            if getattr(self, name) != value:
                setattr(self, name, value)
                changed = True
        return changed
