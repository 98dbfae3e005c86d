"""What states have by the configuration, whatever was imported first."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

from typing import TYPE_CHECKING

from reflex_base.config import get_config
from reflex_base.registry import RegistrationContext

if TYPE_CHECKING:
    import reflex as rx


def add_setters() -> None:
    """Give states the setters of ``state_auto_setters`` that they were made too early for.

    Reflex looks at the configuration as a class is made, and does not load it for that; what
    ``reflex export`` has loaded it for has them in the bundle.
    """
    if not get_config().state_auto_setters:
        return
    for state in RegistrationContext.get().base_states.values():
        if state.is_user_defined():
            for name, var in state.base_vars.items():
                state._create_setter(name, var)


def state_schema(app: rx.App) -> str | None:
    """Return by which a bundle's pages tell whether they are of the same states as the server.

    None for an app without states.
    """
    return None if app._state is None else app._state._to_frontend_schema()
