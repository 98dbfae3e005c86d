"""Whose a tab is: what it is sent is computed as its own user, whoever caused it to be sent."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from reflex.istate.delta import _DROP_FROM_DELTA
from reflex_base.event.context import EventContext
from reflex_base.registry import RegistrationContext

from rxbridge.errors import InvalidEvent, NotShown
from rxbridge.events.reflex.answers import bridge_of
from rxbridge.events.requests import ReflexEvent

logger = logging.getLogger("rxbridge")


def tab_of(state: Any) -> str:
    """Return the token of the tab a state is of; empty where it is nobody's."""
    token: str = state._get_root_state().rx_router_session.client_token
    return token


def is_pushed(state: Any) -> bool:
    """Tell whether Reflex works for the tab ``state`` is of, as in ``app.modify_state``."""
    try:
        token = EventContext.get().token
    except LookupError:
        return False
    return token != "" and token == tab_of(state)


async def as_owner(state: Any, name: str, compute: Callable[[], Any]) -> Any:
    """Return what a delta is to hold of a computed var of a tab that no event of runs.

    That is its value inside the middleware chain of the tab's own connection, or Reflex's sign
    for no new value.
    """
    root = state._get_root_state()
    event = ReflexEvent(
        name=f"{state.get_full_name()}.{name}",
        router_data=root.router_data,
        token=tab_of(state),
        shows_page=True,
    )
    try:
        if (bridge := bridge_of(RegistrationContext.get().app)) is None:
            msg = "the app has no EventBridge"
            raise NotShown(msg)
        return await bridge.as_owner(event, compute)
    except (NotShown, InvalidEvent) as error:
        logger.warning("A tab keeps the %s it shows: %s.", event.name, error)
        return _DROP_FROM_DELTA
