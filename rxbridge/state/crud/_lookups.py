"""The fields and lookups that a configuration names, and those it may not name."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

from django.core.exceptions import FieldDoesNotExist
from django.db.models import BinaryField, Field, ForeignKey, Model

TRANSFORMS = frozenset({"date", "year", "month", "day"})
COMPARISONS = frozenset({"exact", "gt", "gte", "lt", "lte", "isnull"})
TEXT_COMPARISONS = frozenset(
    {"iexact", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"}
)


class Lookup(NamedTuple):
    """A lookup taken apart: the path of fields, the field it ends at, a transform, a comparison."""

    path: str
    field: Any
    transform: str | None
    comparison: str


def resolve(model: type[Model], path: str) -> Any:
    """Return the field at the end of ``path``, which leads through to-one relations only."""
    *relations, last = path.split("__")
    for name in relations:
        field = _field(model, name, path)
        if not isinstance(field, ForeignKey):
            refuse(f"{path!r} leads through {name!r}, which is no foreign key.")
        model = field.related_model
    return _field(model, last, path)


def resolve_lookup(model: type[Model], lookup: str) -> Lookup:
    """Take a configured lookup apart."""
    parts = lookup.split("__")
    comparison = parts.pop() if parts[-1] in COMPARISONS | TEXT_COMPARISONS else "exact"
    transform = parts.pop() if parts[-1] in TRANSFORMS and len(parts) > 1 else None
    path = "__".join(parts)
    return Lookup(path, resolve(model, path), transform, comparison)


def _field(model: type[Model], name: str, path: str) -> Any:
    try:
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)  # noqa: SLF001
    except FieldDoesNotExist:
        field = None
    if not isinstance(field, Field):
        refuse(
            f"{path!r} names no field of {model.__name__}. Lookups such as regex cannot be named "
            "either; for what is computed, use serialize=."
        )
    if "password" in field.name.lower():
        refuse(f"{path!r} is a password; take it out.")
    if isinstance(field, BinaryField):
        refuse(f"{path!r} holds bytes, which a page cannot show; take it out.")
    return field


def refuse(message: str) -> NoReturn:
    """Raise ``ValueError`` for a configuration that must not be."""
    raise ValueError(message)
