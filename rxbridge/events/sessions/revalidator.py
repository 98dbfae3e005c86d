"""Revalidator: check who a connection is every so often instead of before every event."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, proxy

from rxbridge._renamed import Renamed
from rxbridge.events.chain.identity import auser_of, is_djangos_own, known_user

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.http import HttpRequest

    from rxbridge.asgi.connections import Connection

_ENTRY = "_rxbridge_identity"
"""The attribute of a request that holds the check it began."""


class Revalidator:
    """Check the user of a connection at its first event, on revocation, and every ``interval``.

    Handed to the runner: ``MiddlewareRunner(identity=Revalidator(interval=60.0))``. Between two
    checks ``request.user`` is the very object the middleware resolved at the last one, and the
    session is loaded only if something reads it. So an event touches neither a thread nor the
    database unless its handler or another middleware does. Where a middleware signs somebody in
    or out, or puts another user on the request, that user is the event's, and nothing is kept;
    nor is it where one has had the user found by itself.

    ``interval`` is in seconds, counted from before a check, and never lengthened by use: it is
    the longest a change nobody was told of can go unnoticed. Hand the same revalidator to
    ``SessionRevoker``, and those it learns of are noticed at once. Anything that changes the
    connection's cookies leads to a new check too. A check that fails leaves nothing behind, so
    the next event is checked again.
    """

    def __init__(self, *, interval: float = 60.0) -> None:
        if interval <= 0:
            msg = f"interval={interval} is in seconds and must be positive; write 60."
            raise ValueError(msg)
        self.interval = interval
        self._entries: WeakKeyDictionary[Connection, _Entry] = WeakKeyDictionary()
        self._tidy_at = 64

    def __len__(self) -> int:
        """Return how many connections have been checked, or are being."""
        return len(self._entries)

    def __bool__(self) -> bool:
        """A revalidator that has checked nobody yet is still one."""
        return True

    def restore(self, request: HttpRequest) -> bool:
        """Put the user of the last check on ``request``; False when a new check is due.

        Called on the event loop after the middleware's ``process_request`` hooks. What one of
        them did to the user or the session stands: then nothing is put there, nor kept. So does
        the user whom one of them has just had found in the session: it may have been revoked
        since, so the next event is checked. And so does that of a request whose cookies
        the connection has no more: it waited for its turn meanwhile.
        """
        connection = _connection(request)
        if connection is None or connection.closed:
            return False
        is_asked = known_user(request) is not None or hasattr(request, "_acached_user")
        if is_asked or not _is_untouched(request):
            self.forget(connection)
            return False
        jar = connection.cookies
        if request.META.get("HTTP_COOKIE", "") != connection.cookie_header:
            return False
        entry = self._entries.get(connection)
        if entry is None or not entry.stands(jar):
            entry = _Entry(jar, time.monotonic() + self.interval)
            self._tidy()
            self._entries[connection] = entry
            setattr(request, _ENTRY, entry)
            return False
        _identify(request, entry.user)
        return True

    def store(self, request: HttpRequest) -> None:
        """Keep the user a check has found; the runner calls it once the user is resolved.

        Nothing is kept when the connection was forgotten while the check was under way.
        """
        connection = _connection(request)
        entry: _Entry | None = getattr(request, _ENTRY, None)
        user = known_user(request)
        if connection is None or entry is None or user is None or not _is_untouched(request):
            return
        if self._entries.get(connection) is entry:
            entry.user, entry.fields = user, _fields(user)

    prime, learn = Renamed("restore"), Renamed("store")

    def forget(self, connection: Connection) -> None:
        """Have the next event of ``connection`` checked, also if a check is under way now."""
        self._entries.pop(connection, None)

    def _tidy(self) -> None:
        """Drop closed connections that a user object with a reference to its request holds."""
        if len(self._entries) < self._tidy_at:
            return
        for connection in list(self._entries):
            if connection.closed:
                self.forget(connection)
        self._tidy_at = 64 + 2 * len(self._entries)


@dataclass(slots=True)
class _Entry:
    """One check of one connection: the cookies it was made with, and the user it found."""

    jar: Mapping[str, str]
    deadline: float
    user: Any = None
    fields: Mapping[str, Any] | None = None

    def stands(self, jar: Mapping[str, str]) -> bool:
        """Tell whether this check is still good.

        A jar that changed is another mapping. A user that an event changed in memory, saved or
        not, is not handed to the next one.
        """
        return (
            self.user is not None
            and self.jar is jar
            and time.monotonic() < self.deadline
            and self.fields == _fields(self.user)
        )


def _connection(request: HttpRequest) -> Connection | None:
    event = getattr(request, "reflex_event", None)
    return event.connection if event is not None else None


def _is_untouched(request: HttpRequest) -> bool:
    """Tell whether the user is the one that Django's own middleware finds in the session."""
    session = getattr(request, "session", None)
    return is_djangos_own(getattr(request, "user", None)) and not getattr(
        session, "modified", False
    )


def _identify(request: Any, user: Any) -> None:
    """Make ``user`` the one ``request`` has, as Django's own middleware would have."""
    request.user = request._cached_user = request._acached_user = user  # noqa: SLF001
    request.auser = partial(auser_of, proxy(request))


def _fields(user: Any) -> Mapping[str, Any]:
    meta = getattr(user, "_meta", None)
    if meta is None:
        return {}
    values = vars(user)
    return {field.attname: values.get(field.attname) for field in meta.concrete_fields}
