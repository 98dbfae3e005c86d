"""The adapter: all that rxbridge takes from Reflex beyond its documentation is in this package.

Read against Reflex 0.10; a Reflex upgrade is a change here. ``event`` is what the bridge works on,
``former`` what becomes of a tab whose user gives way to another, ``presence`` whether a tab is
still there, ``answers`` what a page is told, ``serving`` the app with its sockets, ``handover``,
``intake`` and ``uploads`` parts of that, ``recipients`` whom an update is for, ``setters`` what
states have by the configuration, ``redis_states`` and ``outbox`` by what time an event is stored
and shown, ``local`` what ``EventClient`` has in place of a server.
"""

from rxbridge.events.reflex.event import (
    EventInProcess,
    Kind,
    call_in_event,
    follow_sign_ins,
    handlers_without_transaction,
    navigation,
)
from rxbridge.events.reflex.local import LocalServer
from rxbridge.events.reflex.page import CSP_APP_WRAPS, have_page_fire, page_task
from rxbridge.events.reflex.serving import (
    check_transports,
    frontend_path,
    reflex_asgi,
    seconds_until_stored,
)
from rxbridge.events.reflex.setters import state_schema

__all__ = [
    "CSP_APP_WRAPS",
    "EventInProcess",
    "Kind",
    "LocalServer",
    "call_in_event",
    "check_transports",
    "follow_sign_ins",
    "frontend_path",
    "handlers_without_transaction",
    "have_page_fire",
    "navigation",
    "page_task",
    "reflex_asgi",
    "seconds_until_stored",
    "state_schema",
]
