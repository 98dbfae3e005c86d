"""Whom an update is for: the browser its event came from, not whoever has the tab's token."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import logging
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

from django.conf import settings
from reflex.utils.token_manager import RedisTokenManager

from rxbridge.events.chain.identity import known_user
from rxbridge.events.reflex.answers import bridge_of
from rxbridge.events.reflex.handover import TabHandover, digest

if TYPE_CHECKING:
    import reflex as rx
    from reflex.app import EventNamespace
    from reflex.state import StateUpdate

    from rxbridge.asgi.connections import Connection

logger = logging.getLogger("rxbridge")


@dataclass(eq=False)
class Recipient:
    """Whom a running event works for: who fired it."""

    token: str
    connection: Connection | None
    request: Any = None

    def has(self, here: Connection) -> bool:
        """Tell whether ``here`` is the event's own connection, or one of the same browser."""
        return here is self.connection or self.address().is_of(here)

    def address(self) -> Address:
        """Return what tells another worker whom an update is for."""
        is_signed_in = getattr(known_user(self.request), "is_authenticated", False)
        return Address.of(self.connection, is_signed_in=is_signed_in)


@dataclass(frozen=True)
class Address:
    """What a browser is known by, in digests: another worker may be told.

    Browsers that show no cookie, session's or other, are not told apart. Who is signed in is known
    by the session, once the browser holds it: who used the browser before may have noted the
    other cookie, which is still the same. ``uploader`` has that cookie of an upload,
    which shows what session the browser has by now: a socket with another is to come back.
    """

    marks: frozenset[str]
    shows: bool
    uploader: frozenset[str] = frozenset()

    @classmethod
    def of(cls, connection: Connection | None, *, is_signed_in: bool = False) -> Self:
        """Return the address of a connection's browser."""
        if connection is None:
            return cls(frozenset(), is_signed_in)
        name = settings.SESSION_COOKIE_NAME
        sessions = {jar[name] for jar in (connection.held, connection.cookies) if jar.get(name)}
        shows = is_signed_in or bool(sessions or connection.browsers)
        marks = sessions
        if not (is_signed_in and connection.held.get(name)):
            marks = sessions.union(connection.browsers, filter(None, [connection.browser]))
        uploader = connection.browsers if connection.kind == "http" else ()
        return cls(frozenset(map(digest, marks)), shows, frozenset(map(digest, uploader)))

    def is_of(self, connection: Connection) -> bool:
        """Tell whether ``connection`` is of this browser, as far as the two are told apart."""
        other = Address.of(connection)
        return not self.marks.isdisjoint(other.marks) or not (self.shows or other.shows)

    def ask_back(self, connection: Connection) -> None:
        """Have a socket that is not of this address come back, with the cookies of its browser."""
        if not self.uploader.isdisjoint(map(digest, connection.browsers)):
            connection.close()


@dataclass(frozen=True)
class Addressed:
    """Sent to the worker that has a tab, in place of an update."""

    update: StateUpdate
    address: Address


class TabNamespace(TabHandover):
    """Reflex's own namespace, which asks who has a tab before that is sent something.

    Reflex sends by token, to whichever socket has shown it. Here, what an event sends is for its
    own connection, or another of the same browser; what comes of no event, as from
    ``app.modify_state``, for who was shown the tab's vars last. Other sockets are not sent it. A
    tab that comes back is sent all its vars as its page loads.
    """

    def __init__(self, namespace: str, app: rx.App) -> None:
        super().__init__(namespace, app)
        self.shown_to: WeakValueDictionary[str, Connection] = WeakValueDictionary()

    @classmethod
    def in_place_of(cls, namespace: EventNamespace) -> Self:
        """Return one that has the same tabs, registered in its place."""
        own = cls(namespace.namespace, namespace.app)
        own._token_manager = namespace._token_manager
        if own.app.sio is not None:
            own.app.sio.register_namespace(own)
        return own

    async def emit_update(self, update: StateUpdate | Addressed, token: str) -> None:
        """Send an update to a tab of this worker or another, if it is whom it is for."""
        recipient, here = recipient_now.get(), self.connection_of(token)
        if recipient is not None and recipient.token != token:
            recipient = None
        sent: Any = update
        if isinstance(update, Addressed):  # Passed on where the tab has moved on meanwhile.
            is_for = here is None or update.address.is_of(here)
            sent = update if here is None else update.update
        elif here is not None:
            is_for = self._is_shown_to(token, here) if recipient is None else recipient.has(here)
        else:
            is_for = True
            if recipient is not None and isinstance(self._token_manager, RedisTokenManager):
                sent = Addressed(update, recipient.address())
        if is_for:
            await super().emit_update(sent, token)
            return
        logger.info("Not sent: another browser or user has the tab that it was for.")
        if here is not None and isinstance(update, Addressed):
            update.address.ask_back(here)
        elif here is not None and recipient is not None:
            recipient.address().ask_back(here)

    def _is_shown_to(self, token: str, here: Connection) -> bool:
        last = self.shown_to.get(token)
        if last is None:  # Its page has not loaded, or there is no bridge that would tell.
            return getattr(bridge_of(self.app), "connections", None) is None
        return here is last or Address.of(last, is_signed_in=True).is_of(here)


recipient_now: ContextVar[Recipient | None] = ContextVar("rxbridge.recipient", default=None)
"""Whom the running event works for; ``None`` where no registry tells whose sockets are."""
