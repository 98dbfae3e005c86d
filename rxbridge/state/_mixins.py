"""The making of mixins: classes with vars and handlers, which Reflex does not register."""

from __future__ import annotations

from collections.abc import Mapping
from types import new_class
from typing import Any, TypeVar

Mixin = TypeVar("Mixin")


class _Named:
    """Names what Reflex copies from a mixin, in logs, by the module of the user's state."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        for name, handler in getattr(cls, "event_handlers", {}).items():
            # Not by that which Reflex gives a class made in a function, and its own handlers have.
            if name in vars(cls) and not cls.__module__.startswith("reflex."):
                handler.fn.__module__ = cls.__module__


def made_mixin(name: str, bases: tuple[type, ...], body: Mapping[str, Any]) -> Any:
    """Return a mixin; the class that a user derives from it is what Reflex registers."""
    return new_class(name, bases, {"mixin": True}, lambda namespace: namespace.update(body))


def derived_mixin(mixin: type[Mixin], base: type, **attributes: Any) -> type[Mixin]:
    """Return a mixin of ``mixin`` and a state ``base``, with plain class attributes.

    They are set afterwards: in the class body they would become vars.
    """
    made = made_mixin(mixin.__name__, (_Named, mixin, base), {"__module__": mixin.__module__})
    for name, value in attributes.items():
        setattr(made, name, value)
    return made  # type: ignore[no-any-return]
