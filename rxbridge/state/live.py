"""LiveList: tell the pages that show a model's rows that these have changed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from django.db import router, transaction
from django.db.models.signals import ModelSignal, m2m_changed, post_delete, post_save

from rxbridge.events.binder import current_request, current_user
from rxbridge.events.reflex import have_page_fire
from rxbridge.events.sessions.channel import Channel, Message

if TYPE_CHECKING:
    from django.db.models import Model

    from rxbridge.asgi.connections import Connection
    from rxbridge.events.sessions.broadcast import Broadcast

logger = logging.getLogger("rxbridge")

EVERYBODY = "*"
"""The owner whose rows concern every page."""

_UNSENT_LIMIT = 1_000  # owners whose change is not published yet; beyond, it is everybody's


@dataclass(slots=True, eq=False)
class _Follower:
    """One tab that follows the list."""

    owner: str
    connection: Connection | None
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_gone(self) -> bool:
        return self.connection is not None and self.connection.closed


class LiveList:
    """Follow the rows of ``model``: what is saved or deleted, once its transaction commits.

    For ``crud_mixin(config, live=LiveList(Note))``, made once, after ``django.setup()``; it
    listens to Django's signals until ``close``. With ``owner_field`` only the tabs of a row's
    owner are told. ``broadcast``, such as ``RedisBroadcast(url, channel="shop:lists")``, tells
    the other workers too.

    A tab is told at most once per ``interval`` seconds. At most ``limit`` tabs follow in one
    process; what is kept for each is a flag.
    """

    def __init__(
        self,
        model: type[Model],
        *,
        owner_field: str | None = None,
        broadcast: Broadcast | None = None,
        interval: float = 0.25,
        limit: int = 10_000,
    ) -> None:
        if interval <= 0 or limit < 1:
            msg = "interval is in seconds and must be positive, as must limit; write 0.25, 10_000."
            raise ValueError(msg)
        # Raises FieldDoesNotExist for a name that is none.
        self._owner = model._meta.get_field(owner_field) if owner_field else None  # noqa: SLF001
        self.model = model
        self._interval = interval
        self._limit = limit
        self._channel: Channel | None = None
        if broadcast is not None:
            self._channel = Channel(
                broadcast,
                obey=self._obey,
                missed=partial(self._wake, EVERYBODY),
                subject="live lists",
                overflow=self._message(EVERYBODY),
                limit=_UNSENT_LIMIT,
            )
        self._followers: dict[str, _Follower] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Task[None] | None = None
        for signal, receiver, sender in self._signals():
            signal.connect(receiver, sender=sender)

    def __len__(self) -> int:
        """Return how many tabs follow the list in this process."""
        return len(self._followers)

    @property
    def is_listening(self) -> bool:
        """Whether the other workers are heard now; true without a ``broadcast``, or a tab."""
        return self._channel is None or not self._followers or self._channel.listening.is_set()

    def close(self) -> None:
        """Stop listening, and let go of all tabs."""
        for signal, receiver, sender in self._signals():
            signal.disconnect(receiver, sender=sender)
        for tab in list(self._followers):
            self._drop(tab)

    def touch(self, owner: Any = None) -> None:
        """Announce a change that sends no signal, such as ``update()`` and ``bulk_create()``.

        ``owner`` is a user, for whose rows alone it was.
        """
        key = EVERYBODY if owner is None else str(owner.pk)
        self._announce_at_commit(key, router.db_for_write(self.model))

    async def follow(self, state: Any, handler: Any) -> None:
        """Have the page of ``state`` fire ``handler`` after each change, until the tab is gone.

        For a background task of a list of your own, among the page's ``on_load``::

            @rx.event(background=True)
            async def follow(self):
                await TICKETS.follow(self, TicketState.load)
        """
        event = getattr(current_request(), "reflex_event", None)
        changes = self.changes(
            state.router.session.client_token,
            user=current_user(),
            connection=getattr(event, "connection", None),
        )
        async with aclosing(changes):
            async for _ in changes:
                # So that it comes with the identity the tab has by then.
                await have_page_fire(handler)

    async def changes(
        self, tab: str, *, user: Any, connection: Connection | None = None
    ) -> AsyncGenerator[None]:
        """Yield after each change of what ``user`` may be shown, until the tab is gone.

        A tab that follows anew replaces its former following.
        """
        owner = EVERYBODY if self._owner is None else str(user.pk)
        follower = _Follower(owner, connection)
        if not self._take_in(tab, follower):
            return
        try:
            while True:
                await follower.woken.wait()
                # What comes in a burst is told once.
                await asyncio.sleep(self._interval)
                follower.woken.clear()
                if follower.is_gone or self._followers.get(tab) is not follower:
                    return
                yield
        finally:
            if self._followers.get(tab) is follower:
                del self._followers[tab]
            if not self._followers and self._listener is not None:
                self._listener.cancel()
                self._listener = None

    def _take_in(self, tab: str, follower: _Follower) -> bool:
        """Let a tab follow, unless too many do."""
        self._drop(tab)
        if len(self._followers) >= self._limit:
            for each in [each for each, other in self._followers.items() if other.is_gone]:
                self._drop(each)
        if len(self._followers) >= self._limit:
            logger.warning("A tab does not follow %s: %d do", self.model.__name__, self._limit)
            return False
        self._followers[tab] = follower
        self._listen()
        return True

    def _drop(self, tab: str) -> None:
        """Let go of a tab, if it follows."""
        if (follower := self._followers.pop(tab, None)) is not None:
            follower.woken.set()

    # What Django calls, on the threads of events and requests.

    def _signals(self) -> Iterator[tuple[ModelSignal, Callable[..., None], Any]]:
        for signal in (post_save, post_delete):
            yield signal, self._on_signal, self.model
        for relation in self.model._meta.many_to_many:  # noqa: SLF001
            yield m2m_changed, self._on_relation, relation.remote_field.through

    def _on_signal(self, *, instance: Any, using: str, **_: Any) -> None:
        self._announce_at_commit(self._owner_of(instance), using)

    def _on_relation(self, *, action: str, instance: Any, using: str, **_: Any) -> None:
        if action.startswith("post_"):
            owner = self._owner_of(instance) if isinstance(instance, self.model) else EVERYBODY
            self._announce_at_commit(owner, using)

    def _announce_at_commit(self, owner: str, using: str) -> None:
        transaction.on_commit(partial(self._announce, owner), using=using, robust=True)

    def _owner_of(self, instance: Any) -> str:
        if self._owner is None:
            return EVERYBODY
        return str(getattr(instance, self._owner.attname))  # type: ignore[union-attr]

    def _announce(self, owner: str) -> None:
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._announce_here, owner)
        elif self._channel is not None:
            # A process without tabs, such as a management command.
            self._channel.send_now(self._message(owner))

    # All that follows runs on the loop of the tabs.

    def _announce_here(self, owner: str) -> None:
        self._wake(owner)
        if self._channel is not None and (sending := self._channel.post(self._message(owner))):
            self._start(sending)

    def _wake(self, owner: str) -> None:
        for follower in self._followers.values():
            if EVERYBODY in (owner, follower.owner) or follower.owner == owner:
                follower.woken.set()

    def _listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._channel is not None and (self._listener is None or self._listener.done()):
            self._listener = self._start(self._channel.listen())

    def _obey(self, message: Message) -> None:
        if message["live"] == self._message("")["live"]:
            self._wake(str(message["owner"]))

    def _message(self, owner: str) -> Message:
        return {"live": self.model._meta.label_lower, "owner": owner}  # noqa: SLF001

    def _start(self, coroutine: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
