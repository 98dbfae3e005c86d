"""The states behind ``crud_mixin``: vars and handlers of the list and the form of one model."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import reflex as rx
from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied

from rxbridge.events.binder import current_user
from rxbridge.state.crud._query import Query, checked_filter, checked_page, checked_text
from rxbridge.state.crud._refusals import refusing
from rxbridge.state.crud._store import Draft, Page, Result, Store

if TYPE_CHECKING:
    from django.http import HttpRequest

    from rxbridge.state.live import LiveList

logger = logging.getLogger("rxbridge")

T = TypeVar("T")

_OF_A_FORM = ("form_open", "editing", "form_values", "form_errors", "conflict", "current_values")


@dataclass(frozen=True, slots=True, kw_only=True)
class CRUDSetup:
    """What a class made by ``crud_mixin`` works with."""

    store: Store
    names: Mapping[str, str]
    live: LiveList | None


class Watched:
    """A state that the bridge tells at each event whom the page is shown to."""

    def _rxbridge_mirror(self: Any, request: HttpRequest | None) -> bool:
        """Forget what was shown to somebody else; tell whether there was anything."""
        if self._crud_viewer in ("", _viewer(getattr(request, "user", None))):
            return False
        _forget(self)
        return True


class ModelCRUD(Watched, rx.State, mixin=True):
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

    # Kept by the server: what the open form is of, and whom all of this was shown to.
    _crud_draft: dict[str, str] = {}
    _crud_viewer: str = ""

    _crud: ClassVar[CRUDSetup]

    @rx.event
    @refusing
    async def load(self) -> None:
        """Show the list as it is now (``on_load``)."""
        await _show(self, _query(self))

    @rx.event
    @refusing
    async def show_page(self, number: int) -> None:
        """Show another page of the list; the first is 1."""
        await _show(self, _query(self, page=checked_page(number)))

    @rx.event
    @refusing
    async def find(self, text: str) -> None:
        """Show what holds ``text`` in one of the search fields."""
        await _show(self, _query(self, search=checked_text(text), page=1))

    @rx.event
    @refusing
    async def filter_by(self, name: str, value: str | bool | float | None) -> None:
        """Show what a named filter leaves; an empty value takes the filter away."""
        kept = {key: text for key, text in _get(self, "filters").items() if key != name}
        text = checked_filter(value)
        if text:
            kept[checked_text(name)] = text
        await _show(self, _query(self, filters=kept, page=1))

    @rx.event
    @refusing
    async def order_by(self, field: str) -> None:
        """Order the list by a field, downwards with ``-`` before it; by default when empty."""
        await _show(self, _query(self, ordering=checked_text(field), page=1))

    @rx.event
    @refusing
    async def new(self) -> None:
        """Open an empty form."""
        _show_form(self, await _run(self, Store.new))

    @rx.event
    @refusing
    async def edit(self, pk: str) -> None:
        """Open the form of a row."""
        _show_form(self, await _run(self, Store.open, pk))

    @rx.event
    @refusing
    async def cancel(self) -> None:
        """Close the form."""
        _close_form(self)

    @rx.event
    @refusing
    async def create(self, form_data: dict[str, Any]) -> None:
        """Create a row of what a form holds, or fill ``form_errors`` (``on_submit``)."""
        await _conclude(self, await _run(self, Store.create, form_data))

    @rx.event
    @refusing
    async def save(self, form_data: dict[str, Any]) -> None:
        """Save what the open form holds: the row that is edited, or a new one (``on_submit``)."""
        draft = self._crud_draft
        if not draft.get("pk"):
            result = await _run(self, Store.create, form_data)
        else:
            change = (draft["pk"], draft["version"], form_data)
            result = await _run(self, Store.update, *change)
        await _conclude(self, result)

    @rx.event
    @refusing
    async def delete(self, pk: str) -> None:
        """Delete a row; ``form_errors`` says so when others need it."""
        result = await _run(self, Store.delete, pk)
        _put(self, form_errors=result.errors)
        if self._crud_draft.get("pk") == str(pk) and not result.errors:
            _close_form(self)
        await _refresh(self)


class LiveModelCRUD(ModelCRUD, mixin=True):
    """The same for a list that follows the database; see ``LiveList``."""

    @rx.event(background=True)
    async def follow(self) -> None:
        """Show the list anew whenever its rows change, while the page is open (``on_load``)."""
        live = self._crud.live
        user = current_user()
        try:
            await sync_to_async(self._crud.store.require_list)(user)
        except PermissionDenied as refusal:
            logger.warning("follow refused to user %s: %s", user.pk, refusal)
            return
        if live is not None:
            await live.follow(self, getattr(self.__class__, self._crud.names["load"]))


def _forget(state: Any) -> None:
    """Give all vars their defaults again."""
    for name in (*state._crud.names.values(), "_crud_draft", "_crud_viewer"):  # noqa: SLF001
        if name in state.get_fields():
            setattr(state, name, _default(state, name))


def _default(state: Any, name: str) -> Any:
    return state.get_fields()[name].default_value()


def _viewer(user: Any) -> str:
    return "nobody" if user is None or user.pk is None else f"user {user.pk}"


async def _run(state: Any, method: Callable[..., T], *args: Any) -> T:
    """Call a method of the store in the user's name, on the event's thread."""
    return await sync_to_async(method)(state._crud.store, current_user(), *args)  # noqa: SLF001


def _get(state: Any, name: str) -> Any:
    return getattr(state, state._crud.names[name])  # noqa: SLF001


def _put(state: Any, **values: Any) -> None:
    """Set vars by their original names; what did not change is not sent again."""
    viewer = _viewer(current_user())
    if state._crud_viewer != viewer:  # noqa: SLF001
        state._crud_viewer = viewer  # noqa: SLF001
    for name, value in values.items():
        if _get(state, name) != value:
            setattr(state, state._crud.names[name], value)  # noqa: SLF001


def _query(state: Any, **changes: Any) -> Query:
    now: dict[str, Any] = {name: _get(state, name) for name in ("page", "search", "ordering")}
    now["filters"] = dict(_get(state, "filters"))
    return Query(**{**now, **changes})


async def _show(state: Any, query: Query) -> None:
    page: Page = await _run(state, Store.page, query)
    _put(
        state,
        rows=page.rows,
        total=page.total,
        page=page.number,
        pages=page.count,
        search=query.search,
        filters=dict(query.filters),
        ordering=query.ordering,
    )


async def _refresh(state: Any) -> None:
    """Show the list after a change; who may only add sees none."""
    try:
        await _show(state, _query(state))
    except PermissionDenied:
        _put(state, rows=[], total=0)


def _show_form(state: Any, draft: Draft) -> None:
    state._crud_draft = {"pk": draft.pk, "version": draft.version}  # noqa: SLF001
    _put(
        state,
        form_open=True,
        editing=draft.pk,
        form_values=draft.values,
        form_choices=draft.choices,
        form_errors={},
        conflict=False,
        current_values={},
    )


def _close_form(state: Any) -> None:
    state._crud_draft = {}  # noqa: SLF001
    _put(state, **{name: _default(state, state._crud.names[name]) for name in _OF_A_FORM})  # noqa: SLF001


async def _conclude(state: Any, result: Result) -> None:
    if result.errors:
        current = result.current
        _put(
            state,
            form_errors=result.errors,
            conflict=current is not None,
            current_values=current or {},
        )
        return
    _close_form(state)
    await _refresh(state)
