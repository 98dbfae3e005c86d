"""The making of mixins: classes with vars and handlers, which Reflex does not register."""

from __future__ import annotations

from collections.abc import Mapping
from types import new_class
from typing import Any


def made_mixin(name: str, bases: tuple[type, ...], body: Mapping[str, Any]) -> Any:
    """Return a mixin; the class that a user derives from it is what Reflex registers."""
    return new_class(name, bases, {"mixin": True}, lambda namespace: namespace.update(body))
