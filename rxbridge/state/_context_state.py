"""DjangoContextState, which registers with Reflex as it is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import reflex as rx

from rxbridge.state.context import mirror_context

if TYPE_CHECKING:
    from django.http import HttpRequest


class DjangoContextState(rx.State):
    """What the template engine's context processors say, as ``context``; display only.

    It is computed as a page is shown, and when the user or the language is another.
    """

    context: dict[str, Any] = {}

    _context_of: str = ""

    async def _rxbridge_mirror(self, request: HttpRequest | None) -> bool:
        """Take over what the processors say; tell whether anything changed."""
        return await mirror_context(self, request, None)
