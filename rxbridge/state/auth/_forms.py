"""Between what a Reflex form submits and Django's forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, router, transaction
from django.utils.datastructures import MultiValueDict
from django.utils.module_loading import import_string

from rxbridge.events.reflex import page_task
from rxbridge.state._forms import FORM, Errors

if TYPE_CHECKING:
    from django.forms import BaseForm

    from rxbridge.state.auth.config import FormClass, RegistrationConfig


def load_form(form: FormClass) -> Any:
    """Return the form class; Django's cannot be imported before the apps are loaded."""
    return import_string(form) if isinstance(form, str) else form


def form_input(form_data: object) -> MultiValueDict[str, Any]:
    """Return what a browser submitted as Django's forms read it.

    The event may hold any JSON. Text is kept, a checked box is ``"on"``, several values are a
    list of text; everything else is as if it were not there.
    """
    values: MultiValueDict[str, Any] = MultiValueDict()
    if isinstance(form_data, Mapping):
        for name, value in form_data.items():
            if isinstance(value, str):
                values[name] = value
            elif value is True:
                values[name] = "on"
            elif isinstance(value, list) and all(isinstance(each, str) for each in value):
                values.setlist(name, value)
    return values


def form_error(message: str) -> Errors:
    """Return one message for the form as a whole."""
    return {FORM: [message]}


def focus_first_error(form: str, errors: Errors, otherwise: str) -> Any:
    """Return the event that puts the cursor where the error is, if the page has that input.

    Submitting disabled the button that had the focus. The ready pages' inputs have the id
    ``form-field``; a page without them is left alone.
    """
    name = next((name for name in errors if name != FORM), otherwise)
    return page_task("focus", f"{form}-{name}")


def registration_form(config: RegistrationConfig) -> type[BaseForm]:
    """Return the form a visitor registers with."""
    if config.form is not None:
        return load_form(config.form)  # type: ignore[no-any-return]
    return _default_registration_form(tuple(config.fields))


def _default_registration_form(extra: Sequence[str]) -> type[BaseForm]:
    """Return Django's form for the project's own user model, as its documentation says to.

    Login names that differ only in case are refused, whatever the field is called; Django's own
    does so for ``username`` alone.
    """
    from django.contrib.auth import get_user_model
    from django.contrib.auth.forms import BaseUserCreationForm, UsernameField
    from django.db.models import EmailField

    user_model: Any = get_user_model()
    login_name = user_model.USERNAME_FIELD
    required = [name for name in user_model.REQUIRED_FIELDS if name not in extra]
    manager = user_model._default_manager  # noqa: SLF001
    is_email = isinstance(user_model._meta.get_field(login_name), EmailField)  # noqa: SLF001

    class RegistrationForm(BaseUserCreationForm):  # type: ignore[type-arg]
        class Meta(BaseUserCreationForm.Meta):
            model = user_model
            fields = (login_name, *required, *extra)
            field_classes = {} if is_email else {login_name: UsernameField}

        def clean(self) -> dict[str, Any]:
            cleaned: dict[str, Any] = super().clean() or self.cleaned_data
            name = cleaned.get(login_name)
            taken = {f"{login_name}__iexact": name}
            if name and manager.filter(**taken).exists():
                message = self.instance.unique_error_message(user_model, (login_name,))
                self.add_error(login_name, message)
            return cleaned

    return RegistrationForm


def save_new(form: Any) -> Any:
    """Save a valid form and return the new user; ``None`` where another took the name just now."""
    from django.contrib.auth import get_user_model

    try:
        with transaction.atomic(using=router.db_for_write(get_user_model())):
            return form.save()
    except IntegrityError:
        form.full_clean()
        if form.is_valid():
            raise
        return None
