"""Objects as a page can show them: rows, the values of inputs, and what stands for a version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.db.models.manager import BaseManager
from django.forms import BaseForm, ModelChoiceField, model_to_dict
from django.utils.choices import flatten_choices

from rxbridge.errors import RxBridgeError
from rxbridge.state.crud._lookups import resolve
from rxbridge.state.values import json_safe

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from rxbridge.state.crud.config import ModelCRUDConfig

Row = dict[str, Any]

MAX_CHOICES = 500
"""How many objects a relation's choices show; the form takes any of them."""


class Rows:
    """Make the rows of a configuration of objects."""

    def __init__(self, config: ModelCRUDConfig) -> None:
        self._config = config
        fields = {path: resolve(config.model, path) for path in config.shown_fields}
        self._fetched = [path for path, field in fields.items() if field.many_to_many]
        leading = {path if field.is_relation else _parent(path) for path, field in fields.items()}
        leading.update(map(_parent, self._fetched))
        self._joined = sorted(leading.difference(self._fetched, {""}))

    def with_relations(self, rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
        """Have ``rows`` fetch what they show of relations along with them."""
        if self._joined:  # Without a name, all would be.
            rows = rows.select_related(*self._joined)
        return rows.prefetch_related(*self._fetched)

    def row(self, instance: Model) -> Row:
        """Return an object as a row, with its primary key as text under ``id``."""
        if self._config.serialize is not None:
            shown = self._config.serialize(instance)
        else:
            shown = {path: _read(instance, path) for path in self._config.shown_fields}
        return {**shown, "id": str(instance.pk)}


def _parent(path: str) -> str:
    return path.rpartition("__")[0]


def _read(value: Any, path: str) -> Any:
    for name in path.split("__"):
        value = None if value is None else getattr(value, name)
    if isinstance(value, BaseManager):
        return [str(each) for each in value.all()]
    if isinstance(value, Model) or is_dataclass(value):
        return str(value)
    try:
        return json_safe(value, path)
    except RxBridgeError:  # A field's own kind of value.
        return str(value)


def input_values(form: BaseForm) -> Row:
    """Return what the inputs of ``form`` begin with."""
    return {name: _input_value(form[name].value()) for name in form.fields}


def _input_value(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return [str(each) for each in value]
    return str(value)


def form_choices(form: BaseForm) -> dict[str, list[dict[str, str]]]:
    """Return what each field with choices offers, the first ``MAX_CHOICES`` of a relation."""
    return {
        name: [{"value": str(value), "label": str(label)} for value, label in _options(field)]
        for name, field in form.fields.items()
        if hasattr(field, "choices")
    }


def _options(field: Any) -> Iterable[tuple[Any, Any]]:
    if isinstance(field, ModelChoiceField):
        rows: Any = field.queryset
        return [(each.pk, field.label_from_instance(each)) for each in rows.all()[:MAX_CHOICES]]
    choices: Any = flatten_choices(field.choices)
    return [("" if value is None else value, label) for value, label in choices]


def version_of(config: ModelCRUDConfig, instance: Model) -> str:
    """Return what stands for the state an object is in, as far as its form is concerned."""
    if config.version_field is not None:
        return repr(getattr(instance, config.version_field))
    named = model_to_dict(instance, fields=list(config.fields))
    for name, value in named.items():
        if isinstance(value, list):
            named[name] = sorted(str(getattr(each, "pk", each)) for each in value)
    return hashlib.sha256(json.dumps(named, default=repr).encode()).hexdigest()
