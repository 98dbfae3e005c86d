"""What a visitor asks of the list, believed only as far as the configuration names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Q, QuerySet

from rxbridge.state.crud._lookups import TEXT_COMPARISONS, Lookup, resolve_lookup

if TYPE_CHECKING:
    from django.db.models import Model

    from rxbridge.state.crud.config import ModelCRUDConfig

MAX_TEXT = 200
"""How many characters of a search or a filter's value are taken."""

MAX_NUMBER = 2**63
"""What no column of a database holds."""

MIN_YEAR, MAX_YEAR = 2, 9998


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One view of the list: its page, search, filters by name, and order (``"-title"``)."""

    page: int = 1
    search: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    ordering: str = ""


class Queries:
    """Apply queries to rows; raise ``BadRequest`` for what the configuration does not name."""

    def __init__(self, config: ModelCRUDConfig) -> None:
        self._config = config
        self._lookups = {
            name: resolve_lookup(config.model, text) for name, text in config.lookups.items()
        }

    def apply(self, rows: QuerySet[Any, Any], query: Query) -> QuerySet[Any, Any]:
        """Return the rows that match, in an order that is the same each time."""
        if query.search:
            rows = rows.filter(self._found(checked_text(query.search)))
        for name, text in query.filters.items():
            rows = rows.filter(self._filtered(name, text))
        return rows.order_by(*self._ordering(query.ordering))

    def _found(self, text: str) -> Q:
        if not self._config.search_fields:
            raise BadRequest("this list cannot be searched")
        found = Q()
        for path in self._config.search_fields:
            found |= Q((f"{path}__icontains", text))
        return found

    def _filtered(self, name: str, text: str) -> Q:
        lookup = self._lookups.get(name)
        if lookup is None:
            raise BadRequest(f"no filter {name!r}")
        value = _value(lookup, checked_text(text))
        steps = [lookup.path, lookup.transform, lookup.comparison]
        return Q(("__".join(filter(None, steps)), value))

    def _ordering(self, asked: str) -> list[str]:
        if asked and asked.removeprefix("-") not in self._config.ordering_fields:
            raise BadRequest(f"no ordering {asked!r}")
        order = [asked] if asked else []
        order += [each for each in self._config.ordering if each.lstrip("-") != asked.lstrip("-")]
        # Without a last word, rows that are equal would change places between pages.
        if not {"pk", "-pk"}.intersection(order):
            order.append("pk")
        return order


def checked_text(value: object) -> str:
    """Return text that a database takes for a search."""
    if not isinstance(value, str) or len(value) > MAX_TEXT or "\0" in value:
        raise BadRequest(f"text of at most {MAX_TEXT} characters expected")
    return value


def checked_filter(value: object) -> str:
    """Return the value of a filter as text; a page may send a switch or a number."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float) and abs(value) < MAX_NUMBER:
        value = str(value)
    return "" if value is None else checked_text(value)


def checked_page(value: object) -> int:
    """Return the number of a page; the first is 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRequest("that is no number of a page")
    return value


def checked_pk(model: type[Model], value: object) -> Any:
    """Return a primary key as the model's field has it."""
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < MAX_NUMBER:
        value = str(value)
    field: Any = model._meta.pk  # noqa: SLF001
    while field.remote_field is not None:
        field = field.target_field
    try:
        return field.to_python(checked_text(value))
    except (ValidationError, ValueError, TypeError) as error:
        raise BadRequest("that is no primary key") from error


def _value(lookup: Lookup, text: str) -> Any:
    try:
        value = _field(lookup).clean(text)
    except (ValidationError, ValueError, TypeError, OverflowError) as error:
        raise BadRequest(f"no value of {lookup.path}") from error
    # The outermost years are out of range in some time zone.
    if isinstance(value, date) and not MIN_YEAR <= value.year <= MAX_YEAR:
        raise BadRequest(f"no value of {lookup.path}")
    return value


def _field(lookup: Lookup) -> forms.Field:
    """Return the form field that understands what is compared."""
    if lookup.comparison == "isnull":
        return forms.BooleanField(required=False)
    if lookup.transform == "date":
        return forms.DateField()
    if lookup.transform is not None:
        return forms.IntegerField(min_value=1, max_value=MAX_YEAR)
    if lookup.comparison in TEXT_COMPARISONS:
        return forms.CharField(strip=False)
    field = lookup.field
    while field.is_relation:
        field = field.target_field
    made = field.formfield(required=True)
    if made is None:  # An automatic primary key.
        return forms.IntegerField(min_value=-(2**63), max_value=2**63 - 1)
    # A required checkbox would be one that must be checked.
    made.required = not isinstance(made, forms.BooleanField)
    return made  # type: ignore[no-any-return]
