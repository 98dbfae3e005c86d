"""Setting a new password by a link in an e-mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, ClassVar

import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.utils.http import urlsafe_base64_decode
from django.views.decorators.debug import sensitive_variables

from rxbridge.events.binder import bound_event, set_destination
from rxbridge.events.guards import open_to_visitors
from rxbridge.events.reflex import page_task
from rxbridge.state._forms import Errors, errors_of
from rxbridge.state.auth._forms import focus_first_error, form_input, load_form
from rxbridge.state.auth._requests import sign_in, user_to_sign_in
from rxbridge.state.auth._reset_email import reset_form, send_link
from rxbridge.state.auth.config import PasswordResetConfig

if TYPE_CHECKING:
    from django.http import HttpRequest

LINK = "_rxbridge_password_reset"
"""The session's key for the link a visitor came by, until it is used."""


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
        config, request = self.password_reset_config, bound_event("request_password_reset").request
        form: Any = reset_form(config)(data=form_input(form_data))
        errors = self.password_reset_errors = await sync_to_async(errors_of)(form)
        if errors:
            yield focus_first_error("password-reset", errors, otherwise="email")
            return
        self.password_reset_sent = True
        yield
        form.afterwards = bound_event("request_password_reset").afterwards
        await sync_to_async(send_link)(form, request, config)

    @rx.event
    @open_to_visitors
    async def open_reset_confirm(self) -> Any:
        """Take the link out of the address bar and tell whether it is still good (``on_load``)."""
        request, config = bound_event("open_reset_confirm").request, self.password_reset_config
        self.reset_confirm_errors = {}
        user = await sync_to_async(_take_link)(config, request)
        self.reset_link = "invalid" if user is None else "valid"
        if "token" in request.GET:
            # A redirect would have Reflex load the page anew, and for that cancel the event that
            # is to save the session.
            return page_task("withoutQuery")
        return None

    @rx.event
    @open_to_visitors
    async def confirm_password_reset(self, form_data: dict[str, Any]) -> AsyncIterator[Any]:
        """Set the new password, if the link this visitor came by is still good."""
        config = self.password_reset_config
        self.reset_confirm_pending = True
        yield
        try:
            self.reset_link, self.reset_confirm_errors, user = await sync_to_async(_confirm)(
                config, bound_event("confirm_password_reset").request, form_data
            )
            if user is not None:
                await sign_in(user, config.backend)
        finally:
            self.reset_confirm_pending = False
        if self.reset_confirm_errors:
            yield focus_first_error(
                "reset-confirm", self.reset_confirm_errors, otherwise="new_password1"
            )
        elif user is not None:
            set_destination(config.after)


def _take_link(config: PasswordResetConfig, request: HttpRequest) -> Any:
    """Move a link from the page's query to the session; return its user while it is good.

    In the session it is out of the address bar, of ``Referer``, and of Reflex's state.
    """
    if "token" in request.GET:
        request.session[LINK] = [request.GET.get("uid", ""), request.GET["token"]]
    user = _user_of_link(config, request)
    if user is None:
        request.session.pop(LINK, None)
    return user


def _user_of_link(config: PasswordResetConfig, request: HttpRequest) -> Any:
    uid, token = request.session.get(LINK, ("", ""))
    user = _find_user(uid)
    tokens = config.token_generator or default_token_generator
    return user if user is not None and tokens.check_token(user, token) else None


def _find_user(uid: str) -> Any:
    user_model: Any = get_user_model()
    try:
        return user_model._default_manager.get(  # noqa: SLF001 - documented
            pk=urlsafe_base64_decode(uid).decode()
        )
    except (TypeError, ValueError, OverflowError, ValidationError, user_model.DoesNotExist):
        return None


@sensitive_variables()
def _confirm(
    config: PasswordResetConfig, request: HttpRequest, form_data: object
) -> tuple[str, Errors, Any]:
    """Return what became of the link, the errors, and the user where they are to be signed in."""
    user = _user_of_link(config, request)
    if user is None:
        return "invalid", {}, None
    form = load_form(config.confirm_form)(user, data=form_input(form_data))
    if not form.is_valid():
        return "valid", errors_of(form), None
    user = form.save()
    del request.session[LINK]
    password = form.cleaned_data.get("new_password1")
    return "done", {}, user_to_sign_in(config, request, user, password)
