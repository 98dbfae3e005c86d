"""SessionRevoker: when a session ends, its open sockets and running tasks end with it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypeVar

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.utils import timezone

from rxbridge._renamed import Renamed
from rxbridge.asgi.connections import GRACE, split_browsers
from rxbridge.events.chain.identity import key_of
from rxbridge.events.sessions.channel import Channel, Message
from rxbridge.events.sessions.signals import SessionSignals, session_model, session_store
from rxbridge.events.sessions.tracked import (
    TrackedConnection,
    TrackedConnections,
    digest,
    digest_of,
)
from rxbridge.events.threads.elsewhere import elsewhere, running_loop

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from django.http import HttpRequest

    from rxbridge.asgi._types import Receive, Scope, Send
    from rxbridge.asgi.connections import Connection, ConnectionRegistry, SetCookie
    from rxbridge.events.sessions.broadcast import Broadcast
    from rxbridge.events.sessions.revalidator import Revalidator

logger = logging.getLogger("rxbridge")

T = TypeVar("T")
Test: TypeAlias = Callable[[TrackedConnection], bool]

PATIENCE = 0.7
"""``GRACE`` for a session that an event ended: its cookies take one more way, by a hand-off."""

_HINTS = 200  # that of a browser's cookies is not worth more: a hand-off sees to them
_RECENT = 60.0  # seconds for which a user's change applies to events that were under way
_RECENT_LIMIT = 1_000
_SUBSCRIBED_WITHIN = 2.0  # seconds the start of a server waits for the broadcast


@dataclass(slots=True)
class _Cause:
    """What runs and may end a session: an event, judged at the end of its block, or a task."""

    tracked: TrackedConnection
    task: asyncio.Task[Any]
    judge: Callable[[TrackedConnection], None]
    is_event: bool = True
    over: bool = False

    @property
    def has_ended(self) -> bool:
        """Whether the event was cancelled, as its session ended."""
        return self.task in self.tracked.ended

    def __enter__(self) -> Self:
        _cause.set(self)
        self.tracked.tasks.append(self.task)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.tracked.tasks.remove(self.task)
        if self.tracked.ended:
            self.tracked.ended = tuple(each for each in self.tracked.ended if each != self.task)
        self.over = True
        if _cause.get() is self:  # and not the background task that ``track`` told of
            _cause.set(None)
        self.judge(self.tracked)


_cause: ContextVar[_Cause | None] = ContextVar("rxbridge.cause", default=None)


class SessionRevoker:
    """Close the sockets of sessions that have ended, and stop what still works for them.

    A session ends by a logout in an event or in any Django view, by the deletion of its row, by
    a change of its user's password, by the user's deactivation or deletion, and by expiry. The
    closed sockets come back by themselves, as whoever they now are. When one tab signs in or out,
    the other tabs of the browser follow it. ::

        revoker = SessionRevoker(connections)
        bridge = EventBridge(connections, revoker=revoker)

    Made once, after ``django.setup()``; it listens to Django's signals until ``close``.
    ``broadcast`` reaches the other workers, such as ``RedisBroadcast(url)``; without, it
    knows of this process only. ``revalidator`` is the runner's ``Revalidator``, if it has one.
    ``sweep_interval`` is in seconds: how often expired sessions are looked for.
    """

    def __init__(
        self,
        connections: ConnectionRegistry,
        *,
        broadcast: Broadcast | None = None,
        revalidator: Revalidator | None = None,
        sweep_interval: float = 1.0,
    ) -> None:
        if sweep_interval <= 0:
            msg = f"sweep_interval={sweep_interval} is in seconds and must be positive; write 1."
            raise ValueError(msg)
        self._connections = connections
        self.revalidator = revalidator
        self._sweep_interval = sweep_interval
        self._store = session_store()
        self._rows = session_model()
        self._channel: Channel | None = None
        if broadcast is not None:
            self._channel = Channel(
                broadcast,
                obey=self._obey,
                missed=self._missed,
                subject="revocations",
                overflow={"kind": "all"},
            )
        self._tracked = TrackedConnections(
            settings.SESSION_COOKIE_NAME, asks=self._rows is not None
        )
        self._changed: OrderedDict[str, tuple[float, Test]] = OrderedDict()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._asking = False
        self._signals = SessionSignals(self)
        connections.followers.add(self)

    @property
    def is_listening(self) -> bool:
        """Whether the other workers are heard now; true without a ``broadcast``."""
        return self._channel is None or self._channel.listening.is_set()

    # What the bridge calls, on the event loop.

    def running(self, connection: Connection | None) -> AbstractContextManager[_Cause | None]:
        """Let the running task be known as an event of ``connection`` for the block.

        The block holds the whole chain, ``note`` included. A session that ends meanwhile ends
        the task, unless the task itself ended it; what is yielded says so: ``has_ended``.
        """
        task = asyncio.current_task()
        if connection is None or task is None:
            return nullcontext()
        self.start()
        tracked = self._tracked.of(connection)
        self._tracked.read_jar(tracked)
        return _Cause(tracked, task, self._judge)

    def track(self, connection: Connection | None) -> None:
        """Let the running task be known as a background task of ``connection`` until it is done.

        It is cancelled when the session ends, by whatever but itself.
        """
        task = asyncio.current_task()
        if connection is None or task is None:
            return
        self.start()
        tracked = self._tracked.of(connection)
        tracked.tasks.append(task)
        task.add_done_callback(tracked.tasks.remove)
        _cause.set(_Cause(tracked, task, self._judge, is_event=False))

    def note(self, connection: Connection | None, request: HttpRequest) -> None:
        """Take note of whose ``connection`` is, when its event is done and its jar is current."""
        if connection is None:
            return
        self.start()
        tracked = self._tracked.of(connection)
        self._tracked.read_jar(tracked)
        if self._tracked.note(tracked, request):
            self._catch_up(tracked)

    def confirmed(self, connection: Connection, browsers: Iterable[str] = ()) -> None:
        """Let the other tabs of the browser follow, now that it holds what the jar holds.

        For ``CookieHandoff`` to call. ``browsers`` are the cookies that the browser has just
        shown that it is known by. ``connection`` may be one that stands for a tab that is gone.
        """
        tracked = self._tracked.get(connection)
        session = digest_of("session", self._tracked.key_of(connection))
        known = {digest("browser", each) for each in browsers}
        if tracked is not None:
            if tracked.shown == session:
                return
            tracked.shown = session
            self._tracked.read_jar(tracked)
            if tracked.browser is not None:
                known.add(tracked.browser)
        self._publish(kind="browser", browsers=sorted(known), keep=session)
        self._follow(known, session, but=tracked)

    settled = Renamed("confirmed")

    async def reunite(self, name: str, begun: str, kept: str) -> bool:
        """Move what an event wrote into a session it began into the one its browser has instead.

        For ``CookieHandoff`` to call. What the browser's session has by the same name stays, and
        nothing is taken from a session that somebody has signed in to. True if nothing is lost.
        """
        if name == self._tracked.cookie:
            try:
                return await elsewhere(_reunite, self._store, begun, kept)
            except Exception:
                logger.exception("What an event wrote into its session is not in its browser's")
        return False

    # What an administrator calls, on any loop.

    async def disconnect(self, *, user: Any = None, session: str | None = None) -> int:
        """Sign out: end the sessions of a user, or one session, and close its sockets.

        ``user`` is a user or a primary key, ``session`` a session key. Returns how many sockets
        were closed here; the other workers close theirs. Sessions that no socket is open for
        are found in the database, one by one, where the session engine keeps them there; for
        other engines, change the password or deactivate the user.
        """
        subject = _subject(user, session)
        self._publish(kind="disconnect", subject=subject)
        closed = await self._on_own_loop(self._disconnect(subject))
        if session is not None:
            await elsewhere(_end_sessions, self._store, [session])
        elif self._rows is not None:
            await elsewhere(_end_all_of, self._store, self._rows, key_of(user))
        return closed

    async def refresh(self, *, user: Any = None, session: str | None = None) -> int:
        """Close sockets without signing anyone out: they come back as whoever they now are.

        For a change that does not end a session, such as new permissions. Arguments and result
        are those of ``disconnect``.
        """
        subject = _subject(user, session)
        self._publish(kind="refresh", subject=subject)
        return await self._on_own_loop(self._refresh(subject))

    # Life.

    def start(self) -> None:
        """Serve the running loop; ``running`` does so too. One loop at a time is served."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._halt()
            self._loop = loop
            if self._channel is not None:
                self._spawn(self._channel.listen())
        if self._timer is None:
            self._timer = loop.call_later(self._sweep_interval, self._sweep, context=Context())

    async def stop(self) -> None:
        """Stop serving the loop; all that was noted is forgotten."""
        tasks = list(self._tasks)
        self._halt()
        if tasks:
            await asyncio.wait(tasks)

    def close(self) -> None:
        """Listen to Django no more, and stop. May be called from any thread."""
        self._signals.close()
        self._connections.followers.discard(self)
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._halt)

    async def lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Answer ``lifespan``: listen to the other workers before the first socket is served.

        An ASGI app for ``LifespanGroup``. Without it listening begins with the first event.
        """
        await receive()
        self.start()
        if self._channel is not None:
            try:
                async with asyncio.timeout(_SUBSCRIBED_WITHIN):
                    await self._channel.listening.wait()
            except TimeoutError:
                logger.warning("The broadcast of revocations cannot be reached yet")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.stop()
        await send({"type": "lifespan.shutdown.complete"})

    # What Django tells, on any thread.

    def on_session_end(self, key: str, *, expired: bool = False) -> None:
        """A session has ended, or is about to."""
        session = digest("session", key)
        if self._tracked.knows(session):
            self._hand_over(self._end_session, session, _cause.get())
        if not expired:  # Each worker looks for those itself.
            self._publish(kind="session", session=session)

    def on_user_change(self, key: str, valid: Sequence[str] | None) -> None:
        """A user was saved, or with None deactivated or deleted."""
        if self._channel is None and not len(self._tracked):
            return
        user = digest("user", key)
        auths = None if valid is None else [digest("auth", each) for each in valid]
        self._hand_over(self._end_user, user, auths, _cause.get())
        self._publish(kind="user", user=user, auths=auths)

    def on_browser_change(self, request: HttpRequest) -> None:
        """A browser signs in or out. After an event, ``confirmed`` is told instead."""
        if hasattr(request, "reflex_event"):
            return
        browsers = frozenset(digest("browser", each) for each in split_browsers(request.COOKIES)[0])
        if browsers and (self._channel is not None or any(map(self._tracked.knows, browsers))):
            self._hand_over(self._follow_later, browsers, request.session)

    # What the registry tells.

    def on_set_cookies(self, browsers: Iterable[str], set_cookies: list[SetCookie]) -> None:
        """An answer of this worker changes cookies of a browser; its tabs do not have them."""
        known = [digest("browser", each) for each in browsers]
        cookies = [(name, _cookie_digest(name, value), path) for name, value, path in set_cookies]
        self._publish(kind="cookies", browsers=known, cookies=cookies)
        self._hand_over(self._renew_later, known, cookies)

    # What follows, on the event loop.

    def _end_session(self, session: str, cause: _Cause | None) -> None:
        self._end(self._tracked.find(session), lambda tracked: tracked.session == session, cause)

    def _end_user(self, user: str, auths: list[str] | None, cause: _Cause | None) -> None:
        def ends(tracked: TrackedConnection) -> bool:
            return tracked.user == user and (
                auths is None or (tracked.auth is not None and tracked.auth not in auths)
            )

        self._remember(user, ends)
        for tracked in (found := self._tracked.find(user)):
            self._forget(tracked)
        self._end(filter(ends, found), ends, cause)

    def _end(self, tabs: Iterable[TrackedConnection], ends: Test, cause: _Cause | None) -> None:
        """Stop what works for ``tabs`` now, and close them when the browser had its moment.

        The event that is the cause goes on; whether its connection still stands is judged when
        it is over.
        """
        own = cause.tracked if cause is not None and cause.is_event else None
        for tracked in list(tabs):
            self._forget(tracked)
            if tracked.user is not None or tracked.seen is None:
                tracked.cancel(but=cause.task if cause is not None else None)
            if tracked is not own:
                in_same_browser = own is not None and own.browser == tracked.browser
                self._later(PATIENCE if in_same_browser else GRACE, self._close_if, tracked, ends)
                continue
            tracked.ends = ends
            if cause is not None and cause.over:
                self._judge(tracked)

    def _judge(self, tracked: TrackedConnection) -> None:
        ends, tracked.ends = tracked.ends, None
        if ends is not None:
            self._close_if(tracked, ends)

    def _close_if(self, tracked: TrackedConnection, ends: Test) -> None:
        if ends(tracked):
            self._close(tracked)

    def _close(self, tracked: TrackedConnection) -> bool:
        self._forget(tracked)
        return tracked.connection.close()

    def _forget(self, tracked: TrackedConnection) -> None:
        if self.revalidator is not None:
            self.revalidator.forget(tracked.connection)

    def _follow_later(self, browsers: frozenset[str], session: Any) -> None:
        def follow() -> None:
            keep = digest_of("session", session.session_key)
            self._publish(kind="browser", browsers=sorted(browsers), keep=keep)
            self._follow(browsers, keep)

        self._later(GRACE, follow)

    def _follow(
        self, browsers: Iterable[str], keep: str | None, *, but: TrackedConnection | None = None
    ) -> None:
        """Close the tabs of a browser whose last event had another session than it now has."""
        for tracked in self._tracked.find(*browsers):
            if tracked is not but and tracked.session != keep:
                self._close(tracked)

    def _renew_later(self, browsers: Iterable[str], cookies: Iterable[SetCookie]) -> None:
        """Have the tabs of a browser come back with the cookies that it was given elsewhere."""

        def lacks(tracked: TrackedConnection) -> bool:
            return tracked.connection.lacks(cookies, _cookie_digest)

        self._meet_all()
        for tracked in self._tracked.find(*browsers):
            if lacks(tracked):
                self._later(GRACE, self._close_if_idle, tracked, lacks)

    def _close_if_idle(self, tracked: TrackedConnection, ends: Test, left: int = 30) -> None:
        # What an event has yet to send would be lost, the ticket of its cookies too.
        if tracked.tasks and left and not tracked.connection.closed:
            self._later(GRACE, self._close_if_idle, tracked, ends, left - 1)
        else:
            self._close_if(tracked, ends)

    async def _disconnect(self, subject: str) -> int:
        self._meet_all()
        tabs = self._tracked.find(subject)
        self._stop_work(tabs)
        keys = {key for tracked in tabs if (key := self._tracked.key_of(tracked.connection))}
        try:
            # First, for a closed socket comes back at once.
            if keys:
                await elsewhere(_end_sessions, self._store, keys)
        finally:
            closed = sum(map(self._close, tabs | self._tracked.find(subject)))
        return closed

    async def _refresh(self, subject: str) -> int:
        self._meet_all()
        return sum(map(self._close, self._tracked.find(subject)))

    def _stop_work(self, tabs: Iterable[TrackedConnection]) -> None:
        cause = _cause.get()
        for tracked in tabs:
            self._forget(tracked)
            tracked.cancel(but=cause.task if cause is not None else asyncio.current_task())

    def _missed(self) -> None:
        """Close what may have been revoked unheard; who is still signed in comes back so."""
        for tracked in self._tracked:
            if tracked.user is not None:
                tracked.cancel(but=None)
                self._close(tracked)
            elif tracked.seen is None:
                tracked.ends = lambda _: True  # Its first event is under way.

    # What is known.

    def _meet_all(self) -> None:
        """Read the jars of sockets that have had no event yet too."""
        for connection in self._connections:
            self._tracked.read_jar(self._tracked.of(connection))

    def _catch_up(self, tracked: TrackedConnection) -> None:
        """Apply a change of the user that came while an event was under way with the old one."""
        changed = self._changed.get(tracked.user or "")
        if changed is not None and time.monotonic() < changed[0] and changed[1](tracked):
            self._end([tracked], changed[1], _cause.get())

    def _remember(self, user: str, ends: Test) -> None:
        self._changed[user] = (time.monotonic() + _RECENT, ends)
        self._changed.move_to_end(user)
        if len(self._changed) > _RECENT_LIMIT:
            self._changed.popitem(last=False)

    # Expiry.

    def _sweep(self) -> None:
        """Close what has expired; it is due then however busy or idle it was."""
        self._timer = None
        now = time.time()
        for tracked in self._tracked:
            if tracked.is_idle:
                self._tracked.drop(tracked)
            elif tracked.expires is not None and tracked.expires <= now:
                self._expire(tracked)
        unsure = [tracked for tracked in self._tracked if not tracked.is_exact]
        if unsure and not self._asking:
            self._asking = True
            self._spawn(self._ask_expiry(unsure))
        if len(self._tracked):
            self.start()

    def _expire(self, tracked: TrackedConnection) -> None:
        tracked.expires = None
        tracked.cancel(but=None)
        self._close(tracked)

    async def _ask_expiry(self, tabs: list[TrackedConnection]) -> None:
        """Ask the database once per session when it expires; one that is not there has ended."""
        keys = {tracked: self._tracked.key_of(tracked.connection) for tracked in tabs}
        try:
            dates = await elsewhere(_expiry_dates, self._rows, set(keys.values()))
            for tracked, key in keys.items():
                if not tracked.is_exact and tracked.session == digest_of("session", key):
                    tracked.is_exact = True
                    tracked.expires = dates.get(key, 0.0)
        except Exception:
            logger.exception("Could not ask when sessions expire; asking again")
        finally:
            self._asking = False

    # Other workers and other threads.

    def _obey(self, message: Message) -> None:
        """Do what another worker says."""
        # What is malformed raises here, to be dropped, and not in what is kept of it.
        match message["kind"]:
            case "session":
                self._end_session(message["session"], None)
            case "user":
                auths = message["auths"]
                self._end_user(message["user"], None if auths is None else [*auths], None)
            case "browser":
                self._follow(message["browsers"], message["keep"])
            case "cookies":
                self._renew_later(message["browsers"], message["cookies"])
            case "disconnect":
                self._spawn(self._disconnect(str(message["subject"])))
            case "refresh":
                self._spawn(self._refresh(str(message["subject"])))
            case _:
                self._missed()

    def _publish(self, **message: Any) -> None:
        if self._channel is not None and not self._hand_over(self._post, self._channel, message):
            self._channel.send_now(message)

    def _post(self, channel: Channel, message: Message) -> None:
        if message["kind"] == "cookies" and len(channel) >= _HINTS:
            return
        if (sending := channel.post(message)) is not None:
            self._spawn(sending)

    def _hand_over(self, call: Callable[..., object], *args: Any) -> bool:
        """Have the loop call; False when there is none."""
        loop = self._loop if self._loop is not None else running_loop()
        if loop is None:
            return False
        try:
            # Not in this context: it belongs to a request that is over when the call is made.
            loop.call_soon_threadsafe(call, *args, context=Context())
        except RuntimeError:  # closed
            return False
        return True

    async def _on_own_loop(self, coroutine: Coroutine[Any, Any, T]) -> T:
        loop = self._loop
        if loop is None or not loop.is_running() or loop is running_loop():
            return await coroutine
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, loop))

    def _later(self, delay: float, call: Callable[..., object], *args: Any) -> None:
        asyncio.get_running_loop().call_later(delay, call, *args, context=Context())

    def _spawn(self, coroutine: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("A task of SessionRevoker failed", exc_info=error)

    def _halt(self) -> None:
        """Leave the loop that was served, which may be closed by now."""
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            for task in self._tasks:
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()
        self._tasks = set()
        self._timer = None
        self._asking = False
        self._tracked.clear()


def _subject(user: Any, session: str | None) -> str:
    if (user is None) == (session is None):
        msg = "Name one of the two: user=... (a user or a primary key) or session=... (a key)."
        raise ValueError(msg)
    return digest("session", session) if session is not None else digest("user", key_of(user))


def _cookie_digest(name: str, value: str | None) -> str:
    return digest("cookie", name if value is None else f"{name}={value}")


def _end_sessions(store: Any, keys: Iterable[str]) -> None:
    for key in keys:
        store(key).delete()


def _reunite(store: Any, begun: str, kept: str) -> bool:
    source, target = store(begun), store(kept)
    written = dict(source.items())
    # A key that finds no session is given up as it is loaded.
    if SESSION_KEY in written or source.session_key is None:
        return not written
    known = dict(target.items())
    if target.session_key is None:
        return not written
    target.update({name: value for name, value in written.items() if name not in known})
    target.save(must_create=False)
    source.delete()
    return True


def _end_all_of(store: Any, model: Any, user: str) -> None:
    rows = model.objects.filter(expire_date__gt=timezone.now())
    owned = [row.pk for row in rows.iterator() if row.get_decoded().get(SESSION_KEY) == user]
    _end_sessions(store, owned)


def _expiry_dates(model: Any, keys: set[str | None]) -> dict[str | None, float]:
    rows = model.objects.filter(pk__in=keys).values_list("pk", "expire_date")
    return {key: date.timestamp() for key, date in rows}
