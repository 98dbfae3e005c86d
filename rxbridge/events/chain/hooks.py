"""Which of Django's own hooks never block, and the step that resolves user and session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from weakref import proxy

from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections, router
from django.db.models.signals import post_init, pre_init
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone
from django.utils.functional import LazyObject, empty

if TYPE_CHECKING:
    from django.http import HttpRequest

Test: TypeAlias = "Callable[[HttpRequest], bool] | None"
"""Whether a hook would block the loop; None where it only computes or prepares what is lazy."""


def always(request: HttpRequest) -> bool:  # noqa: ARG001
    """Say that a hook blocks: nothing is known of it."""
    return True


MESSAGE_STORAGES = (CookieStorage, FallbackStorage, SessionStorage)


def answering_blocks(request: HttpRequest) -> bool:
    """Say whether ``request.session`` is to be saved, or messages are to be fetched or stored."""
    session = getattr(request, "session", None)
    if session is not None and (session.modified or settings.SESSION_SAVE_EVERY_REQUEST):
        return True
    storage = getattr(request, "_messages", None)
    if storage is None:
        return False
    if type(storage) not in MESSAGE_STORAGES:
        return True
    # Django's own look into the session, which a refused event may not have loaded yet.
    return (storage.used or storage.added_new) and not getattr(session, "accessed", True)


KNOWN = "_rxbridge_known"
"""The attribute of a request whose user is known without a check; see ``Revalidator``."""


def identity_blocks(request: HttpRequest) -> bool:
    """Say whether ``request.session`` or ``request.user`` has yet to be fetched from somewhere.

    Nothing has for a visitor without a session key, unless some other middleware than Django's
    own put a lazy user there.
    """
    if hasattr(request, KNOWN):
        return False
    session = getattr(request, "session", None)
    if session is not None and getattr(session, "session_key", "") is not None:
        return True
    user = getattr(request, "user", None)
    return isinstance(user, LazyObject) and not is_djangos_own(user)


def is_djangos_own(user: object) -> bool:
    """Tell whether ``user`` is the lazy one that ``AuthenticationMiddleware`` put on a request."""
    if not isinstance(user, LazyObject):
        return False
    source = vars(user).get("_setupfunc")
    return getattr(source, "__module__", "") == AuthenticationMiddleware.__module__


_NEVER: Mapping[str, Test] = {"process_request": None, "process_response": None}

# Exact classes only: a subclass may do anything in what its parent's hooks call.
_TESTS: Mapping[str, Mapping[str, Test]] = {
    "django.middleware.security.SecurityMiddleware": _NEVER,
    "django.contrib.sessions.middleware.SessionMiddleware": {
        "process_request": None,
        "process_response": answering_blocks,
    },
    "django.middleware.common.CommonMiddleware": _NEVER,
    "django.middleware.locale.LocaleMiddleware": _NEVER,
    "django.middleware.csrf.CsrfViewMiddleware": _NEVER,
    "django.contrib.auth.middleware.AuthenticationMiddleware": _NEVER,
    "django.contrib.auth.middleware.LoginRequiredMiddleware": {"process_view": identity_blocks},
    "django.contrib.messages.middleware.MessageMiddleware": {
        "process_request": None,
        "process_response": answering_blocks,
    },
    "django.middleware.clickjacking.XFrameOptionsMiddleware": _NEVER,
    "django.middleware.csp.ContentSecurityPolicyMiddleware": _NEVER,
    "csp.middleware.CSPMiddleware": {"process_request": None},
}


def blocking_test(instance: Any, hook: str) -> Test:
    """Return the test of whether ``hook`` of ``instance`` would block the loop."""
    cls = type(instance)
    if cls is CsrfViewMiddleware and settings.CSRF_USE_SESSIONS:
        return always
    return _TESTS.get(f"{cls.__module__}.{cls.__qualname__}", {}).get(hook, always)


def is_known(instance: Any) -> bool:
    """Tell whether all hooks of ``instance`` are known, none of which leaves anything behind."""
    cls = type(instance)
    return f"{cls.__module__}.{cls.__qualname__}" in _TESTS


def place(test: Test) -> tuple[Literal["loop", "thread"], str]:
    """Return where a hook with this test runs, and why, in words."""
    if test is None:
        return "loop", "known not to block"
    if test is always:
        return "thread", "may block"
    return "thread", "blocks only when it has something to load or save"


def resolve_identity(request: HttpRequest) -> None:
    """Load the session and the user now, on the event's thread, so that the handler need not.

    It is the middleware's own ``request.user`` that is resolved, with all that other middleware
    hung on it; ``request.auser()`` answers with the same object.
    """
    session = getattr(request, "session", None)
    if session is not None:
        _read(session)
        session.get("")
    user = getattr(request, "user", None)
    if user is None:
        return
    user.is_authenticated  # noqa: B018 - the access is what resolves the lazy object
    if hasattr(request, "auser"):
        answer_auser(request)


def _read(session: Any) -> None:
    """Read the row of one of Django's own database sessions as Django would, but plainly.

    The ORM would take as long to make the statement as the rest of the chain takes. Where no row
    is found, or more than text may come of one, it is left to Django.
    """
    loaded = vars(session)
    if type(session) is not SessionStore or "_session_cache" in loaded or not session.session_key:
        return
    model: Any = session.model
    connection = connections[router.db_for_read(model)]
    is_watched = pre_init.has_listeners(model) or post_init.has_listeners(model)
    if is_watched or connection.vendor not in ("sqlite", "postgresql", "mysql"):
        return
    table = model._meta.db_table  # noqa: SLF001 - documented API
    names = map(connection.ops.quote_name, ("session_data", table, "session_key", "expire_date"))
    sql = "SELECT {} FROM {} WHERE {} = %s AND {} > %s"
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with connection.cursor() as cursor:
        cursor.execute(sql.format(*names), [session.session_key, now])
        row = cursor.fetchone()
    if row is not None:
        loaded["_session_cache"] = session.decode(row[0])


def known_user(request: Any) -> Any:
    """Return the user of a request; None when it has none, or nothing has asked for it yet."""
    user = getattr(request, "user", None)
    while isinstance(user, LazyObject):
        user = vars(user)["_wrapped"]
    return None if user is empty else user


def user_key(user: Any) -> str:
    """Return what a session knows a user by, or their key; empty for one who is not signed in."""
    if not getattr(user, "is_authenticated", user is not None):
        return ""
    if not hasattr(user, "_meta"):
        return str(user)
    return str(user._meta.pk.value_to_string(user))  # noqa: SLF001 - Django's documented API


def answer_auser(request: Any) -> None:
    """Have ``request.auser()`` answer with the user that the request has by then."""
    here = proxy(request)

    async def auser() -> Any:
        return here.user  # login() in the handler puts another one there

    request.auser = auser


def untie(request: Any) -> None:
    """Have the request go with the last who refers to it, not with a run of the collector.

    For one whose chain is over: the lazy user that was found, and the messages, refer to it.
    """
    user = getattr(request, "user", None)
    while isinstance(user, LazyObject) and (found := vars(user)["_wrapped"]) is not empty:
        vars(user).pop("_setupfunc", None)
        user = found
    storage: Any = getattr(request, "_messages", None)
    if type(storage) in MESSAGE_STORAGES:
        for each in (storage, *getattr(storage, "storages", ())):
            each.request = proxy(request)
