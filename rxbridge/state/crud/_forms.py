"""The form of a configuration, and what a page submits to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.exceptions import BadRequest, ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext

from rxbridge.state._forms import FORM, Errors, errors_of, form_input

if TYPE_CHECKING:
    from django.db.models import Model
    from django.forms import ModelForm
    from django.utils.datastructures import MultiValueDict

    from rxbridge.state.crud.config import ModelCRUDConfig


class Forms:
    """Make the forms of a configuration; for synchronous code."""

    def __init__(self, config: ModelCRUDConfig) -> None:
        self._config = config
        self._form = config.form_class

    def opened(
        self, user: Any, instance: Model, values: MultiValueDict[str, Any] | None = None
    ) -> ModelForm[Any]:
        """Return the form of an object, as it is opened or with the values of its inputs."""
        form = self._form(data=values, instance=instance)
        for name, rows in self._config.choices.items():
            form.fields[name].queryset = rows(user)  # type: ignore[attr-defined]
        return form

    def submitted(self, user: Any, instance: Model, form_data: object) -> ModelForm[Any]:
        """Return the form with what was submitted; raise ``BadRequest`` for what it cannot be."""
        values = form_input(form_data)
        if unknown := sorted(values.keys() - self._form.base_fields.keys()):
            raise BadRequest(f"the form has no field {unknown[0][:50]!r}")
        return self.opened(user, instance, values)


def save(form: ModelForm[Any], using: str) -> Errors:
    """Save a form inside a transaction, if it is valid; return what is wrong with it otherwise."""
    if not form.is_valid():
        return errors_of(form)
    try:
        # The form leaves out what involves fields it does not have, such as the owner.
        form.instance.validate_unique()
        form.instance.validate_constraints()
        with transaction.atomic(using=using):
            form.save()
    except ValidationError as error:
        return {FORM: [str(message) for message in error.messages]}
    except IntegrityError:
        return {FORM: [gettext("This clashes with something that is there already.")]}
    return {}
