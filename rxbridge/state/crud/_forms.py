"""The form of a configuration, and what a page submits to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.exceptions import BadRequest, ValidationError
from django.db import IntegrityError, transaction
from django.forms import ModelForm, modelform_factory
from django.utils.datastructures import MultiValueDict
from django.utils.translation import gettext

from rxbridge.state._forms import FORM, Errors, errors_of

if TYPE_CHECKING:
    from django.db.models import Model

    from rxbridge.state.crud.config import ModelCRUDConfig


class Forms:
    """Make the forms of a configuration; for synchronous code."""

    def __init__(self, config: ModelCRUDConfig) -> None:
        self._config = config
        self._form: type[ModelForm[Any]] = config.form or modelform_factory(
            config.model, fields=list(config.fields)
        )

    def unbound(self, user: Any, instance: Model) -> ModelForm[Any]:
        """Return the form as it is opened."""
        return self._limited(self._form(instance=instance), user)

    def bound(self, user: Any, instance: Model, submitted: object) -> ModelForm[Any]:
        """Return the form with what was submitted; raise ``BadRequest`` for what it cannot be."""
        values = self._checked(submitted)
        return self._limited(self._form(data=values, instance=instance), user)

    def new_instance(self, user: Any) -> Model:
        """Return an object that ``user`` would own."""
        instance = self._config.new(user) if self._config.new else self._config.model()
        if self._config.owner_field is not None:
            setattr(instance, self._config.owner_field, user)
        return instance

    def _limited(self, form: ModelForm[Any], user: Any) -> ModelForm[Any]:
        for name, rows in self._config.choices.items():
            form.fields[name].queryset = rows(user)  # type: ignore[attr-defined]
        return form

    def _checked(self, submitted: object) -> MultiValueDict[str, Any]:
        if not isinstance(submitted, Mapping):
            raise BadRequest("that is no form")
        values: MultiValueDict[str, Any] = MultiValueDict()
        for name, value in submitted.items():
            if name not in self._form.base_fields:
                raise BadRequest(f"the form has no field {str(name)[:50]!r}")
            if (texts := _texts(value)) is not None:
                values.setlist(name, texts)
        return values


def save(form: ModelForm[Any], using: str) -> Errors:
    """Save a form inside a transaction, if it is valid; return what is wrong with it otherwise."""
    if not form.is_valid():
        return errors_of(form)
    try:
        _check_whole(form.instance)
        with transaction.atomic(using=using):
            form.save()
    except ValidationError as error:
        return {FORM: [str(message) for message in error.messages]}
    except IntegrityError:
        return {FORM: [gettext("This clashes with something that is there already.")]}
    return {}


def _check_whole(instance: Model) -> None:
    # The form leaves out what involves fields it does not have, such as the owner.
    instance.validate_unique()
    instance.validate_constraints()


def _texts(value: object) -> list[str] | None:
    """Return a submitted value as Django's forms read it; ``None`` for what is not there.

    The event may hold any JSON: text, a checkbox, a number, or several of these.
    """
    if value is None or value is False:
        return None
    if value is True:
        return ["on"]
    if isinstance(value, str):
        return [value]
    if isinstance(value, int | float):
        return [_number(value)]
    if isinstance(value, list) and all(type(each) in (str, int) for each in value):
        return [each if isinstance(each, str) else _number(each) for each in value]
    raise BadRequest("a value of the form is neither text, number, switch nor a list of these")


def _number(value: float) -> str:
    if abs(value) >= 2**63:
        raise BadRequest("a number is out of range")
    return str(value)
