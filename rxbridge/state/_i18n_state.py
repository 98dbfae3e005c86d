"""DjangoI18nState, which registers with Reflex as it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import reflex as rx

from rxbridge.events.guards import open_to_visitors
from rxbridge.state import language as languages_of
from rxbridge.state.mirrors import mirror_language

if TYPE_CHECKING:
    from django.http import HttpRequest


class DjangoI18nState(rx.State):
    """The visitor's language, the languages there are, and the event that changes it.

    ``direction`` is ``"ltr"`` or ``"rtl"``, for a component's ``dir``. Each of ``languages`` has
    ``code``, ``name`` (in the visitor's language) and ``name_local`` (in its own).
    """

    language: str = languages_of.site_language()
    bidi: bool = languages_of.is_bidi(language)
    direction: str = languages_of.direction_of(language)
    languages: list[dict[str, str]] = []

    @rx.event
    @open_to_visitors
    def set_language(self, code: str) -> None:
        """Make ``code`` the visitor's language from now on."""
        languages_of.switch_language(code)

    def _rxbridge_mirror(self, request: HttpRequest | None) -> bool:
        """Take over the request's language; tell whether it changed."""
        return mirror_language(self, request)
