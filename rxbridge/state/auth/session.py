"""Signing in and out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, ClassVar

import reflex as rx
from asgiref.sync import sync_to_async
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables

from rxbridge.events.binder import bound_event, current_user, set_destination
from rxbridge.events.guards import open_to_visitors
from rxbridge.state._forms import Errors, errors_of
from rxbridge.state.auth._forms import focus_first_error, form_error, form_input, load_form
from rxbridge.state.auth._requests import next_url, sign_in, sign_out
from rxbridge.state.auth.config import SessionAuthConfig

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
            set_destination(
                _destination(bound_event("open_login").request, self.session_auth_config)
            )

    @rx.event
    @open_to_visitors
    async def login(self, form_data: dict[str, Any]) -> AsyncIterator[Any]:
        """Sign in with what the form holds and go on; else fill ``login_errors``."""
        config, request = self.session_auth_config, bound_event("login").request
        self.login_pending = True
        yield
        try:
            user, self.login_errors = await sync_to_async(_check)(config, request, form_data)
            if user is not None:
                await sign_in(user)
                set_destination(_destination(request, config))
        finally:
            self.login_pending = False
        if user is None:
            yield focus_first_error("login", self.login_errors, otherwise="password")

    @rx.event
    @open_to_visitors
    async def logout(self) -> None:
        """Sign out and leave the page."""
        await sign_out()
        set_destination(self.session_auth_config.after_logout)


@sensitive_variables()
def _check(
    config: SessionAuthConfig, request: HttpRequest, form_data: object
) -> tuple[Any, Errors]:
    form = load_form(config.form)(request, data=form_input(form_data))
    if form.is_valid():
        return form.get_user(), {}
    # Set by django-axes, whose backend looks to the form as if the password were wrong.
    if getattr(request, "axes_locked_out", False):
        return None, form_error(gettext(config.locked_out))
    return None, errors_of(form)


def _destination(request: HttpRequest, config: SessionAuthConfig) -> str:
    hosts = config.allowed_next_hosts
    return next_url(request, config.after_login, named=config.next_parameter, hosts=hosts)
