"""DjangoUserState, which registers with Reflex as it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reflex as rx

from rxbridge.events.guards import open_to_visitors
from rxbridge.state.language import is_bidi, site_language
from rxbridge.state.mirrors import dismiss, dismiss_all, mirror_into

if TYPE_CHECKING:
    from django.http import HttpRequest


class DjangoUserState(rx.State):
    """All mirrors of the user, and of messages, CSRF token and language; display only.

    The bridge fills it before first paint and after any event that changed it. It may be
    imported by any page; no handler may trust it: guards read ``self.user``.
    """

    user_id: str = ""
    username: str = ""
    email: str = ""
    first_name: str = ""
    last_name: str = ""
    is_authenticated: bool = False
    is_staff: bool = False
    is_superuser: bool = False
    group_names: list[str] = []
    perms: list[str] = []
    messages: list[dict[str, str]] = []
    csrf_token: str = ""
    language: str = site_language()
    language_bidi: bool = is_bidi(site_language())

    _permissions_of: str = ""
    _permissions_at: float = 0.0
    _csrf_of: str = ""

    @rx.event
    @open_to_visitors
    def dismiss(self, message_id: str) -> None:
        """Take a message off the page."""
        dismiss(self, message_id)

    @rx.event
    @open_to_visitors
    def dismiss_all(self) -> None:
        """Take all messages off the page."""
        dismiss_all(self)

    async def _rxbridge_mirror(self, request: HttpRequest | None) -> bool:
        """Take over what the request says; tell whether anything changed."""
        return await mirror_into(self, request)
