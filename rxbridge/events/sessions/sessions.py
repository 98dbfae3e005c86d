"""Sessions: who is behind a socket, and until when, as one part whose pieces know each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rxbridge.asgi.cookies import CookieHandoff
from rxbridge.events.sessions.revalidator import Revalidator
from rxbridge.events.sessions.revoker import SessionRevoker

if TYPE_CHECKING:
    from rxbridge.asgi._types import Receive, Scope, Send
    from rxbridge.asgi.connections import ConnectionRegistry
    from rxbridge.asgi.cookies import TicketStore
    from rxbridge.events.sessions.broadcast import Broadcast


class Sessions:
    """Who is behind a socket, and until when: cookies handed off, revocation, kept identity.

    ::

        sessions = Sessions(connections)
        app.add_middleware(EventBridge(connections, sessions=sessions))

    It is the ASGI app of the hand-off, and its ``lifespan`` is the revoker's::

        PrefixRouter({sessions.path: sessions, ...}, lifespan=LifespanGroup(sessions, reflex))

    Makes and joins ``handoff``, a ``CookieHandoff``; ``revoker``, a ``SessionRevoker``; and with
    ``check_every``, in seconds, ``identity``, a ``Revalidator``: without, each event is checked.
    The other options are theirs. Made once, after ``django.setup()``.
    """

    def __init__(
        self,
        connections: ConnectionRegistry,
        *,
        broadcast: Broadcast | None = None,
        check_every: float | None = None,
        sweep_interval: float = 1.0,
        tickets: TicketStore | None = None,
        lifetime: float = 10.0,
        path: str = "/_cookies",
        renew_every: float = 60.0,
    ) -> None:
        if check_every is not None and check_every <= 0:
            msg = f"check_every={check_every} is in seconds and must be positive; write 60."
            raise ValueError(msg)
        self.connections = connections
        self.path = path
        self.identity = None if check_every is None else Revalidator(interval=check_every)
        self.revoker = SessionRevoker(
            connections,
            broadcast=broadcast,
            revalidator=self.identity,
            sweep_interval=sweep_interval,
        )
        self.handoff = CookieHandoff(
            connections,
            tickets=tickets,
            lifetime=lifetime,
            path=path,
            on_confirmed=self.revoker.confirmed,
            renew_every=renew_every,
            on_conflict=self.revoker.reunite,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a ticket, or ``lifespan``."""
        app = self.revoker.lifespan if scope["type"] == "lifespan" else self.handoff
        await app(scope, receive, send)
