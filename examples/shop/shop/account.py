"""What the header's forms need of Django."""

import reflex as rx
from rxbridge.state import AppState

from accounts.access import open_to_everybody


class AccountState(AppState, rx.State):
    """The token that Django's CSRF check wants from the sign-out form."""

    csrf: str = ""

    @rx.event
    @open_to_everybody
    def load(self) -> None:
        """Take the token of the session that is on now."""
        self.csrf = self.csrf_token or ""
