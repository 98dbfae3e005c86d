"""What the handlers do with Django's forms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any

import reflex as rx
from asgiref.sync import sync_to_async
from django.db import IntegrityError, router, transaction
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from rxbridge.events.binder import unanswered
from rxbridge.events.reflex import page_task
from rxbridge.state._forms import FORM, Errors, errors_of

if TYPE_CHECKING:
    from django.forms import BaseForm

    from rxbridge.state.auth.config import FormClass, RegistrationConfig


def form_handler(name: str, *, focus: str) -> Callable[[Callable[[Any, dict[str, Any]], Any]], Any]:
    """Make a synchronous method the handler of a form that is submitted.

    The method does what the form is for, and returns it; ``None`` where there was none. It runs
    on the event's thread, while ``{name}_pending`` is true; ``{name}_errors`` are then the
    form's. The input ``focus`` has the focus after an error of no field's own.
    """

    def decorate(submit: Callable[[Any, dict[str, Any]], Any]) -> Any:
        act = sync_to_async(sensitive_variables()(submit))

        @rx.event
        @wraps(submit)
        async def handler(self: Any, form_data: dict[str, Any]) -> AsyncIterator[Any]:
            unanswered(submit.__name__)
            setattr(self, f"{name}_pending", True)
            yield
            try:
                form = await act(self, form_data)
                errors = {} if form is None else errors_of(form)
                setattr(self, f"{name}_errors", errors)
            except Exception:
                setattr(self, f"{name}_pending", False)
                yield  # What is raised is told without the vars.
                raise
            finally:
                setattr(self, f"{name}_pending", False)
            if errors:
                yield focus_first_error(name, errors, focus)

        return handler

    return decorate


def focus_first_error(form: str, errors: Errors, otherwise: str) -> Any:
    """Return the event that puts the cursor where the error is, if the page has that input.

    Submitting disabled the button that had the focus. The ready pages' inputs have the id
    ``form-field``; a page without them is left alone.
    """
    field = next((name for name in errors if name != FORM), otherwise)
    return page_task("focus", f"{form.replace('_', '-')}-{field}")


def load_form(form: FormClass) -> Any:
    """Return the form class; Django's cannot be imported before the apps are loaded."""
    return import_string(form) if isinstance(form, str) else form


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
