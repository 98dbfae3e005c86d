"""The states behind ``crud_mixin``: vars and handlers of the list and the form of one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import reflex as rx
from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied

from rxbridge.events.binder import current_user
from rxbridge.state._forms import text_of
from rxbridge.state.crud._query import checked_text
from rxbridge.state.crud._refusals import log, refusing
from rxbridge.state.crud._store import Shown, Store, closed_form
from rxbridge.state.mirrors import take_over

T = TypeVar("T")

_ASKED = ("page", "search", "filters", "ordering")


@dataclass(frozen=True, slots=True, kw_only=True)
class CRUDSetup:
    """What a class made by ``crud_mixin`` works with."""

    store: Store
    names: Mapping[str, str]
    live: Any


class ModelCRUD(rx.State, mixin=True):
    """The vars and handlers of the list and the form of one model; see ``crud_mixin``."""

    rows: list[dict[str, Any]] = []
    """The rows of this page; ``id`` is the primary key, as text."""
    total: int = 0
    """How many rows match."""
    page: int = 1
    pages: int = 1
    search: str = ""
    filters: dict[str, str] = {}
    ordering: str = ""

    form_open: bool = False
    editing: str = ""
    """The primary key of what is edited; empty for something new."""
    form_values: dict[str, Any] = {}
    """What the inputs begin with, by field."""
    form_choices: dict[str, list[dict[str, str]]] = {}
    """What may be chosen, by field; each has a ``value`` and a ``label``."""
    form_errors: dict[str, list[str]] = {}
    """Messages by field; ``form`` has those of the form as a whole."""
    conflict: bool = False
    """Whether somebody else has changed what is edited; ``current_values`` is what it is now."""
    current_values: dict[str, Any] = {}

    # Kept by the server: what the open form is of.
    _crud_draft: dict[str, str] = {}

    _crud: ClassVar[CRUDSetup]

    @rx.event
    @refusing
    async def load(self) -> None:
        """Show the list as it is now (``on_load``)."""
        await _show(self)

    @rx.event
    @refusing
    async def show_page(self, number: int) -> None:
        """Show another page of the list; the first is 1."""
        await _show(self, page=number)

    @rx.event
    @refusing
    async def find(self, text: str) -> None:
        """Show what holds ``text`` in one of the search fields."""
        await _show(self, search=text, page=1)

    @rx.event
    @refusing
    async def filter_by(self, name: str, value: str | bool | float | None) -> None:
        """Show what a named filter leaves; an empty value takes the filter away."""
        filters = _get(self, "filters") | {checked_text(name): value}
        kept = {key: text_of(each) for key, each in filters.items() if each not in ("", None)}
        await _show(self, filters=kept, page=1)

    @rx.event
    @refusing
    async def order_by(self, field: str) -> None:
        """Order the list by a field, downwards with ``-`` before it; by default when empty."""
        await _show(self, ordering=field, page=1)

    @rx.event
    @refusing
    async def new(self) -> None:
        """Open an empty form."""
        _put(self, await _run(self, Store.new))

    @rx.event
    @refusing
    async def edit(self, pk: str) -> None:
        """Open the form of a row."""
        _put(self, await _run(self, Store.open, pk))

    @rx.event
    @refusing
    async def cancel(self) -> None:
        """Close the form."""
        _put(self, closed_form())

    @rx.event
    @refusing
    async def create(self, form_data: dict[str, Any]) -> None:
        """Create a row of what a form holds, or fill ``form_errors`` (``on_submit``)."""
        await _change(self, Store.create, form_data)

    @rx.event
    @refusing
    async def save(self, form_data: dict[str, Any]) -> None:
        """Save what the open form holds: the row that is edited, or a new one (``on_submit``)."""
        if draft := self._crud_draft:
            await _change(self, Store.update, draft["pk"], draft["version"], form_data)
        else:
            await _change(self, Store.create, form_data)

    @rx.event
    @refusing
    async def delete(self, pk: str) -> None:
        """Delete a row; ``form_errors`` says so when others need it."""
        shown = await _run(self, Store.delete, pk)
        if self._crud_draft.get("pk") == str(pk) and not shown["form_errors"]:
            shown = closed_form()
        _put(self, shown)
        await _refresh(self)


class LiveModelCRUD(ModelCRUD, mixin=True):
    """The same for a list that follows the database; see ``LiveList``."""

    @rx.event(background=True)
    async def follow(self) -> None:
        """Show the list anew whenever its rows change, while the page is open (``on_load``)."""
        try:
            await sync_to_async(self._crud.store.rules.require_list)(current_user())
        except PermissionDenied as refusal:
            log(refusal)
        else:
            await self._crud.live.follow(self, getattr(self.__class__, self._crud.names["load"]))


async def _run(state: Any, method: Callable[..., T], *args: Any, **options: Any) -> T:
    """Call a method of the store in the user's name, on the event's thread."""
    store = state._crud.store  # noqa: SLF001
    return await sync_to_async(method)(store, current_user(), *args, **options)


def _get(state: Any, name: str) -> Any:
    return getattr(state, state._crud.names[name])  # noqa: SLF001


def _put(state: Any, shown: Shown) -> None:
    """Set vars by their original names; what did not change is not sent again."""
    names = state._crud.names  # noqa: SLF001
    take_over(state, {names.get(name, name): value for name, value in shown.items()})


async def _show(state: Any, **asked: Any) -> None:
    now = {name: _get(state, name) for name in _ASKED}
    _put(state, await _run(state, Store.page, **(now | asked)))


async def _change(state: Any, method: Callable[..., Shown], *args: Any) -> None:
    shown = await _run(state, method, *args)
    _put(state, shown)
    if not shown["form_errors"]:
        await _refresh(state)


async def _refresh(state: Any) -> None:
    """Show the list after a change; who may only add sees none."""
    try:
        await _show(state)
    except PermissionDenied:
        _put(state, {"rows": [], "total": 0})
