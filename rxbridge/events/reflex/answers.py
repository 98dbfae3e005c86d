"""What a page is told of an event that did not run."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from reflex.state import StateUpdate
from reflex_base.event import Event
from reflex_base.registry import RegistrationContext

from rxbridge.events._test_context import current_test
from rxbridge.events.refusals import EventSpec, Refusal, default_refusal, log
from rxbridge.events.requests import ReflexEvent, no_handler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import reflex as rx
    from reflex_base.event import EventHandler

    from rxbridge.asgi.connections import Connection


def function_of(handler: EventHandler) -> Callable[..., Any]:
    """Return the function that an event handler was made of."""
    fn = handler.fn
    return fn.func if isinstance(fn, functools.partial) else fn


def handler_named(name: str) -> EventHandler | None:
    """Return the app's handler of this name, as pages have it."""
    registered = RegistrationContext.get().event_handlers.get(name)
    return None if registered is None else registered.handler


def described(name: str, token: str, connection: Connection | None, **page: Any) -> ReflexEvent:
    """Return an event that Reflex has not been given, without its arguments."""
    handler = handler_named(name)
    return ReflexEvent(
        name=name,
        handler=no_handler if handler is None else function_of(handler),
        background=handler is not None and handler.is_background,
        router_data=page,
        token=token,
        connection=connection,
    )


def bridge_of(app: rx.App) -> Any:
    """Return the app's ``EventBridge``, or ``None``."""
    return next((each for each in app._middlewares if hasattr(each, "judge")), None)


def answer(
    refusal: Refusal,
    cause: Exception | str | None,
    refuse: Callable[[Refusal], Sequence[EventSpec]],
) -> list[EventSpec]:
    """Log a refusal, and return the events by which ``refuse`` tells the page."""
    log(refusal, cause)
    if (test := current_test.get()) is not None:
        test.refusals.append(refusal)
    return list(refuse(refusal) or ())


def update_of(app: rx.App, refusal: Refusal, cause: Exception | str | None) -> StateUpdate:
    """Log a refusal of what never reached the bridge, and return what tells the page of it."""
    refuse = getattr(bridge_of(app), "refuse", default_refusal)
    return StateUpdate(events=Event.from_event_type(answer(refusal, cause, refuse)))
