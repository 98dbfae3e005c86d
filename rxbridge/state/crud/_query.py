"""What a visitor asks of the list, believed only as far as the configuration names it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Q, QuerySet

from rxbridge.state._forms import text_of
from rxbridge.state.crud._lookups import MAX_YEAR, MIN_YEAR, resolve_lookup

if TYPE_CHECKING:
    from django.db.models import Model

    from rxbridge.state.crud.config import ModelCRUDConfig

MAX_TEXT = 200
"""How many characters of a search or a filter's value are taken."""

_NO_VALUE = (ValidationError, ValueError, TypeError, OverflowError)


class Queries:
    """Apply queries to rows; raise ``BadRequest`` for what the configuration does not name."""

    def __init__(self, config: ModelCRUDConfig) -> None:
        self._config = config
        self._filters = {
            name: (text, resolve_lookup(config.model, text)[1])
            for name, text in config.lookups.items()
        }

    def apply(
        self,
        rows: QuerySet[Any, Any],
        *,
        search: str = "",
        filters: Mapping[str, str] | None = None,
        ordering: str = "",
    ) -> QuerySet[Any, Any]:
        """Return the rows that match, in an order that is the same each time."""
        if checked_text(search):
            rows = rows.filter(self._found(search))
        for name, text in (filters or {}).items():
            rows = rows.filter(self._filtered(name, checked_text(text)))
        return rows.order_by(*self._ordering(checked_text(ordering)))

    def _found(self, text: str) -> Q:
        if not self._config.search_fields:
            raise BadRequest("this list cannot be searched")
        asked = [(f"{path}__icontains", text) for path in self._config.search_fields]
        return Q(*asked, _connector=Q.OR)

    def _filtered(self, name: str, text: str) -> Q:
        if name not in self._filters:
            raise BadRequest(f"no filter {name!r}")
        lookup, field = self._filters[name]
        try:
            value = field.clean(text)
        except _NO_VALUE as error:
            raise BadRequest(f"no value of {lookup}") from error
        if isinstance(value, date) and not MIN_YEAR <= value.year <= MAX_YEAR:
            raise BadRequest(f"no value of {lookup}")
        return Q((lookup, value))

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


def checked_page(value: object) -> int:
    """Return the number of a page; the first is 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise BadRequest("that is no number of a page")
    return value


def checked_pk(model: type[Model], value: object) -> Any:
    """Return a primary key as the model's field has it."""
    field: Any = model._meta.pk  # noqa: SLF001
    while field.remote_field is not None:
        field = field.target_field
    try:
        return field.to_python(checked_text(text_of(value)))
    except _NO_VALUE as error:
        raise BadRequest("that is no primary key") from error
