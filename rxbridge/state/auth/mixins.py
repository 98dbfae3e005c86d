"""The factories of the auth mixins: a configuration in, a state mixin out."""

from __future__ import annotations

import reflex as rx

from rxbridge.state._mixins import derived_mixin
from rxbridge.state.auth.config import (
    PasswordChangeConfig,
    PasswordResetConfig,
    RegistrationConfig,
    SessionAuthConfig,
)
from rxbridge.state.auth.password_change import PasswordChange
from rxbridge.state.auth.password_reset import PasswordReset
from rxbridge.state.auth.registration import Registration
from rxbridge.state.auth.session import SessionAuth


def session_auth_mixin(
    config: SessionAuthConfig | None = None, *, base: type[rx.State] = rx.State
) -> type[SessionAuth]:
    """Return a state mixin that signs in and out.

    ::

        class Auth(session_auth_mixin(SessionAuthConfig(after_login="/cart")), rx.State):
            pass

    Vars: ``login_errors``, ``login_pending``. Handlers: ``login`` (a form's ``on_submit``),
    ``logout``, ``open_login`` (the login page's ``on_load``). With ``base``, a state of your
    own, ``class Auth(session_auth_mixin(config, base=MyState))`` is a substate of it.
    """
    return derived_mixin(SessionAuth, base, session_auth_config=config or SessionAuthConfig())


def registration_mixin(
    config: RegistrationConfig | None = None, *, base: type[rx.State] = rx.State
) -> type[Registration]:
    """Return a state mixin by which visitors register; without it nobody can.

    Vars: ``registration_errors``, ``registration_pending``. Handlers: ``register``,
    ``open_registration``.
    """
    return derived_mixin(Registration, base, registration_config=config or RegistrationConfig())


def password_change_mixin(
    config: PasswordChangeConfig | None = None, *, base: type[rx.State] = rx.State
) -> type[PasswordChange]:
    """Return a state mixin by which a signed-in user changes the password.

    Vars: ``password_change_errors``, ``password_change_pending``, ``password_changed``.
    Handlers: ``change_password``, ``open_password_change``.
    """
    return derived_mixin(
        PasswordChange, base, password_change_config=config or PasswordChangeConfig()
    )


def password_reset_mixin(
    config: PasswordResetConfig | None = None, *, base: type[rx.State] = rx.State
) -> type[PasswordReset]:
    """Return a state mixin by which a forgotten password is replaced.

    Vars: ``password_reset_errors``, ``password_reset_sent``; ``reset_confirm_errors``,
    ``reset_confirm_pending``, ``reset_link``. Handlers: ``request_password_reset``,
    ``open_password_reset``; ``confirm_password_reset``, ``open_reset_confirm``.
    """
    return derived_mixin(PasswordReset, base, password_reset_config=config or PasswordResetConfig())
