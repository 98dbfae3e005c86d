"""A new password: for who knows the old one, and for who comes by a link in an e-mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, ClassVar

import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.tokens import default_token_generator

from rxbridge.events.binder import bound_event, set_destination
from rxbridge.events.guards import login_required, open_to_visitors
from rxbridge.events.reflex import page_task
from rxbridge.state._forms import errors_of, form_input
from rxbridge.state._mixins import derived_mixin
from rxbridge.state.auth._forms import focus_first_error, form_handler, load_form
from rxbridge.state.auth._requests import sign_in_with
from rxbridge.state.auth._reset_email import reset_form, send_link
from rxbridge.state.auth.config import PasswordChangeConfig, PasswordResetConfig

if TYPE_CHECKING:
    from django.http import HttpRequest

LINK = "_rxbridge_password_reset"
"""The session's key for the link a visitor came by, until it is used."""


class PasswordChange(rx.State, mixin=True):
    """The vars and handlers of a password form; see ``password_change_mixin``."""

    password_change_errors: dict[str, list[str]] = {}
    password_change_pending: bool = False
    password_changed: bool = False
    password_change_config: ClassVar[PasswordChangeConfig] = PasswordChangeConfig()

    @rx.event
    async def open_password_change(self) -> None:
        """Show the form; a visitor is sent to sign in first (``on_load``)."""
        _signed_in(self.password_change_config)
        self.password_change_errors = {}
        self.password_changed = False

    @form_handler("password_change", focus="old_password")
    def change_password(self, form_data: dict[str, Any]) -> Any:
        """Set a new password; this session goes on, the user's others end."""
        config = self.password_change_config
        request = _signed_in(config)
        form = load_form(config.form)(request.user, data=form_input(form_data))
        self.password_changed = False
        if form.is_valid():
            update_session_auth_hash(request, form.save())
            self.password_changed = True
            if config.after is not None:
                set_destination(config.after)
        return form


def _signed_in(config: PasswordChangeConfig) -> HttpRequest:
    """Return the event's request, if it is of somebody who is signed in."""
    request = bound_event("change_password").request
    # Not a decorator: where to sign in is known once the mixin is configured.
    login_required(login_url=config.login_url).check(request)
    return request


def password_change_mixin(
    config: PasswordChangeConfig | None = None, *, base: type[rx.State] = rx.State
) -> type[PasswordChange]:
    """Return a state mixin by which a signed-in user changes the password.

    Vars: ``password_change_errors``, ``password_change_pending``, ``password_changed``.
    Handlers: ``change_password``, ``open_password_change``.
    """
    config = config or PasswordChangeConfig()
    return derived_mixin(PasswordChange, base, password_change_config=config)


class PasswordReset(rx.State, mixin=True):
    """The vars and handlers of both forms of a reset; see ``password_reset_mixin``.

    ``reset_link`` says what became of the link: nothing yet, or ``"valid"``, ``"invalid"``,
    ``"done"``.
    """

    password_reset_errors: dict[str, list[str]] = {}
    password_reset_sent: bool = False
    reset_confirm_errors: dict[str, list[str]] = {}
    reset_confirm_pending: bool = False
    reset_link: str = ""
    password_reset_config: ClassVar[PasswordResetConfig] = PasswordResetConfig()

    @rx.event
    @open_to_visitors
    async def open_password_reset(self) -> None:
        """Show the form that asks for the e-mail address (``on_load``)."""
        self.password_reset_errors = {}
        self.password_reset_sent = False

    @rx.event
    @open_to_visitors
    async def request_password_reset(self, form_data: dict[str, Any]) -> AsyncIterator[Any]:
        """Send the link, if the address is known; the page is told the same either way.

        It is told before the address is looked up, and the mail is sent beside what the tab does
        next, so that neither takes longer for an address that is known.
        """
        config, event = self.password_reset_config, bound_event("request_password_reset")
        form: Any = reset_form(config)(data=form_input(form_data))
        errors = self.password_reset_errors = await sync_to_async(errors_of)(form)
        if errors:
            yield focus_first_error("password_reset", errors, otherwise="email")
            return
        self.password_reset_sent = True
        yield
        form.afterwards = event.afterwards
        await sync_to_async(send_link)(form, event.request, config)

    @rx.event
    @open_to_visitors
    async def open_reset_confirm(self) -> Any:
        """Take the link out of the address bar and tell whether it is still good (``on_load``)."""
        request = bound_event("open_reset_confirm").request
        self.reset_confirm_errors = {}
        user = await sync_to_async(_user_of_link)(self.password_reset_config, request)
        self.reset_link = "invalid" if user is None else "valid"
        # A redirect would have Reflex load the page anew, and for that cancel the event that is
        # to save the session.
        return page_task("withoutQuery") if "token" in request.GET else None

    @open_to_visitors
    @form_handler("reset_confirm", focus="new_password1")
    def confirm_password_reset(self, form_data: dict[str, Any]) -> Any:
        """Set the new password, if the link this visitor came by is still good."""
        config = self.password_reset_config
        request = bound_event("confirm_password_reset").request
        user = _user_of_link(config, request)
        self.reset_link = "invalid" if user is None else "valid"
        if user is None:
            return None
        form = load_form(config.confirm_form)(user, data=form_input(form_data))
        if form.is_valid():
            user = form.save()
            del request.session[LINK]
            self.reset_link = "done"
            if sign_in_with(config, request, user, form.cleaned_data.get("new_password1")):
                set_destination(config.after)
        return form


def _user_of_link(config: PasswordResetConfig, request: HttpRequest) -> Any:
    """Return the user of the link this visitor came by, while it is good.

    It is moved from the page's query to the session: there it is out of the address bar, of
    ``Referer``, and of Reflex's state.
    """
    # Django's views define forms, which need the user model loaded.
    from django.contrib.auth.views import PasswordResetConfirmView

    if "token" in request.GET:
        request.session[LINK] = [request.GET.get("uid", ""), request.GET["token"]]
    uid, token = request.session.get(LINK, ("", ""))
    user = PasswordResetConfirmView().get_user(uid)
    tokens = config.token_generator or default_token_generator
    if user is not None and tokens.check_token(user, token):
        return user
    request.session.pop(LINK, None)
    return None


def password_reset_mixin(
    config: PasswordResetConfig | None = None, *, base: type[rx.State] = rx.State
) -> type[PasswordReset]:
    """Return a state mixin by which a forgotten password is replaced.

    Vars: ``password_reset_errors``, ``password_reset_sent``; ``reset_confirm_errors``,
    ``reset_confirm_pending``, ``reset_link``. Handlers: ``request_password_reset``,
    ``open_password_reset``; ``confirm_password_reset``, ``open_reset_confirm``.
    """
    return derived_mixin(PasswordReset, base, password_reset_config=config or PasswordResetConfig())
