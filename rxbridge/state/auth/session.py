"""Signing in and out, and registration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import reflex as rx
from django.contrib import auth
from django.core.exceptions import NON_FIELD_ERRORS
from django.utils.translation import gettext

from rxbridge.events.binder import bound_event, current_user, set_destination, unanswered
from rxbridge.events.guards import open_to_visitors
from rxbridge.state._forms import form_input
from rxbridge.state._mixins import derived_mixin
from rxbridge.state.auth._forms import form_handler, load_form, registration_form, save_new
from rxbridge.state.auth._requests import next_url, sign_in_with
from rxbridge.state.auth.config import RegistrationConfig, SessionAuthConfig

if TYPE_CHECKING:
    from django.http import HttpRequest


class SessionAuth(rx.State, mixin=True):
    """The vars and handlers of a login form; see ``session_auth_mixin``."""

    login_errors: dict[str, list[str]] = {}
    login_pending: bool = False
    session_auth_config: ClassVar[SessionAuthConfig] = SessionAuthConfig()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        owner = next(base for base in cls.__mro__ if "login" in vars(base))
        if not issubclass(owner, rx.State):
            msg = f"{owner.__name__}.login hides the handler; write session_auth_mixin() before it."
            raise TypeError(msg)
        super().__init_subclass__(**kwargs)

    @rx.event
    @open_to_visitors
    async def open_login(self) -> None:
        """Show the login form, to visitors: who is signed in is sent on (``on_load``)."""
        self.login_errors = {}
        if current_user().is_authenticated:
            request = bound_event("open_login").request
            set_destination(_destination(request, self.session_auth_config))

    @open_to_visitors
    @form_handler("login", focus="password")
    def login(self, form_data: dict[str, Any]) -> Any:
        """Sign in with what the form holds and go on; else fill ``login_errors``."""
        config, request = self.session_auth_config, bound_event("login").request
        form = load_form(config.form)(request, data=form_input(form_data))
        if form.is_valid():
            auth.login(request, form.get_user())
            set_destination(_destination(request, config))
        # Set by django-axes, whose backend looks to the form as if the password were wrong.
        elif getattr(request, "axes_locked_out", False):
            form.errors[NON_FIELD_ERRORS] = [gettext(config.locked_out)]
        return form

    @rx.event
    @open_to_visitors
    async def logout(self) -> None:
        """Sign out and leave the page."""
        await auth.alogout(unanswered("logout").request)
        set_destination(self.session_auth_config.after_logout)


def _destination(request: HttpRequest, config: SessionAuthConfig) -> str:
    hosts = config.allowed_next_hosts
    return next_url(request, config.after_login, named=config.next_parameter, hosts=hosts)


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


class Registration(rx.State, mixin=True):
    """The vars and handlers of a registration form; see ``registration_mixin``."""

    registration_errors: dict[str, list[str]] = {}
    registration_pending: bool = False
    registration_config: ClassVar[RegistrationConfig] = RegistrationConfig()

    @rx.event
    @open_to_visitors
    async def open_registration(self) -> None:
        """Show the form, to visitors: who is signed in is sent on (``on_load``)."""
        self.registration_errors = {}
        if current_user().is_authenticated:
            request = bound_event("open_registration").request
            set_destination(next_url(request, self.registration_config.after))

    @open_to_visitors
    @form_handler("registration", focus="password1")
    def register(self, form_data: dict[str, Any]) -> Any:
        """Create a user, sign them in and go on; else fill ``registration_errors``."""
        config, request = self.registration_config, bound_event("register").request
        form: Any = registration_form(config)(data=form_input(form_data))
        if form.is_valid() and (user := save_new(form)) is not None:
            password = form.cleaned_data.get("password1") or form.cleaned_data.get("password")
            is_in = sign_in_with(config, request, user, password)
            set_destination(next_url(request, config.after) if is_in else config.login_url)
        return form


def registration_mixin(
    config: RegistrationConfig | None = None, *, base: type[rx.State] = rx.State
) -> type[Registration]:
    """Return a state mixin by which visitors register; without it nobody can.

    Vars: ``registration_errors``, ``registration_pending``. Handlers: ``register``,
    ``open_registration``.
    """
    return derived_mixin(Registration, base, registration_config=config or RegistrationConfig())
