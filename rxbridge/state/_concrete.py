"""DjangoUserState, which registers with Reflex as it is imported."""

from __future__ import annotations

import reflex as rx

from rxbridge.state.mirrors import mirrors


class DjangoUserState(mirrors(), rx.State):  # type: ignore[misc]
    """All mirrors of the user, and of messages, CSRF token and language; display only.

    The bridge fills it before first paint and after any event that changed it. It may be
    imported by any page; no handler may trust it: guards read ``self.user``.
    """
