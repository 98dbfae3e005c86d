"""Which of the values that another version of a state class has stored this version can use."""

import dataclasses
import hashlib
from typing import Any, get_args

from reflex.state import BaseState
from reflex_base.utils.types import _isinstance  # pyright: ignore[reportPrivateUsage]


def schema(state: type[BaseState]) -> str:
    """Return a digest of the names and types of the class's public vars.

    Reflex's own leaves out what a container or a union holds.
    """
    described = [(name, _described(_type(state, name))) for name in sorted(state.base_vars)]
    return hashlib.sha256(repr(described).encode()).hexdigest()[:16]


def _type(state: type[BaseState], name: str) -> Any:
    field: Any = state.__fields__[name]
    return field.annotated_type


def _described(kind: Any, *outer: Any) -> list[Any]:
    fields = () if kind in outer else _fields(kind)  # One that holds its own kind ends there.
    own = [(field.name, _described(field.type, kind, *outer)) for field in fields]
    return [repr(kind), own, *(_described(each, *outer) for each in get_args(kind))]


def _fields(kind: Any) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()


def fits(state: type[BaseState], name: str, value: Any) -> bool:
    """Tell whether the class has that var, and the value is of its type if it is a public one."""
    if name not in state.base_vars:
        return name in state.__fields__
    return _isinstance(value, _type(state, name), nested=8, treat_var_as_type=False)
