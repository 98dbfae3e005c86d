"""Registration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, ClassVar

import reflex as rx
from asgiref.sync import sync_to_async
from django.views.decorators.debug import sensitive_variables

from rxbridge.events.binder import bound_event, current_user, set_destination
from rxbridge.events.guards import open_to_visitors
from rxbridge.state._forms import errors_of
from rxbridge.state.auth._forms import focus_first_error, form_input, registration_form, save_new
from rxbridge.state.auth._requests import next_url, sign_in, user_to_sign_in
from rxbridge.state.auth.config import RegistrationConfig

if TYPE_CHECKING:
    from django.http import HttpRequest


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

    @rx.event
    @open_to_visitors
    async def register(self, form_data: dict[str, Any]) -> AsyncIterator[Any]:
        """Create a user, sign them in and go on; else fill ``registration_errors``."""
        config, request = self.registration_config, bound_event("register").request
        self.registration_pending = True
        yield
        try:
            form, user = await sync_to_async(_create)(config, request, form_data)
            self.registration_errors = errors_of(form)
            if user is not None:
                await sign_in(user, config.backend)
        finally:
            self.registration_pending = False
        if self.registration_errors:
            yield focus_first_error(
                "registration", self.registration_errors, otherwise=next(iter(form.fields))
            )
        else:
            set_destination(config.login_url if user is None else next_url(request, config.after))


@sensitive_variables()
def _create(config: RegistrationConfig, request: HttpRequest, form_data: object) -> tuple[Any, Any]:
    """Return the form, and the new user where they are to be signed in."""
    form: Any = registration_form(config)(data=form_input(form_data))
    user = save_new(form) if form.is_valid() else None
    if user is None:
        return form, None
    password = form.cleaned_data.get("password1") or form.cleaned_data.get("password")
    return form, user_to_sign_in(config, request, user, password)
