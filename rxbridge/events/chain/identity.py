"""Who it is that an event is from: the session and the user of its request, found and kept."""

from __future__ import annotations

from functools import lru_cache, partial
from types import FunctionType
from typing import TYPE_CHECKING, Any
from weakref import proxy

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import auth
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.backends import cached_db, db
from django.db import DatabaseError, connections
from django.db.models import Field, Manager, QuerySet
from django.db.models.signals import post_save, pre_save
from django.utils import timezone
from django.utils.functional import LazyObject, empty

if TYPE_CHECKING:
    from django.http import HttpRequest

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


ASKED_AHEAD = "_rxbridge_asked_ahead"
"""The attribute of a request for what is to be asked of its user on the hop that finds them."""

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


def resolve_identity(request: Any) -> None:
    """Load the session and the user now, on the event's thread, so that the handler need not.

    It is the middleware's own ``request.user`` that is resolved, with all that other middleware
    hung on it; ``request.auser()`` answers with the same object.
    """
    session = getattr(request, "session", None)
    if session is not None:
        session.get("")  # Django loads what has not been read.
    user = getattr(request, "user", None)
    if user is None:
        return
    if is_djangos_own(user) and not hasattr(request, "_cached_user"):
        request._cached_user = _with_quick_backend(auth.get_user)(request)  # noqa: SLF001
    user.is_authenticated  # noqa: B018 - the access is what resolves the lazy object
    if hasattr(request, "auser"):
        request.auser = partial(auser_of, proxy(request))
    for ask in getattr(request, ASKED_AHEAD, ()):
        ask(request)


@lru_cache(maxsize=1)
def _with_quick_backend(get_user: Any) -> Any:
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
        backend.get_user = partial(_user_of, proxy(backend))
    return backend


def _user_of(backend: Any, key: Any) -> Any:
    user = _found(auth.get_user_model()._default_manager, key)  # noqa: SLF001 - documented
    if user is None:
        return backend.__class__.get_user(backend, key)
    return user if backend.user_can_authenticate(user) else None


@lru_cache(maxsize=8)
def with_quick_rows(store: Any) -> Any:
    """Return a session store whose rows are read and saved faster, where it is Django's own."""
    if store not in (db.SessionStore, cached_db.SessionStore):
        return store
    # Of the same name: what a store signs is salted by it.
    return type(store.__name__, (_QuickRows, store), {"__module__": __name__})


class _QuickRows(db.SessionStore):
    def __reduce__(self) -> tuple[Any, ...]:
        """Be pickled as Django's own, which others can find by its name."""
        return type(self).__mro__[2], (), vars(self)

    def _get_session_from_db(self) -> Any:
        row = _found(self.model.objects, self.session_key) if self.session_key else None
        is_good = row is not None and row.expire_date > timezone.now()
        return row if is_good else super()._get_session_from_db()  # type: ignore[misc]

    async def _aget_session_from_db(self) -> Any:
        return await sync_to_async(self._get_session_from_db)()

    def create_model_instance(self, data: Any) -> Any:
        """Return a row for Django's own ``save()``, which sees to the transaction."""
        row: Any = super().create_model_instance(data)
        model = type(row)
        is_watched = pre_save.has_listeners(model) or post_save.has_listeners(model)
        # A project may have given it more fields.
        if not is_watched and len(model._meta.concrete_fields) == 3:  # noqa: SLF001
            row.save = partial(_save, model, row.session_key, row.session_data, row.expire_date)
        return row


def _save(
    model: Any, key: str, *values: Any, force_insert: bool, force_update: bool, using: str
) -> None:
    """Do what ``save()`` of a session's row does where no receiver looks on."""
    if not force_update:
        model(key, *values).save(force_insert=force_insert, using=using)
        return
    connection = connections[using]
    sql, fields = _saving(model, connection)
    prepared = [
        field.get_db_prep_save(value, connection)
        for field, value in zip(fields, (*values, key), strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(sql, prepared)
        if not cursor.rowcount:
            msg = "The session's row is gone."
            raise DatabaseError(msg)


@lru_cache(maxsize=256)  # Each thread has connections of its own.
def _saving(model: Any, connection: Any) -> tuple[str, list[Any]]:
    """Return the SQL that saves a session that there is, and the fields of its values."""
    meta = model._meta  # noqa: SLF001 - documented API
    fields = [*meta.concrete_fields[1:], meta.pk]
    names = (meta.db_table, *(field.column for field in fields))
    quoted = map(connection.ops.quote_name, names)
    sql = "UPDATE {} SET {} = %s, {} = %s WHERE {} = %s".format(*quoted)  # noqa: S608
    return sql, fields


def _found(manager: Any, key: Any) -> Any:
    """Return what ``manager.get(pk=key)`` gives, by a statement that is made once.

    The ORM takes as long to make one as the rest of the chain takes. None where there is no row,
    or where the project's own manager or key may have more come of it than Django's.
    """
    model, connection = manager.model, connections[manager.db]
    if (reading := _reading(manager, connection)) is None:
        return None
    sql, compiler, converters, names = reading
    with connection.cursor() as cursor:
        cursor.execute(sql, [model._meta.pk.get_db_prep_value(key, connection)])  # noqa: SLF001
        rows = compiler.apply_converters(cursor.fetchall(), converters)
    return next((model.from_db(connection.alias, names, row) for row in rows), None)


@lru_cache(maxsize=256)
def _reading(manager: Any, connection: Any) -> tuple[str, Any, Any, list[str]] | None:
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


def forget_statements() -> None:
    """Drop what was made for connections; those of a thread that ended would be kept by it."""
    _reading.cache_clear()
    _saving.cache_clear()


def known_user(request: Any) -> Any:
    """Return the user of a request; None when it has none, or nothing has asked for it yet."""
    user = getattr(request, "user", None)
    while isinstance(user, LazyObject):
        user = vars(user)["_wrapped"]
    return None if user is empty else user


def key_of(user: Any) -> str:
    """Return what a session knows a user, or a primary key, by: signed in or deactivated."""
    return str(user._meta.pk.value_to_string(user) if hasattr(user, "_meta") else user)  # noqa: SLF001


def user_key(user: Any) -> str:
    """Return what a session knows the user of a request by; empty for who is not signed in."""
    return key_of(user) if getattr(user, "is_authenticated", user is not None) else ""


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
