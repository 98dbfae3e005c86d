"""The states the auth tests fire handlers of."""

import reflex as rx

from rxbridge.events import current_session, current_user
from rxbridge.state.auth import (
    PasswordChangeConfig,
    PasswordResetConfig,
    RegistrationConfig,
    SessionAuthConfig,
    password_change_mixin,
    password_reset_mixin,
    registration_mixin,
    session_auth_mixin,
)
from tests.events.app import app

__all__ = ["Auth", "LoginOnly", "Other", "Visit", "app"]


class Auth(
    session_auth_mixin(
        SessionAuthConfig(
            after_login="/home", after_logout="/bye", allowed_next_hosts=["help.example.com"]
        )
    ),
    registration_mixin(RegistrationConfig(after="/welcome")),
    password_change_mixin(),
    password_reset_mixin(),
    rx.State,
):
    """Everything, with what each page does by default."""


class LoginOnly(session_auth_mixin(), rx.State):
    """Signing in and nothing else."""


class Other(
    registration_mixin(RegistrationConfig(sign_in=False)),
    password_change_mixin(PasswordChangeConfig(after="/account")),
    password_reset_mixin(PasswordResetConfig(sign_in=True, after="/account")),
    rx.State,
):
    """The other choice everywhere."""


class Visit(rx.State):
    """What a handler of the application sees."""

    name: str = ""
    cart: str = ""
    key: str = ""

    @rx.event
    def look(self):
        self.name = current_user().get_username()
        self.cart = current_session().get("cart", "")
        self.key = current_session().session_key or ""

    @rx.event
    def fill_cart(self):
        current_session()["cart"] = "mug"
