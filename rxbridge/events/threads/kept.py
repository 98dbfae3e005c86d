"""Kept: what Django keeps for each context, such as caches, handed on from event to event."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache, partial
from inspect import iscoroutinefunction
from typing import Any, TypeAlias

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from django.utils.connection import BaseConnectionHandler
from django.utils.functional import LazyObject, empty
from django.utils.module_loading import import_string

from rxbridge.events.threads.elsewhere import running_loop

Handler: TypeAlias = "BaseConnectionHandler[Any]"
Place: TypeAlias = tuple[Handler, str]

HOLDING_NOTHING = {
    "django.core.cache.backends.db.DatabaseCache",
    "django.core.cache.backends.dummy.DummyCache",
    "django.core.cache.backends.filebased.FileBasedCache",
    "django.core.cache.backends.locmem.LocMemCache",
    "django.tasks.backends.immediate.ImmediateBackend",
}
"""Backends that open nothing of their own: to make one anew is cheaper than to lend it."""


class Kept:
    """Lends each event what others before it have made, one event at a time.

    Django makes ``caches["default"]``, task backends and mailers anew for each context, so that
    with ``RedisCache`` every event would open a connection. Here what an event takes is its own
    until it ends, and then the next one's. Meant is what every ``BaseConnectionHandler`` holds
    that was imported before this was made; not databases, which belong to their thread.
    ``places`` is empty where the settings name nothing worth lending.
    """

    def __init__(self) -> None:
        self.places: list[Place] = [
            (handler, alias)
            for handler in _connection_handlers()
            for alias, named in handler.settings.items()
            if named.get("BACKEND") not in HOLDING_NOTHING
        ]
        self._free: dict[Place, deque[tuple[Any, Any]]] = {}

    def lend(self) -> Loan:
        """Lend to the running context, until it is taken back."""
        loan = Loan(self._take)
        for handler, alias in self.places:
            handler[alias] = _Lent(loan, (handler, alias))
        return loan

    def take_back(self, loan: Loan, *, is_sound: bool, limit: int) -> None:
        """Keep what was lent, up to ``limit`` of each; what may still be in use is left alone."""
        for place, made_by, thing in loan.end():
            if is_sound:
                free = self._free.setdefault(place, deque())
                free.append((made_by, thing))
                if len(free) > limit:
                    self._close_oldest(free)

    def close_one(self) -> None:
        """Close the one of each kind that has been free longest."""
        for free in list(self._free.values()):
            self._close_oldest(free)

    def _take(self, place: Place) -> tuple[Any, Any]:
        handler, alias = place
        free = self._free.get(place)
        while free:
            try:
                made_by, thing = free.pop()
            except IndexError:  # Another thread was faster.
                break
            if made_by is handler.settings:  # Which tests may override.
                return made_by, thing
        thing = handler.create_connection(alias)
        client = thing._cache if type(thing) is RedisCache else None  # noqa: SLF001
        if type(client) is RedisCacheClient and "_client" in vars(client):
            # It makes one of redis-py for each operation, which takes longer than the operation.
            client._client = lru_cache(client._client)  # type: ignore[attr-defined]  # noqa: SLF001
        return handler.settings, thing

    def _close_oldest(self, free: deque[tuple[Any, Any]]) -> None:
        with suppress(IndexError):
            _, thing = free.popleft()
            if callable(close := getattr(thing, "close", None)):
                close()


class Loan:
    """What one event has been lent."""

    def __init__(self, take: Callable[[Place], tuple[Any, Any]]) -> None:
        self._take = take
        self._is_over = False
        self._lent: list[tuple[_Lent, Place, Any, Any]] = []

    def take(self, lent: _Lent, place: Place) -> Any:
        """Return what ``lent`` stands for; after the event one that is nobody else's."""
        if self._is_over:
            return place[0].create_connection(place[1])
        made_by, thing = self._take(place)
        self._lent.append((lent, place, made_by, thing))
        return thing

    def end(self) -> list[tuple[Place, Any, Any]]:
        """Take everything back, also from what outlives the event, and return it."""
        self._is_over = True
        lent, self._lent = self._lent, []
        for stand_in, *_ in lent:
            stand_in.__dict__["_wrapped"] = empty
        return [(place, made_by, thing) for _, place, made_by, thing in lent]


class _Lent(LazyObject):  # type: ignore[type-arg]  # pyright: ignore[reportMissingTypeArgument]
    """Stands for a cache in the context of an event, and becomes one when it is used."""

    def __init__(self, loan: Loan, place: Place) -> None:
        self.__dict__["_rxbridge_loan"] = loan, place
        super().__init__()

    def __getattr__(self, name: str) -> Any:
        """Return what of Django's caches is awaited so that the event's thread takes the cache.

        An event that took one before it has a thread would keep it, and its connection, while it
        waits in line.
        """
        if self._wrapped is empty and running_loop() is not None:
            if f"a{name}" in _AWAITED:
                return partial(self._call, name)
            handler, alias = self.__dict__["_rxbridge_loan"][1]
            own: Any = getattr(BaseCache, name) if name in _AWAITED else None
            if own is not None and own == getattr(_class_of(handler, alias), name, None):
                return partial(own, self)
        return super().__getattr__(name)

    def _call(self, name: str, /, *args: Any, **named: Any) -> Any:
        if self._wrapped is empty:
            self._setup()
        return getattr(self._wrapped, name)(*args, **named)

    def _setup(self) -> None:
        loan, place = self.__dict__["_rxbridge_loan"]
        self._wrapped = loan.take(self, place)

    def close(self) -> None:
        """Close what this stands for, unless it was never used: Django closes all it has."""
        if self._wrapped is not empty:
            self._wrapped.close()


_AWAITED = frozenset(
    filter(lambda name: iscoroutinefunction(getattr(BaseCache, name)), dir(BaseCache))
)


def _class_of(handler: Handler, alias: str) -> Any:
    return import_string(handler.settings[alias]["BACKEND"])


def _connection_handlers() -> list[Handler]:
    found: dict[int, Handler] = {}
    for module in list(sys.modules.values()):
        for value in list(getattr(module, "__dict__", {}).values()):
            # By type(): to ask some lazy objects for their __class__ would load what is behind.
            if issubclass(type(value), BaseConnectionHandler) and not value.thread_critical:
                found[id(value)] = value
    return list(found.values())
