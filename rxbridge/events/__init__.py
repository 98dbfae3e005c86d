"""What an event goes through: its Django request, the middleware chain, the context it runs in.

Needs Django. Reflex is loaded by ``EventBridge`` and ``reflex_asgi`` alone, when they are used.
"""

from typing import TYPE_CHECKING, Any

from django.apps import apps

from rxbridge.errors import RxBridgeError

if not apps.apps_ready:
    msg = (
        "rxbridge.events was imported before Django was set up. Above the import, set "
        "DJANGO_SETTINGS_MODULE and call django.setup()."
    )
    raise RxBridgeError(msg)

from rxbridge.events.binder import (
    ContextBinder,
    current_csrf_token,
    current_language,
    current_messages,
    current_request,
    current_response,
    current_session,
    current_user,
    request,
)
from rxbridge.events.chain.around import request_signals
from rxbridge.events.chain.plan import PlanRow
from rxbridge.events.chain.runner import DEFAULT_SKIP, MiddlewareRunner, Outcome, database_threads
from rxbridge.events.guards import (
    Refused,
    check_guards,
    group_required,
    login_required,
    permission_required,
    staff_required,
    user_passes_test,
)
from rxbridge.events.requests import (
    EventRequest,
    ReflexEvent,
    SyntheticRequestFactory,
    resolve_page,
)
from rxbridge.events.sessions.broadcast import RedisBroadcast
from rxbridge.events.sessions.revalidator import Revalidator
from rxbridge.events.sessions.revoker import SessionRevoker
from rxbridge.events.sessions.sessions import Sessions
from rxbridge.events.tab_bound import ends_with_tab, outlives_tab
from rxbridge.events.threads.pool import ThreadPool

if TYPE_CHECKING:
    from rxbridge.events.bridge import EventBridge
    from rxbridge.events.reflex import CSP_APP_WRAPS, reflex_asgi
    from rxbridge.events.refusals import Refusal, default_refusal

__all__ = [
    "CSP_APP_WRAPS",
    "DEFAULT_SKIP",
    "ContextBinder",
    "EventBridge",
    "EventRequest",
    "MiddlewareRunner",
    "Outcome",
    "PlanRow",
    "RedisBroadcast",
    "ReflexEvent",
    "Refusal",
    "Refused",
    "Revalidator",
    "SessionRevoker",
    "Sessions",
    "SyntheticRequestFactory",
    "ThreadPool",
    "check_guards",
    "current_csrf_token",
    "current_language",
    "current_messages",
    "current_request",
    "current_response",
    "current_session",
    "current_user",
    "database_threads",
    "default_refusal",
    "ends_with_tab",
    "group_required",
    "login_required",
    "outlives_tab",
    "permission_required",
    "reflex_asgi",
    "request",
    "request_signals",
    "resolve_page",
    "staff_required",
    "user_passes_test",
]

_NEEDS_REFLEX = {
    "CSP_APP_WRAPS": "rxbridge.events.reflex",
    "EventBridge": "rxbridge.events.bridge",
    "Refusal": "rxbridge.events.refusals",
    "default_refusal": "rxbridge.events.refusals",
    "reflex_asgi": "rxbridge.events.reflex",
}


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_REFLEX:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    return getattr(import_module(_NEEDS_REFLEX[name]), name)
