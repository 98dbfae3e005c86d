"""Changing the password one knows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, ClassVar

import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth import update_session_auth_hash
from django.views.decorators.debug import sensitive_variables

from rxbridge.events.binder import bound_event, set_destination
from rxbridge.events.guards import login_required
from rxbridge.state._forms import Errors, errors_of
from rxbridge.state.auth._forms import focus_first_error, form_input, load_form
from rxbridge.state.auth.config import PasswordChangeConfig

if TYPE_CHECKING:
    from django.http import HttpRequest


class PasswordChange(rx.State, mixin=True):
    """The vars and handlers of a password form; see ``password_change_mixin``."""

    password_change_errors: dict[str, list[str]] = {}
    password_change_pending: bool = False
    password_changed: bool = False
    password_change_config: ClassVar[PasswordChangeConfig] = PasswordChangeConfig()

    @rx.event
    async def open_password_change(self) -> None:
        """Show the form; a visitor is sent to sign in first (``on_load``)."""
        self._require_login()
        self.password_change_errors = {}
        self.password_changed = False

    @rx.event
    async def change_password(self, form_data: dict[str, Any]) -> AsyncIterator[Any]:
        """Set a new password; this session goes on, the user's others end."""
        self._require_login()
        self.password_change_pending, self.password_changed = True, False
        yield
        try:
            errors = await sync_to_async(_change)(
                self.password_change_config, bound_event("change_password").request, form_data
            )
        finally:
            self.password_change_pending = False
        self.password_change_errors, self.password_changed = errors, not errors
        if errors:
            yield focus_first_error("password-change", errors, otherwise="old_password")
        elif self.password_change_config.after is not None:
            set_destination(self.password_change_config.after)

    def _require_login(self) -> None:
        # Not a decorator: where to sign in is known once the mixin is configured.
        login_required(login_url=self.password_change_config.login_url).check(
            bound_event("change_password").request
        )


@sensitive_variables()
def _change(config: PasswordChangeConfig, request: HttpRequest, form_data: object) -> Errors:
    form = load_form(config.form)(request.user, data=form_input(form_data))
    if form.is_valid():
        update_session_auth_hash(request, form.save())
    return errors_of(form)
