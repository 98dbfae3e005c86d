"""The fields and lookups that a configuration names, and those it may not name."""

from __future__ import annotations

from typing import Any, NoReturn

from django import forms
from django.core.exceptions import FieldDoesNotExist
from django.db.models import BinaryField, Field, ForeignKey, Model

TRANSFORMS = frozenset({"date", "year", "month", "day"})
COMPARISONS = frozenset({"exact", "gt", "gte", "lt", "lte", "isnull"})
TEXT_COMPARISONS = frozenset(
    {"iexact", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"}
)

MIN_YEAR, MAX_YEAR = 2, 9998
"""The outermost years are out of range in some time zone."""


def resolve(model: type[Model], path: str) -> Any:
    """Return the field at the end of ``path``, which leads through to-one relations only."""
    *relations, last = path.split("__")
    for name in relations:
        field = _field(model, name, path)
        if not isinstance(field, ForeignKey):
            refuse(f"{path!r} leads through {name!r}, which is no foreign key.")
        model = field.related_model
    return _field(model, last, path)


def resolve_lookup(model: type[Model], lookup: str) -> tuple[str, forms.Field]:
    """Return the path of a configured lookup, and the form field that reads what is compared."""
    parts = lookup.split("__")
    comparison = parts.pop() if parts[-1] in COMPARISONS | TEXT_COMPARISONS else "exact"
    transform = parts.pop() if parts[-1] in TRANSFORMS and len(parts) > 1 else None
    path = "__".join(parts)
    return path, _form_field(resolve(model, path), transform, comparison)


def _form_field(field: Any, transform: str | None, comparison: str) -> forms.Field:
    if comparison == "isnull":
        return forms.BooleanField(required=False)
    if transform == "date":
        return forms.DateField()
    if transform is not None:
        return forms.IntegerField(min_value=1, max_value=MAX_YEAR)
    if comparison in TEXT_COMPARISONS:
        return forms.CharField(strip=False)
    while field.is_relation:
        field = field.target_field
    made = field.formfield(required=True)
    if made is None:  # An automatic primary key.
        return forms.IntegerField(min_value=-(2**63), max_value=2**63 - 1)
    # A required checkbox would be one that must be checked.
    made.required = not isinstance(made, forms.BooleanField)
    return made  # type: ignore[no-any-return]


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
