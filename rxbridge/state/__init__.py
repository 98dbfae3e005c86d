"""What a handler sees and a page shows of Django."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from rxbridge.state.base import AppState
from rxbridge.state.context import collect_context, context_mirror, i18n_context, user_context
from rxbridge.state.language import switch_language
from rxbridge.state.pickling import PicklingStripper
from rxbridge.state.values import serialize_django_values, user_snapshot

if TYPE_CHECKING:
    from rxbridge.state._concrete import DjangoUserState
    from rxbridge.state._context_state import DjangoContextState
    from rxbridge.state._i18n_state import DjangoI18nState
    from rxbridge.state.page_guards import (
        guarded,
        login_required_page,
        permission_required_page,
        staff_required_page,
    )
    from rxbridge.state.texts import translated

# Importing these loads Reflex or registers a state, so each is imported when it is asked for.
_MODULES = {
    "DjangoContextState": "_context_state",
    "DjangoI18nState": "_i18n_state",
    "DjangoUserState": "_concrete",
    "guarded": "page_guards",
    "login_required_page": "page_guards",
    "permission_required_page": "page_guards",
    "staff_required_page": "page_guards",
    "translated": "texts",
}

__all__ = [
    "AppState",
    "DjangoContextState",
    "DjangoI18nState",
    "DjangoUserState",
    "PicklingStripper",
    "collect_context",
    "context_mirror",
    "guarded",
    "i18n_context",
    "login_required_page",
    "permission_required_page",
    "serialize_django_values",
    "staff_required_page",
    "switch_language",
    "translated",
    "user_context",
    "user_snapshot",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
