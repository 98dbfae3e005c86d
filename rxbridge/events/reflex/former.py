"""What a tab keeps of a former user: nothing. The next one starts with fresh vars."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING, Any

from reflex.state import _ROUTER_FIELD_NAMES, State
from reflex_base.event.context import EventContext

from rxbridge.errors import NotAllowed
from rxbridge.events.chain.identity import user_key
from rxbridge.events.reflex.owner import tab_of

if TYPE_CHECKING:
    from reflex.state import BaseState

NOTE = "_rxbridge_user"
"""The attribute of a tab's root state that says whose its vars are.

It is no var, so it is stored with the state, and neither sent to a page nor set by one.
"""

_UNKNOWN = "?"
"""The note of vars that are nobody's: whoever comes next starts with fresh ones."""

_KEPT = frozenset({NOTE, "is_hydrated", "_reflex_internal_links", *_ROUTER_FIELD_NAMES})


class VarsOwner:
    """Whose the vars of a tab's state are, in the course of one event."""

    def __init__(self, root: BaseState) -> None:
        self._root = root
        noted: str = vars(root).get(NOTE, "")
        self._now = self._noted = noted
        self._renewed: set[str] = set()

    def pass_to(self, user: Any) -> None:
        """Renew the vars that are loaded, if they are somebody else's than ``user``'s."""
        key = user_key(user)
        if self._now == key:
            return
        if self._now != "":
            self._renewed = {_renew(state) for state in _private(self._root)}
        self._now = key

    async def settle(self, user: Any, *, is_start: bool = False) -> bool:
        """Have all vars be those of ``user``; tell whether they were somebody else's.

        An event that is at its start leaves the rooms of ``SharedState`` first. One whose handler
        may work on a room stays in it; the next one finds the vars still noted as the other's.
        """
        if is_start and NOTE not in vars(self._root) and _is_new(self._root):
            # What is stored of its substates may have outlived it, and the note with it.
            await _load(self._root, type(self._root))
            for state in _private(self._root):
                # vars() of a state that has none yet makes a dict, which it keeps.
                if (_own(type(state)) or state.computed_vars) and _held(state):
                    _renew(state)
            self._now = user_key(user)
            self._note()
            return False
        if user_key(user) == self._now == self._noted:
            return False
        self.pass_to(user)
        if self._now == self._noted:
            return False
        was_anothers = self._noted != ""
        if was_anothers:
            if is_start:
                await _leave_rooms(self._root)
            if getattr(self._root, "_reflex_internal_links", None):
                return True
            await _load(self._root, type(self._root))
            for state in _private(self._root):
                if state.get_full_name() not in self._renewed:
                    self._renewed.add(_renew(state))
        self._note()
        return was_anothers

    def break_off(self) -> None:
        """Take note where a handler that put another user there did not come to its end.

        Whether that user stays is not known: a transaction or a cookie may be lost with the
        handler. The first user of a tab is noted; after another's the vars are nobody's.
        """
        if self._now == self._noted:
            return
        if self._noted != "":
            self._now = _UNKNOWN
        self._note()

    def _note(self) -> None:
        self._noted = self._now
        vars(self._root)[NOTE] = self._now
        self._root._was_touched = True


def noted_user(root: BaseState) -> str:
    """Return the key of the user whose the vars of a tab are; empty where they are nobody's."""
    key: str = vars(root).get(NOTE, "")
    return key


def _private(state: BaseState) -> Iterator[BaseState]:
    """Yield the states of the tab's own tree: a room's are those of others too."""
    yield state
    for each in state.substates.values():
        if not (hasattr(type(each), "_linked_to") and vars(each).get("_linked_to")):
            yield from _private(each)


def _is_new(root: BaseState) -> bool:
    """Tell whether a root state without a note was just created: no page has loaded it.

    An old one without a note is of an application that leaves the page events out.
    """
    if not isinstance(root, State):
        return False
    return not root.is_hydrated and "rx_router_session" in root.dirty_vars


def _own(cls: type[BaseState]) -> frozenset[str]:
    """Return the names of a state's vars that are a user's: what the browser stores is its own."""
    fields = cls.get_fields().items()
    own = {name for name, field in fields if field._owner is cls}
    return frozenset(own - _KEPT - set(filter(cls._is_client_storage, own)))


def _held(state: BaseState) -> set[str]:
    """Return the names of what a state has of a user: those of vars that were read or set."""
    cls = type(state)
    stored = {name for name in vars(state) if cls._is_client_storage(name)}
    return vars(state).keys() - _KEPT - stored


def _renew(state: BaseState) -> str:
    """Have a state begin anew, and all of it sent with the next delta; return its name."""
    for name in _held(state):
        del vars(state)[name]  # Reflex sets a default as it is first read.
    state._was_touched = True
    state.dirty_vars.update(_own(type(state)), state.computed_vars)
    state._mark_dirty()
    return state.get_full_name()


async def _load(root: BaseState, cls: type[BaseState]) -> None:
    """Have the whole tree in memory: with Redis an event has the part that it needs."""
    for each in cls.get_substates():
        await root.get_state(each)
        await _load(root, each)


async def _leave_rooms(root: Any) -> None:
    """Take the tab out of the rooms its former user was in."""
    if not getattr(root, "_reflex_internal_links", None):
        return
    from reflex.istate.shared import SharedStateBaseInternal  # Only then is it a state of the app.

    rooms = await root.get_state(SharedStateBaseInternal)
    for room in rooms._held_locks_linked_states():
        room._linked_from.discard(tab_of(root))
    root._reflex_internal_links = {}
    await rooms._exit_stack.aclose()
    rooms._held_locks = {}


class _OwnVars:
    """A state manager by which a background task changes vars only while they are its user's."""

    def __init__(self, states: Any, whose: str) -> None:
        self._states, self._whose = states, whose
        self.task: EventContext | None = None

    # What the task enqueues asks whether states are in Redis.
    @property  # type: ignore[misc]
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        return type(self._states)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._states, name)

    @contextlib.asynccontextmanager
    async def modify_state_with_links(self, *args: Any, **kwargs: Any) -> AsyncGenerator[BaseState]:
        """Work on the state as Reflex does, or raise ``NotAllowed``."""
        async with self._states.modify_state_with_links(*args, **kwargs) as state:
            root = state._get_root_state()
            if EventContext.get() is self.task and noted_user(root) != self._whose:
                msg = "The tab's vars are another user's by now than those the task began with."
                raise NotAllowed(msg)
            yield state


def keep_to_own_vars(root: BaseState) -> None:
    """Have the current background task change vars no longer once they are another user's."""
    if (whose := noted_user(root)) == "":  # A visitor's become those of who signs in.
        return
    context = EventContext.get()
    states: Any = context.state_manager
    if type(states) is _OwnVars:  # Another task enqueued this one.
        states = states._states
    own: Any = _OwnVars(states, whose)
    own.task = dataclasses.replace(context, state_manager=own)
    EventContext.set(own.task)
