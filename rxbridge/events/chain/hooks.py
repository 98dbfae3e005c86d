"""Which of Django's own hooks never block; a request's user and session, and how they are found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from weakref import proxy

from django.conf import settings
from django.contrib import auth
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.backends.db import SessionStore
from django.db import connections
from django.db.models import Field, Manager, QuerySet
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


def resolve_identity(request: Any) -> None:
    """Load the session and the user now, on the event's thread, so that the handler need not.

    It is the middleware's own ``request.user`` that is resolved, with all that other middleware
    hung on it; ``request.auser()`` answers with the same object.
    """
    session = getattr(request, "session", None)
    if session is not None:
        loaded = vars(session)
        is_unread = "_session_cache" not in loaded and session.session_key
        if is_unread and type(session) is SessionStore:
            row = _found(session.model.objects, session.session_key)
            if row is not None and row.expire_date > timezone.now():
                loaded["_session_cache"] = session.decode(row.session_data)
        session.get("")  # Django loads what has not been read.
    user = getattr(request, "user", None)
    if user is None:
        return
    if is_djangos_own(user) and not hasattr(request, "_cached_user"):
        request._cached_user = _with_quick_rows(auth.get_user)(request)  # noqa: SLF001
    user.is_authenticated  # noqa: B018 - the access is what resolves the lazy object
    if hasattr(request, "auser"):
        request.auser = partial(auser_of, proxy(request))


@lru_cache(maxsize=1)
def _with_quick_rows(get_user: Any) -> Any:
    """Return Django's ``get_user()`` as a function of its own, whose backend finds a row faster.

    Its checks of the backend and of the session's hash are not to be written again: a later
    Django's are then missed. And to replace ``auth.load_backend`` would do so for all views.
    """
    if not isinstance(get_user, FunctionType) or get_user.__globals__["__name__"] != auth.__name__:
        return get_user  # A project's own.
    names = {**get_user.__globals__, "load_backend": _load_backend}
    return FunctionType(get_user.__code__, names)


def _load_backend(path: str) -> Any:
    """Load a backend; where it has Django's own ``get_user()``, have that find the row faster."""
    from django.contrib.auth.backends import ModelBackend  # It needs the user model.

    backend: Any = auth.load_backend(path)
    if type(backend).get_user is ModelBackend.get_user:

        def get_user(key: Any) -> Any:
            user = _found(auth.get_user_model()._default_manager, key)  # noqa: SLF001 - documented
            if user is None:
                return ModelBackend.get_user(backend, key)
            return user if backend.user_can_authenticate(user) else None

        backend.get_user = get_user
    return backend


def _found(manager: Any, key: Any) -> Any:
    """Return what ``manager.get(pk=key)`` gives, by a statement that is made once.

    The ORM takes as long to make one as the rest of the chain takes. None where there is no row,
    or where the project's own manager or key may have more come of it than Django's.
    """
    model, connection = manager.model, connections[manager.db]
    if (statement := _statement(manager, connection)) is None:
        return None
    sql, compiler, converters, names = statement
    with connection.cursor() as cursor:
        cursor.execute(sql, [model._meta.pk.get_db_prep_value(key, connection)])  # noqa: SLF001
        rows = compiler.apply_converters(cursor.fetchall(), converters)
    return next((model.from_db(connection.alias, names, row) for row in rows), None)


@lru_cache(maxsize=256)  # Each thread has connections of its own.
def _statement(manager: Any, connection: Any) -> tuple[str, Any, Any, list[str]] | None:
    """Return the SQL that reads a row by its key, and what makes of a row the model's values."""
    model: Any = manager.model
    meta = model._meta  # noqa: SLF001 - documented API
    is_djangos = (
        type(manager).get is Manager.get
        and type(manager).get_queryset is Manager.get_queryset
        and manager._queryset_class is QuerySet  # noqa: SLF001
        and type(meta.pk).__module__ == Field.__module__
    )
    if not is_djangos:
        return None
    compiler = manager.order_by().query.get_compiler(connection=connection)
    sql, _ = compiler.as_sql()
    table, column = map(connection.ops.quote_name, (meta.db_table, meta.pk.column))
    converters = compiler.get_converters([each for each, *_ in compiler.select])
    names = [field.attname for field in meta.concrete_fields]
    return f"{sql} WHERE {table}.{column} = %s", compiler, converters, names


def known_user(request: Any) -> Any:
    """Return the user of a request; None when it has none, or nothing has asked for it yet."""
    user = getattr(request, "user", None)
    while isinstance(user, LazyObject):
        user = vars(user)["_wrapped"]
    return None if user is empty else user


def user_key(user: Any) -> str:
    """Return what a session knows the user of a request by; empty for who is not signed in."""
    if not getattr(user, "is_authenticated", user is not None):
        return ""
    return str(user._meta.pk.value_to_string(user) if hasattr(user, "_meta") else user)  # noqa: SLF001


def key_of(user: Any) -> str:
    """Return what a session knows a user, or a primary key, by: signed in or deactivated."""
    return str(user._meta.pk.value_to_string(user) if hasattr(user, "_meta") else user)  # noqa: SLF001


async def auser_of(request: Any) -> Any:
    """Return the user a request has by now; in place of ``auser()``, which would look again."""
    return request.user  # login() in the handler puts another one there


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
