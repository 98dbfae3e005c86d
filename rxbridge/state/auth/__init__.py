"""Signing in and what belongs to it, as state mixins and as ready pages, on Django's forms.

Importing it registers nothing with Reflex: handlers exist once you derive a state from a mixin.
"""

from rxbridge.state.auth.config import (
    PasswordChangeConfig,
    PasswordResetConfig,
    RegistrationConfig,
    SessionAuthConfig,
)
from rxbridge.state.auth.look import FieldView, FormView, card_layout, stacked_form
from rxbridge.state.auth.pages import AuthPages, AuthTexts, add_auth_pages
from rxbridge.state.auth.password import password_change_mixin, password_reset_mixin
from rxbridge.state.auth.session import registration_mixin, session_auth_mixin

__all__ = [
    "AuthPages",
    "AuthTexts",
    "FieldView",
    "FormView",
    "PasswordChangeConfig",
    "PasswordResetConfig",
    "RegistrationConfig",
    "SessionAuthConfig",
    "add_auth_pages",
    "card_layout",
    "password_change_mixin",
    "password_reset_mixin",
    "registration_mixin",
    "session_auth_mixin",
    "stacked_form",
]
