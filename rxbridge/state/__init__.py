"""What a handler sees and a page shows of Django."""

from typing import TYPE_CHECKING, Any

from rxbridge.state.base import AppState

if TYPE_CHECKING:
    from rxbridge.state._concrete import DjangoUserState

__all__ = ["AppState", "DjangoUserState"]


def __getattr__(name: str) -> Any:
    # Importing a state registers it with Reflex, so it is imported when it is asked for.
    if name == "DjangoUserState":
        from rxbridge.state._concrete import DjangoUserState

        return DjangoUserState
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
