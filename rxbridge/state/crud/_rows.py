"""Objects as a page can show them: rows, the values of inputs, and what stands for a version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import is_dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from django.db.models import Model
from django.forms import BaseForm, ModelChoiceField, model_to_dict

from rxbridge.errors import RxBridgeError
from rxbridge.state.crud._lookups import resolve
from rxbridge.state.values import json_safe

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from rxbridge.state.crud.config import ModelCRUDConfig

Row = dict[str, Any]
Choice = dict[str, str]

MAX_CHOICES = 500
"""How many objects a relation's choices show; the form takes any of them."""


def serializer(config: ModelCRUDConfig) -> Callable[[Model], Row]:
    """Return what makes an object into a row, with its primary key as text under ``id``."""
    if config.serialize is not None:
        serialize: Callable[[Any], Mapping[str, Any]] = config.serialize
        return lambda instance: {**serialize(instance), "id": str(instance.pk)}
    columns = {path: _reader(config.model, path) for path in config.shown_fields}

    def row(instance: Model) -> Row:
        shown = {path: read(instance) for path, read in columns.items()}
        return {**shown, "id": str(instance.pk)}

    return row


def with_relations(config: ModelCRUDConfig, rows: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    """Have ``rows`` fetch what they show of relations along with them."""
    joined, fetched = set[str](), set[str]()
    for path in config.shown_fields:
        field = resolve(config.model, path)
        relation = path if field.many_to_one or field.one_to_one else path.rpartition("__")[0]
        if field.many_to_many:
            fetched.add(path)
        if relation:
            joined.add(relation)
    if joined:
        rows = rows.select_related(*sorted(joined))
    return rows.prefetch_related(*sorted(fetched)) if fetched else rows


def input_values(form: BaseForm) -> Row:
    """Return what the inputs of ``form`` begin with."""
    return {name: _input_value(form[name].value()) for name in form.fields}


def form_choices(form: BaseForm) -> dict[str, list[Choice]]:
    """Return what each field with choices offers, the first ``MAX_CHOICES`` of a relation."""
    return {
        name: list(_options(field))
        for name, field in form.fields.items()
        if hasattr(field, "choices")
    }


def version_of(config: ModelCRUDConfig, instance: Model) -> str:
    """Return what stands for the state an object is in, as far as its form is concerned."""
    if config.version_field is not None:
        return repr(getattr(instance, config.version_field))
    named = model_to_dict(instance, fields=list(config.fields))
    for name, value in named.items():
        if isinstance(value, list):
            named[name] = sorted(str(_pk(each)) for each in value)
    return hashlib.sha256(json.dumps(named, default=repr).encode()).hexdigest()


def _reader(model: type[Model], path: str) -> Callable[[Model], Any]:
    field = resolve(model, path)
    *relations, last = path.split("__")

    def read(instance: Any) -> Any:
        for name in relations:
            instance = getattr(instance, name)
            if instance is None:
                return None
        if field.many_to_many:
            return [str(each) for each in getattr(instance, last).all()]
        value = getattr(instance, last)
        if isinstance(value, Model) or is_dataclass(value):
            return str(value)
        try:
            return json_safe(value, path)
        except RxBridgeError:  # A field's own kind of value.
            return str(value)

    return read


def _input_value(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return value
    if isinstance(value, Iterable) and not isinstance(value, str | Mapping):
        return [str(_pk(each)) for each in value]
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(_pk(value))


def _pk(value: Any) -> Any:
    return value.pk if isinstance(value, Model) else value


def _options(field: Any) -> Iterable[Choice]:
    if isinstance(field, ModelChoiceField):
        rows: Any = field.queryset
        for each in rows.all()[:MAX_CHOICES]:
            yield {"value": str(each.pk), "label": field.label_from_instance(each)}
        return
    for value, label in field.choices:
        if isinstance(label, list | tuple):
            yield from ({"value": str(v), "label": str(text)} for v, text in label)
        else:
            yield {"value": "" if value is None else str(value), "label": str(label)}
