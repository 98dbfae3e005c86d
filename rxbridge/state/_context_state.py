"""DjangoContextState, which registers with Reflex as it is imported."""

from __future__ import annotations

import reflex as rx

from rxbridge.state.context import context_mirror


class DjangoContextState(context_mirror(), rx.State):  # type: ignore[misc]
    """What the template engine's context processors say, as ``context``; display only.

    It is computed as a page is shown, and when the user or the language is another.
    """
