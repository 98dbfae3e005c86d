"""Signing in and out, and starting with an organisation of one's own."""

import reflex as rx
from rxbridge.state.auth import (
    PasswordResetConfig,
    RegistrationConfig,
    password_reset_mixin,
    registration_mixin,
    session_auth_mixin,
)


class Auth(
    session_auth_mixin(),
    registration_mixin(RegistrationConfig(form="accounts.forms.RegistrationForm")),
    password_reset_mixin(PasswordResetConfig()),
    rx.State,
):
    """What the pages at ``/login``, ``/register`` and ``/password-reset`` do."""
