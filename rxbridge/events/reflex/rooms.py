"""How a state reads its computed vars in a room of ``rx.SharedState``: each time anew."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

from typing import Any

from reflex_base.vars.base import AsyncComputedVar, ComputedVar, _owner_state


def read_anew(state: Any, name: str) -> Any:
    """Read an attribute, as ``__getattribute__``; in a room no computed var is of the cache.

    One instance serves all tabs of a room: what was computed for one is no other's, whether a
    delta, a handler or another computed var reads it.
    """
    computed = type(state).vars.get(name)
    if not isinstance(computed, ComputedVar) or not state._linked_to:
        return object.__getattribute__(state, name)
    if isinstance(computed, AsyncComputedVar):
        return _awaited_anew(state, computed)
    _forget(state, computed)
    return object.__getattribute__(state, name)


async def _awaited_anew(state: Any, computed: Any) -> Any:
    _forget(state, computed)
    return await object.__getattribute__(state, computed._name)


def _forget(state: Any, computed: Any) -> None:
    computed.mark_dirty(_owner_state(state, computed._owner))
