"""crud_mixin: a configuration in, a state mixin out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, overload

import reflex as rx

from rxbridge.state._mixins import derived_mixin, made_mixin
from rxbridge.state.crud._store import Store
from rxbridge.state.crud.state import CRUDSetup, LiveModelCRUD, ModelCRUD

if TYPE_CHECKING:
    from rxbridge.state.crud.config import ModelCRUDConfig
    from rxbridge.state.live import LiveList


@overload
def crud_mixin(
    config: ModelCRUDConfig, *, base: type[rx.State] = rx.State, live: None = None
) -> type[ModelCRUD]: ...


@overload
def crud_mixin(
    config: ModelCRUDConfig, *, base: type[rx.State] = rx.State, live: LiveList
) -> type[LiveModelCRUD]: ...


def crud_mixin(
    config: ModelCRUDConfig, *, base: type[rx.State] = rx.State, live: LiveList | None = None
) -> type[ModelCRUD]:
    """Return a state mixin that lists, creates, edits and deletes the rows of one model.

    ::

        class Notes(
            crud_mixin(
                ModelCRUDConfig(
                    model=Note, fields=["title", "text"], owner_field="owner", permissions=None
                )
            ),
            rx.State,
        ):
            pass

    Vars: ``rows total page pages search filters ordering``, ``form_open editing form_values
    form_choices form_errors conflict current_values``. Handlers: ``load show_page find
    filter_by order_by``, ``new edit cancel create save delete``; with ``live`` also ``follow``.
    With ``base``, a state of your own, ``class Notes(crud_mixin(config, base=MyState), MyState)``
    is a substate of it.

    What the rules of ``config`` do not allow raises ``PermissionDenied``, ``Http404`` or
    ``BadRequest`` before anything is changed, and is logged; the bridge tells the page.
    """
    if hasattr(base, "_crud"):
        msg = f"{base.__name__} has a list already; give each model a state of its own."
        raise ValueError(msg)
    if live is not None and live.model is not config.model:
        msg = f"live follows {live.model.__name__}; give it a LiveList({config.model.__name__})."
        raise ValueError(msg)
    mixin = ModelCRUD if live is None else LiveModelCRUD
    names = _checked_names(mixin, config.names)
    named = _renamed(mixin, names) if config.names else mixin
    return derived_mixin(named, base, _crud=CRUDSetup(store=Store(config), names=names, live=live))


def _renamed(mixin: type[ModelCRUD], names: Mapping[str, str]) -> type[ModelCRUD]:
    """Return a class with the members of ``mixin`` under their other names, and only these."""
    fields = {names.get(name, name): each for name, each in _fields(mixin).items()}
    body: dict[str, Any] = {
        "__module__": mixin.__module__,
        "__annotations__": {name: each.outer_type_ for name, each in fields.items()},
    }
    body |= {name: each.default_value() for name, each in fields.items()}
    body |= {names[name]: handler for name, handler in _handlers(mixin).items()}
    return made_mixin(mixin.__name__, (rx.State,), body)  # type: ignore[no-any-return]


def _fields(mixin: type[ModelCRUD]) -> dict[str, Any]:
    inherited = rx.State.get_fields()
    return {name: each for name, each in mixin.get_fields().items() if name not in inherited}


def _handlers(mixin: type[ModelCRUD]) -> dict[str, Any]:
    functions = inspect.getmembers(mixin, inspect.isfunction)
    return {name: each for name, each in functions if not hasattr(rx.State, name)}


def _checked_names(mixin: type[ModelCRUD], renamed: Mapping[str, str]) -> dict[str, str]:
    names = {name: name for name in (*_fields(mixin), *_handlers(mixin)) if name[0] != "_"}
    if unknown := sorted(renamed.keys() - names.keys()):
        msg = f"names= renames {unknown[0]!r}, which is none of: {', '.join(names)}."
        raise ValueError(msg)
    names |= renamed
    for name in names.values():
        if not name.isidentifier() or name.startswith("_") or hasattr(rx.State, name):
            msg = f"names= has {name!r}; a name is a plain identifier that rx.State does not have."
            raise ValueError(msg)
    if len(set(names.values())) < len(names):
        msg = "names= gives one name twice."
        raise ValueError(msg)
    return names
