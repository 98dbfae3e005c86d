"""Django's values as a page can be sent them: what becomes of each, and where it is done."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import SynchronousOnlyOperation
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Manager, Model, QuerySet
from django.db.models.fields.files import FieldFile
from django.db.models.query import ModelIterable, RawQuerySet
from django.utils.functional import LazyObject, Promise, empty

from rxbridge.errors import RxBridgeError
from rxbridge.events.threads.elsewhere import running_loop
from rxbridge.state.language import plain_text

NOBODY: Mapping[str, Any] = {
    "user_id": "",
    "username": "",
    "email": "",
    "first_name": "",
    "last_name": "",
    "is_authenticated": False,
    "is_staff": False,
    "is_superuser": False,
}
"""What is shown of a visitor who is not signed in."""

_WRITTEN = (Promise, Decimal, datetime, date, time_of_day, timedelta, UUID)
"""What Django's JSON encoder writes as text."""

_REFUSED = (Model, AnonymousUser, LazyObject, Manager, RawQuerySet)


def serialize_django_values() -> None:
    """Have Reflex send Django's values as Django's own JSON encoder writes them.

    Called once, beside the app: it changes Reflex's registry of serializers, so it goes for all
    states, arguments and toasts. Translated text is in the language of who is sent it. Objects
    of a model, and a QuerySet that nothing has evaluated, raise ``RxBridgeError``.
    """
    import reflex as rx

    for kind, becomes in (*((kind, str) for kind in _WRITTEN), (Model, dict), (QuerySet, list)):

        def written(value: Any) -> Any:
            if isinstance(value, Model):
                raise _refusal(type(value), "What is sent")
            try:
                return json_safe(value, "What is sent")
            except SynchronousOnlyOperation:
                msg = "What is sent has a QuerySet that nothing has evaluated: list() it before."
                raise RxBridgeError(msg) from None

        written.__annotations__ = {"value": kind, "return": becomes}
        rx.serializer(written, overwrite=True)


def user_snapshot(user: Any) -> dict[str, Any]:
    """Return what may be shown of ``user`` as plain values, without a query.

    A custom user model need not have all the fields; one it lacks is empty, and so is all of
    an anonymous user.
    """
    if user is None or not user.is_authenticated:
        return dict(NOBODY)
    return {
        "user_id": plain_text(user.pk),
        "username": plain_text(user.get_username()),
        "email": plain_text(getattr(user, user.get_email_field_name(), None)),
        "first_name": plain_text(getattr(user, "first_name", None)),
        "last_name": plain_text(getattr(user, "last_name", None)),
        "is_authenticated": True,
        "is_staff": bool(getattr(user, "is_staff", False)),
        "is_superuser": bool(getattr(user, "is_superuser", False)),
    }


def json_safe(value: Any, key: str) -> Any:
    """Return ``value`` as JSON can hold it; raise ``RxBridgeError`` naming ``key``.

    What Django's JSON encoder knows becomes what it writes. Text, whole and finite numbers,
    booleans and ``None`` stay; a whole number that a browser's are too small for becomes text.
    Lists, tuples, sets and dicts with keys of text or numbers are taken apart, and so are
    dataclasses and a QuerySet's rows. Choices become their value, files their address, users a
    ``user_snapshot``.
    """
    if isinstance(value, LazyObject):
        value = _unwrapped(value)
    if value is None or type(value) in (bool, str):
        return value
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if isinstance(value, Mapping):
        return {
            _json_key(name, key): json_safe(each, f"{key}.{name}") for name, each in value.items()
        }
    if isinstance(value, QuerySet):
        _require_rows(value, key)
        value = list(value)
    if isinstance(value, list | tuple):
        return [json_safe(each, f"{key}[{index}]") for index, each in enumerate(value)]
    if isinstance(value, set | frozenset):
        return sorted((json_safe(each, key) for each in value), key=repr)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: json_safe(getattr(value, field.name), f"{key}.{field.name}")
            for field in dataclasses.fields(value)
        }
    raise _refusal(type(value), key)


def _refusal(kind: type, key: str) -> RxBridgeError:
    remedy = "write text, numbers, lists and dicts instead."
    if issubclass(kind, _REFUSED):
        remedy = (
            "write user_snapshot(user) for a user; for other objects a dict of what the page "
            "shows, such as a serializer's, or rows: Model.objects.values('id', 'title')."
        )
    return RxBridgeError(
        f"{key} is {kind.__module__}.{kind.__qualname__}, which no page can be sent; {remedy}"
    )


def for_var(value: Any, key: str) -> Any:
    """Return what a var holds of what it is assigned; raise for objects that no page can show."""
    if isinstance(value, Promise):
        return str(value)
    if isinstance(value, QuerySet):
        return json_safe(value, key) if running_loop() is None else UnfetchedRows(value, key)
    inside = list(value.values()) if isinstance(value, dict) else value
    for each in inside if isinstance(inside, list | tuple | set) else (value,):
        if isinstance(each, _REFUSED):
            raise _refusal(type(each), key)
    return value


class UnfetchedRows(list[Any]):
    """A QuerySet's rows, which an async handler has no thread to fetch on: the delta does."""

    def __init__(self, queryset: QuerySet[Any, Any], key: str) -> None:
        super().__init__()
        self._unfetched: tuple[Any, str] | None = (queryset, key)
        _require_rows(queryset, key)

    def __reduce__(self) -> tuple[Any, ...]:
        """Be stored as a list."""
        return list, (list(self),)

    async def fetched(self) -> list[Any]:
        """Fetch the rows, once, on the event's thread."""
        if self._unfetched is not None:
            self[:] = await sync_to_async(json_safe)(*self._unfetched)
            self._unfetched = None
        return self


def _require_rows(queryset: QuerySet[Any, Any], key: str) -> None:
    if issubclass(queryset._iterable_class, ModelIterable):  # noqa: SLF001
        raise _refusal(queryset.model, key)


def _whole(value: int) -> int | str:
    # Beyond this, a browser's numbers are not exact.
    return int(value) if abs(value) < 2**53 else str(int(value))


_CONVERSIONS: Sequence[tuple[Any, Callable[[Any], Any]]] = (
    (Enum, lambda value: json_safe(value.value, str(value))),
    (str, plain_text),
    (int, _whole),
    (_WRITTEN, DjangoJSONEncoder().default),
    (FieldFile, lambda file: file.url if file else ""),
    ((AbstractBaseUser, AnonymousUser), user_snapshot),
)


def _unwrapped(value: Any) -> Any:
    if vars(value)["_wrapped"] is empty:
        bool(value)  # any use of it has it load
    return _unwrapped(inner) if isinstance(inner := vars(value)["_wrapped"], LazyObject) else inner


def _json_key(name: Any, key: str) -> str:
    if isinstance(name, str | int | Promise | UUID) and not isinstance(name, bool):
        return plain_text(name.value if isinstance(name, Enum) else name)
    msg = f"{key} has the key {name!r}; a page can be sent keys of text only."
    raise RxBridgeError(msg)
