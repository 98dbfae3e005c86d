"""What the revoker knows of each connection, and the ways to find one by it."""

from __future__ import annotations

import functools
import hmac
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib.auth import HASH_SESSION_KEY
from django.http import parse_cookie
from django.utils.crypto import salted_hmac

from rxbridge.events.chain.identity import known_user, user_key

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Mapping

    from django.http import HttpRequest

    from rxbridge.asgi.connections import Connection


@dataclass(slots=True, eq=False)
class TrackedConnection:
    """One connection: whose it is, as digests, and the tasks that work for it.

    ``session``, ``user`` and ``auth`` (what the session keeps of the password) are None when
    there is none. ``expires`` is a Unix time; ``is_exact`` says that it is known from the
    session's store, and not only the latest it can be. ``shown`` is the session the browser was
    last known to hold. ``seen`` stands for what the last event told and is None before the first
    one. ``ends`` is set while an event runs that may have ended its own session. ``ended`` are
    the tasks that were cancelled with the session they work for.
    """

    connection: Connection
    browser: str | None = None
    session: str | None = None
    user: str | None = None
    auth: str | None = None
    expires: float | None = None
    is_exact: bool = True
    jar: Mapping[str, str] | None = None
    seen: int | None = None
    shown: str | None = None
    ends: Callable[[TrackedConnection], bool] | None = None
    # A list, for a task may be noted twice.
    tasks: list[asyncio.Task[Any]] = field(default_factory=list["asyncio.Task[Any]"])
    ended: tuple[asyncio.Task[Any], ...] = ()

    @property
    def is_idle(self) -> bool:
        """Whether nothing can come of it any more."""
        return self.connection.closed and not self.tasks

    def cancel(self, *, but: asyncio.Task[Any] | None) -> None:
        """Cancel what works for this connection, except the task that is the cause."""
        for task in {task for task in self.tasks if task is not but}:
            self.ended = (*self.ended, task)
            task.cancel("the session it worked for has ended")


class TrackedConnections:
    """All that is known, by connection, session, user and browser.

    Changed on the event loop only. ``knows`` may be asked from any thread: what is kept under a
    digest is a tuple, which is replaced and never changed.
    """

    def __init__(self, cookie: str, *, asks: bool) -> None:
        """Take the name of the session cookie, and whether its expiry can be asked for."""
        self.cookie = cookie
        self._asks = asks
        self._tracked: dict[Connection, TrackedConnection] = {}
        self._found: dict[str, tuple[TrackedConnection, ...]] = {}

    def __len__(self) -> int:
        return len(self._tracked)

    def __iter__(self) -> Iterator[TrackedConnection]:
        return iter(list(self._tracked.values()))

    def of(self, connection: Connection) -> TrackedConnection:
        """Return what is known of a connection, from now on something."""
        tracked = self._tracked.get(connection)
        if tracked is None:
            tracked = self._tracked[connection] = TrackedConnection(connection)
        return tracked

    def get(self, connection: Connection) -> TrackedConnection | None:
        """Return what is known of a connection, if anything is."""
        return self._tracked.get(connection)

    def find(self, *digests: str) -> set[TrackedConnection]:
        """Return those known by any of the digests."""
        return {tracked for key in digests for tracked in self._found.get(key, ())}

    def knows(self, key: str) -> bool:
        """Tell whether any connection is known by the digest ``key``."""
        return key in self._found

    def key_of(self, connection: Connection) -> str | None:
        """Return the session key in a connection's jar."""
        raw = connection.cookies.get(self.cookie)
        if raw is None or not raw.startswith('"'):
            return raw or None
        return parse_cookie(f"key={raw}")["key"] or None

    def read_jar(self, tracked: TrackedConnection) -> None:
        """Take over what the connection's cookies say, if they have changed."""
        jar = tracked.connection.cookies
        if tracked.jar is jar:
            return
        session = digest_of("session", self.key_of(tracked.connection))
        if tracked.jar is None:
            tracked.shown = session
        tracked.jar = jar
        self._file(tracked, session, tracked.user, digest_of("browser", tracked.connection.browser))

    def note(self, tracked: TrackedConnection, request: HttpRequest) -> bool:
        """Take over what an event's request says; tell whether it is anyone or anything new."""
        self.read_jar(tracked)
        session: Any = getattr(request, "session", None)
        user = known_user(request)
        if user is None or not hasattr(session, "_session_cache"):
            return False  # The chain refused early, or a Revalidator vouched for what is known.
        key, auth = session.session_key, session.get(HASH_SESSION_KEY)
        pk = user_key(user) or None
        seen = hash((key, pk, auth))
        is_new, tracked.seen = tracked.seen != seen, seen
        if is_new:
            tracked.auth = digest_of("auth", auth)
            self._file(tracked, digest_of("session", key), digest_of("user", pk), tracked.browser)
        if is_new or session.modified:
            # The latest it can be, for one that was not saved just now.
            tracked.expires = None if key is None else time.time() + session.get_expiry_age()
            tracked.is_exact = key is None or session.modified or not self._asks
        return is_new

    def drop(self, tracked: TrackedConnection) -> None:
        """Forget a connection."""
        for key in _digests(tracked):
            self._remove(key, tracked)
        self._tracked.pop(tracked.connection, None)

    def clear(self) -> None:
        """Forget all."""
        self._tracked.clear()
        self._found.clear()

    def _file(
        self, tracked: TrackedConnection, session: str | None, user: str | None, browser: str | None
    ) -> None:
        before = _digests(tracked)
        tracked.session, tracked.user, tracked.browser = session, user, browser
        after = _digests(tracked)
        for each in before - after:
            self._remove(each, tracked)
        for each in after - before:
            self._found[each] = (*self._found.get(each, ()), tracked)

    def _remove(self, key: str, tracked: TrackedConnection) -> None:
        left = tuple(other for other in self._found.get(key, ()) if other is not tracked)
        if left:
            self._found[key] = left
        else:
            self._found.pop(key, None)


def _digests(tracked: TrackedConnection) -> set[str]:
    return {each for each in (tracked.session, tracked.user, tracked.browser) if each is not None}


def digest_of(kind: str, value: str | None) -> str | None:
    """Return the digest of ``value``, if there is one."""
    return digest(kind, value) if value else None


def digest(kind: str, value: str) -> str:
    """Return what stands for a key or a hash wherever it is kept or sent."""
    mac = _mac(kind).copy()  # A connection that begins takes five.
    mac.update(value.encode())
    return mac.hexdigest()[:32]


@functools.cache
def _mac(kind: str) -> hmac.HMAC:
    return salted_hmac(f"rxbridge.{kind}", "", algorithm="sha256")
