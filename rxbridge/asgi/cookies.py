"""CookieHandoff: cookies set while an event ran reach the browser as real Set-Cookie headers."""

import asyncio
import contextlib
import hashlib
import json
import logging
import math
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Protocol
from weakref import WeakKeyDictionary

from starlette.responses import Response

from rxbridge._renamed import Renamed, warn_of_former
from rxbridge.asgi._refusal import refuse
from rxbridge.asgi._types import Receive, Scope, Send
from rxbridge.asgi.connections import (
    MAX_COOKIES,
    MAX_HEADER_BYTES,
    Connection,
    ConnectionRegistry,
    SetCookie,
    expiry_of,
    is_acceptable,
    lowered,
    parse_cookies,
    parse_set_cookie,
    split_browsers,
    split_set_cookie,
)
from rxbridge.asgi.lifespan import LifespanGroup
from rxbridge.asgi.origin import is_same_origin

TICKET_HEADER = "x-rxbridge-ticket"
"""The request header a ticket travels in: not in a URL, which ends up in logs.

A page of another origin could send it only if CORS allowed it, for which nothing here answers.
"""

_TICKET_LENGTH = 43  # 32 random bytes in base64url
_POLL = 0.1  # seconds between looks for receipts that other workers have taken
_PATIENCE = 1.0  # seconds that a page has to confirm, before its tab is taken to be gone
_AWAY = 180.0  # seconds that a tab may be away for; a server has a silent socket for 145

# The fetches of a tab wait for each other, so an older answer never sets its cookies after a newer
# one. One that hangs must not hold up the others, and one under way survives leaving the page.
HAND_OFF = """\
(({path, headers, timeout}) =>
window.rxbridgeHandoff = (window.rxbridgeHandoff ?? Promise.resolve()).then(async () => {
  const over = Date.now() + timeout;
  const send = async (method) => {
    const answer = await fetch(path, {
      method,
      headers,
      credentials: "same-origin",
      cache: "no-store",
      redirect: "error",
      keepalive: true,
      signal: AbortSignal.timeout(timeout),
    });
    if (answer.status !== 503 || Date.now() > over) return answer;
    await new Promise((done) => setTimeout(done, 1000));
    return send(method);
  };
  try {
    return (await send("POST")).ok && (await send("PUT")).ok;
  } catch {
    return false;
  }
}))"""
"""The function by which a page redeems a ticket; it takes what ``CookieHandoff.request`` tells."""

logger = logging.getLogger(__name__)


class TicketStore(Protocol):
    """Where tickets wait to be redeemed."""

    shared: bool
    """Whether all workers see the same tickets."""

    async def put(self, key: str, value: str, lifetime: float) -> None:
        """Keep ``value`` for ``lifetime`` seconds."""

    async def get(self, key: str) -> str | None:
        """Return a value that has not expired."""

    async def delete(self, key: str) -> bool:
        """Forget a value; true for the one caller that found it."""
        ...


class MemoryTickets:
    """Tickets in this process's memory, for one worker; beyond ``limit`` the oldest goes."""

    shared = False

    def __init__(self, *, limit: int = 10_000) -> None:
        if limit < 1:
            msg = f"limit={limit} leaves no room for a ticket; write 10_000."
            raise ValueError(msg)
        self._limit = limit
        self._values: dict[str, tuple[str, float]] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._values)

    async def put(self, key: str, value: str, lifetime: float) -> None:
        """Keep ``value`` for ``lifetime`` seconds."""
        while len(self._values) >= self._limit:
            del self._values[next(iter(self._values))]
        loop = asyncio.get_running_loop()
        self._values[key] = value, loop.time() + lifetime
        loop.call_later(lifetime, self._expire, key, loop.time() + lifetime)

    def _expire(self, key: str, now: float) -> None:
        if key in self._values and self._values[key][1] <= now:
            del self._values[key]

    async def get(self, key: str) -> str | None:
        """Return a value that has not expired."""
        return self._values.get(key, (None,))[0]

    async def delete(self, key: str) -> bool:
        """Forget a value; true for the one caller that found it."""
        return self._values.pop(key, None) is not None


class CacheTickets:
    """Tickets in a Django cache that all workers share, such as Redis.

    ``cache`` is ``django.core.cache.cache`` or another of ``caches``. A local-memory cache is not
    shared, and a dummy cache keeps nothing: use neither.
    """

    shared = True

    def __init__(self, cache: Any, *, prefix: str = "rxbridge-ticket:") -> None:
        self._cache = cache
        self._prefix = prefix

    async def put(self, key: str, value: str, lifetime: float) -> None:
        """Keep ``value`` for ``lifetime`` seconds, in whole ones."""
        await self._cache.aset(self._prefix + key, value, timeout=max(1, round(lifetime)))

    async def get(self, key: str) -> str | None:
        """Return a value that has not expired."""
        value: str | None = await self._cache.aget(self._prefix + key)
        return value

    async def delete(self, key: str) -> bool:
        """Forget a value; true for the one caller that found it."""
        return bool(await self._cache.adelete(self._prefix + key))


class CookieHandoff:
    """Take the cookies an event set to the browser, ``HttpOnly`` and all.

    A WebSocket event cannot set a cookie. So the cookies are left under a ticket that goes to
    the page over its socket; the page redeems it with a ``fetch`` to this app, and the reply
    sets them. Then the page confirms, and the connection's jar becomes what the browser has
    shown that it holds. Mount it at its ``path``::

        handoff = CookieHandoff(connections)
        PrefixRouter({handoff.path: handoff, ...})

    A ticket is good once, for ``lifetime`` seconds, in the browser whose socket it was made
    for, and from a page of the same origin. Cookies whose ticket was not redeemed are issued
    again with the next event, also where that is by another socket of the tab. ``tickets`` is
    ``MemoryTickets`` for one worker and ``CacheTickets`` for several.
    ``on_confirmed`` is called, in the connection's worker, with a connection whose jar has become
    what the browser holds, and with the cookies that its browser is known by:
    ``SessionRevoker.confirmed`` is one. Where the tab was gone before it confirmed, it is another,
    closed connection with these cookies, in any worker.

    A cookie whose expiry alone has moved is handed off once it has moved by ``renew_every``
    seconds, or by half of its age where that is less, so it expires in the browser earlier by
    that at most. ``on_conflict`` is awaited with
    a cookie's name, the value an event gave it where the browser had none, and the one the
    browser was given elsewhere meanwhile and keeps; true says that nothing is lost by that.
    """

    def __init__(
        self,
        connections: ConnectionRegistry,
        *,
        tickets: TicketStore | None = None,
        lifetime: float = 10.0,
        path: str = "/_cookies",
        on_confirmed: Callable[[Connection, Iterable[str]], object] | None = None,
        renew_every: float = 60.0,
        on_conflict: Callable[[str, str, str], Awaitable[object]] | None = None,
        on_settled: Callable[[Connection, Iterable[str]], object] | None = None,
    ) -> None:
        if not connections.browser_cookie:
            msg = "A ticket is bound to a browser; make the registry with browser_cookie=True."
            raise ValueError(msg)
        if lifetime <= 0:
            msg = f"lifetime={lifetime} is in seconds and must be positive; write 10."
            raise ValueError(msg)
        if renew_every < 0:
            msg = f"renew_every={renew_every} is in seconds and not negative; write 60."
            raise ValueError(msg)
        if not path.startswith("/") or path.startswith("//"):
            msg = f"path {path!r} must be one of this host, like '/_cookies'."
            raise ValueError(msg)
        if on_settled is not None:
            warn_of_former("CookieHandoff(on_settled=...)", "on_confirmed=")
            on_confirmed = on_settled
        self.path = path
        self.lifetime = lifetime
        self._connections = connections
        self.tickets = tickets if tickets is not None else MemoryTickets()
        self.on_confirmed = on_confirmed
        self._renew_every = renew_every
        self._on_conflict = on_conflict
        self._pending: WeakKeyDictionary[Connection, _Pending] = WeakKeyDictionary()
        self._given: WeakKeyDictionary[Connection, dict[str, _Given]] = WeakKeyDictionary()
        self._tabs: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()
        self._lifespan = LifespanGroup()
        self._watchers: set[asyncio.Task[None]] = set()
        self._watch: asyncio.Task[None] | None = None
        # Django keeps a cache, and its connections, for each context: one for all of these tasks.
        self._context = Context()
        self._bell = _kept("bell", secrets.token_urlsafe(16))
        connections.hand_offs.add(self)

    async def issue(
        self,
        connection: Connection,
        cookies: Mapping[str, str],
        before: Mapping[str, Collection[str | None]] = MappingProxyType({}),
    ) -> str | None:
        """Return a ticket for ``cookies``, name to ``Set-Cookie`` value; ``None`` for none due.

        ``before`` is what the browser may have held under a name when the event began, None
        for nothing; without, it is what ``Connection.held`` says now. A cookie of which the
        browser has another value by then is left alone: it was set elsewhere meanwhile.

        The ticket stands for all cookies of the connection that the browser has not confirmed,
        and replaces the ticket before, so an older value never arrives after a newer one. The
        jar is the caller's to change, and without an ``await`` in between. Raises
        ``ValueError`` for what no header can hold.
        """
        pending = self._pending.get(connection) or _Pending()
        cookies, before = self._due(connection, cookies, before)
        if connection.browser is None or not (cookies or pending.is_overdue(self.lifetime)):
            return None
        pending.add(cookies, before)
        self._pending[connection] = pending
        previous, ticket = pending.ticket, secrets.token_urlsafe(32)
        pending.ticket, pending.jar = ticket, connection.cookies
        tab = self._tabs.get(connection)
        record: dict[str, Any] = {
            "connection": connection.id,
            "browser": connection.browser,
            "bell": self._bell,
            "cookies": pending.cookies,
            "known": pending.known,
            "own": pending.own,
            "marks": pending.marks,
            "tab": tab,
        }
        # Of two tickets at once the later one must find the earlier one's ticket to take it back.
        async with pending.lock:
            if previous:
                await self._empty(previous, pending, record)
            for name in pending.cookies if tab is not None else ():
                mark = await self._mark(connection.browser, name)
                if pending.marks.setdefault(name, mark) != mark and name in cookies:
                    pending.begin_anew(name, before[name], mark)
            await self.tickets.put(_key(ticket), json.dumps(record), self.lifetime)
            if tab is not None:
                left = json.dumps({**record, "ticket": _key(ticket)})
                await self.tickets.put(_kept("tab", tab, connection.browser), left, _AWAY)
        if self.tickets.shared and (self._watch is None or self._watch.done()):
            self._watch = self._spawn(self._look_out())
        return ticket

    offer = Renamed("issue")

    async def resume(self, connection: Connection, tab: str) -> bool:
        """Go on with the cookies that an earlier socket of a tab has left; true if it has.

        ``tab`` is the tab's token. The cookies are then in the jar, and due. What the browser has
        been given elsewhere meanwhile, or has by now, is left out.
        """
        self._tabs[connection] = tab
        pending = _Pending()
        for browser in _counting(connection.browsers):
            stored = await self.tickets.get(_kept("tab", tab, browser))
            left: dict[str, Any] = {"cookies": {}} if stored is None else json.loads(stored)
            for name, cookie in left["cookies"].items():
                held, value = connection.held.get(name), parse_set_cookie(cookie.encode())[1]
                if held == value:
                    continue
                if not await self._may_set(name, left, held):
                    await self._note_losses({name: cookie}, left, connection.held)
                    continue
                pending.cookies[name], pending.known[name] = cookie, left["known"][name]
                pending.own[name] = left["own"][name]
                pending.marks[name] = await self._mark(connection.browser or browser, name)
                with contextlib.suppress(ValueError):  # Beyond what a jar holds: as for the event.
                    connection.put(name, value)
            if not pending.cookies:
                await self.tickets.delete(_kept("tab", tab, browser))
        if pending.cookies:
            pending.issued = -math.inf
            self._pending[connection] = pending
        return bool(pending.cookies)

    def on_set_cookies(self, browsers: Iterable[str], set_cookies: list[SetCookie]) -> None:
        """Take note that an answer changes cookies of a browser; for the registry to call."""
        self._spawn(self._unmark(list(browsers), [name for name, _, _ in set_cookies]))

    async def _mark(self, browser: str, name: str) -> str:
        """Return what stands for a browser's cookie until the browser is given another."""
        key = _kept("mark", name, browser)
        mark = await self.tickets.get(key) or secrets.token_urlsafe(16)
        await self.tickets.put(key, mark, max(_AWAY, self.lifetime))
        return mark

    async def _unmark(self, browsers: Iterable[str], names: Collection[str]) -> None:
        for browser in _counting(browsers):
            for name in names:
                await self.tickets.delete(_kept("mark", name, browser))

    async def _may_set(self, name: str, record: Mapping[str, Any], held: str | None) -> bool:
        """Tell whether a browser that holds ``held`` got nothing else since the ticket.

        What it had before, nothing say, it may hold again after a login and a logout: the mark
        tells. A value that this tab has made is itself the sign.
        """
        value = parse_set_cookie(record["cookies"][name].encode())[1]
        if held == value or (held is not None and _digest(held) in record["own"][name]):
            return True
        mark = record["marks"].get(name)
        return _digest(held) in record["known"][name] and (
            mark is None or mark == await self.tickets.get(_kept("mark", name, record["browser"]))
        )

    def _due(
        self,
        connection: Connection,
        cookies: Mapping[str, str],
        before: Mapping[str, Collection[str | None]],
    ) -> tuple[dict[str, str], dict[str, Collection[str | None]]]:
        """Return the cookies that are more than what the browser has by an earlier hand-off.

        With them what it may have: none where the earlier one has expired.
        """
        given, held = self._given.setdefault(connection, {}), connection.held
        due: dict[str, str] = {}
        known: dict[str, Collection[str | None]] = {}
        for name, cookie in cookies.items():
            new, old = _Given(cookie), given.get(name)
            is_gone = old is not None and old.expires <= time.time()
            is_held = held.get(name) == new.value and not is_gone
            if is_held and old is not None and old.is_near(new, self._renew_every):
                continue
            due[name], given[name] = cookie, new
            values = before.get(name, (held.get(name),))
            known[name] = (*values, None) if is_gone else values
        return due, known

    async def _empty(self, ticket: str, pending: "_Pending", record: dict[str, Any]) -> None:
        """Leave nothing under a ticket that a newer one replaces.

        Its page may be about to redeem it, and a refusal would be an error in its console.
        """
        key = _key(ticket)
        if await self.tickets.delete(key):
            emptied = json.dumps({**record, "cookies": {}, "known": {}})
            await self.tickets.put(key, emptied, self.lifetime)
            pending.emptied.append(key)
            if len(pending.emptied) > _EMPTIED:
                await self.tickets.delete(pending.emptied.popleft())

    def is_due(self, connection: Connection) -> bool:
        """Tell whether cookies are to be issued again: their ticket was not redeemed."""
        pending = self._pending.get(connection)
        return pending is not None and pending.is_overdue(self.lifetime)

    def script(self, ticket: str) -> str:
        """Return JavaScript for the page: redeem ``ticket`` after those before it, and confirm.

        Its value is a promise, kept as ``window.rxbridgeHandoff`` too. It never fails; it is
        true when the browser has the cookies.
        """
        return f"{HAND_OFF}({_js(self.request(ticket))})"

    def request(self, ticket: str) -> dict[str, Any]:
        """Return what ``script`` tells the page of its requests, which is JSON."""
        return {
            "path": self.path,
            "headers": {TICKET_HEADER: ticket},
            "timeout": round(self.lifetime * 1000),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redeem a ticket (POST) or take the receipt for it (PUT); refuse anything else."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        try:
            cookies = await self._answer(scope) if scope["type"] == "http" else None
        except Exception as error:
            _log_silence(error)
            again = {"retry-after": "1"}
            await refuse(scope, receive, send, HTTPStatus.SERVICE_UNAVAILABLE, **again)
            return
        if cookies is None:
            await refuse(scope, receive, send, HTTPStatus.FORBIDDEN)
            return
        answer = Response(None, HTTPStatus.NO_CONTENT, {"cache-control": "no-store"})
        answer.raw_headers += [(b"set-cookie", cookie.encode("ascii")) for cookie in cookies]
        await answer(scope, receive, send)

    async def _answer(self, scope: Scope) -> list[str] | None:
        """Return the cookies to set, or None to refuse: one answer, whatever the reason."""
        headers = lowered(scope["headers"])
        ticket = _ticket(headers)
        if ticket is None or not is_acceptable(headers) or not is_same_origin(scope):
            return None
        scheme = scope.get("scheme", "http")
        browsers, held = split_browsers(parse_cookies(headers), scheme)
        if scope["method"] == "POST":
            return await self._redeem(ticket, browsers, held)
        if scope["method"] == "PUT":
            return await self._confirm(ticket, browsers, held)
        return None

    async def _redeem(
        self, ticket: str, browsers: set[str], held: Mapping[str, str]
    ) -> list[str] | None:
        record = await self._spend(_key(ticket), browsers)
        if record is None:
            return None
        cookies: dict[str, str] = record["cookies"]
        stale = {name for name in cookies if not await self._may_set(name, record, held.get(name))}
        await self._note_losses({name: cookies[name] for name in stale}, record, held)
        if stale:
            logger.warning(
                "Not set, as the browser was given another value elsewhere while the event ran "
                "or its cookies were on their way: %s. The tab goes on with the browser's.",
                ", ".join(sorted(stale)),
            )
            connection = self._connections.get(record["connection"])
            if connection is not None and self._is_current(connection, ticket):
                connection.follow((name, held.get(name), "/") for name in stale)
        kept = {name: record[name] for name in ("connection", "browser", "bell", "tab")}
        given = {name: parse_set_cookie(each.encode())[2] for name, each in cookies.items()}
        receipt = json.dumps({**kept, "given": given, "is_stale": bool(stale)})
        await self.tickets.put(_kept("redeemed", ticket), receipt, self.lifetime)
        fresh = {name: cookie for name, cookie in cookies.items() if name not in stale}
        values = {name: parse_set_cookie(each.encode())[1] for name, each in fresh.items()}
        await self._unmark(browsers, [name for name in values if held.get(name) != values[name]])
        if fresh and self.on_confirmed is not None:
            self._spawn(self._finish_without_tab(ticket, browsers, {**held, **values}))
        return list(fresh.values())

    async def _note_losses(
        self, stale: Mapping[str, str], record: Mapping[str, Any], held: Mapping[str, str]
    ) -> None:
        """Take note, for the tab's next page, if a value that an event made comes to nothing."""
        for name, cookie in stale.items():
            value, known = parse_set_cookie(cookie.encode())[1], record["known"][name]
            if value is None or known[0] == _digest(value):
                continue
            is_begun = name in held and {*known} == {_digest(None), _digest(value)}
            ask = self._on_conflict if is_begun else None
            is_lost = ask is None or not await ask(name, value, held[name])
            if is_lost and record["tab"] is not None:
                await self.tickets.put(_kept("lost", record["tab"], record["browser"]), "", _AWAY)

    async def has_lost(self, connection: Connection, tab: str) -> bool:
        """Tell, once, whether a tab's events have set a cookie in vain: the browser got another."""
        keys = [_kept("lost", tab, browser) for browser in _counting(connection.browsers)]
        return any([await self.tickets.delete(key) for key in keys])

    async def _confirm(
        self, ticket: str, browsers: set[str], held: dict[str, str]
    ) -> list[str] | None:
        jars = {each: each.cookies for each in self._connections if each.browser in browsers}
        record = await self._spend(_kept("redeemed", ticket), browsers)
        if record is None:
            return None
        await self._forget(record, ticket)
        connection = self._connections.get(record["connection"])
        if connection is not None:
            before = jars.get(connection, connection.cookies)
            stale = record["is_stale"]
            self._finish(connection, ticket, held, browsers, before=before, is_stale=stale)
        else:
            receipt = json.dumps([held, sorted(browsers), record["is_stale"]])
            await self.tickets.put(_kept("held", ticket), receipt, self.lifetime)
            await self.tickets.put(record["bell"], secrets.token_urlsafe(16), self.lifetime)
        # The browser's other tabs, and a tab whose socket is a new one meanwhile.
        given = [(name, held.get(name), path) for name, path in record["given"].items()]
        for other in jars:
            if other not in self._pending:
                _let_follow(other, given)
        return []

    async def _forget(self, record: Mapping[str, Any], ticket: str) -> None:
        """Have nothing left for the tab's next socket, unless it is of a newer ticket."""
        if record["tab"] is None:
            return
        key = _kept("tab", record["tab"], record["browser"])
        stored = await self.tickets.get(key)
        if stored is not None and json.loads(stored)["ticket"] == _key(ticket):
            await self.tickets.delete(key)

    async def _spend(self, key: str, browsers: set[str]) -> dict[str, Any] | None:
        """Take the record under ``key``, if this browser may and nobody has yet."""
        stored = await self.tickets.get(key)
        if stored is None:
            return None
        record: dict[str, Any] = json.loads(stored)
        if not _is_among(record["browser"], browsers):
            if not browsers:
                logger.warning(
                    "A ticket was shown by a browser without the cookie it is known by. If that "
                    "goes on: in a frame of another site, browsers send none but with "
                    "ConnectionRegistry(browser_cookie_samesite='None') over https, and some "
                    "only with browser_cookie_partitioned=True. Elsewhere, the server drops the "
                    "headers of websocket.accept, as granian does: wrap the app of the pages "
                    "with ConnectionRegistry.identify_browsers()."
                )
            return None
        return record if await self.tickets.delete(key) else None

    def _finish(
        self,
        connection: Connection,
        ticket: str,
        held: Mapping[str, str],
        browsers: Iterable[str],
        *,
        before: Mapping[str, str],
        is_stale: bool,
    ) -> None:
        if not self._is_current(connection, ticket):
            return  # A newer ticket is on its way; its receipt is the one that counts.
        del self._pending[connection]
        _catch_up(connection, held, before)
        if self.on_confirmed is not None:
            self.on_confirmed(connection, browsers)
        if is_stale:  # What the page shows may be of a session that is not its.
            connection.close()

    def _is_current(self, connection: Connection, ticket: str) -> bool:
        pending = self._pending.get(connection)
        return pending is not None and pending.ticket == ticket

    def _spawn(self, watch: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        watcher = asyncio.get_running_loop().create_task(watch, context=self._context)
        self._watchers.add(watcher)
        watcher.add_done_callback(self._end_watch)
        return watcher

    def _end_watch(self, watcher: asyncio.Task[None]) -> None:
        self._watchers.discard(watcher)
        if not watcher.cancelled() and (error := watcher.exception()) is not None:
            _log_silence(error)

    async def _finish_without_tab(
        self, ticket: str, browsers: set[str], held: Mapping[str, str | None]
    ) -> None:
        """Tell what the browser holds by now, if no worker has the tab that is to confirm it."""
        await asyncio.sleep(_PATIENCE)
        waits = [await self.tickets.get(_kept(what, ticket)) for what in ("redeemed", "held")]
        if waits == [None, None] or self.on_confirmed is None:
            return
        gone = Connection({"type": "websocket", "path": self.path, "headers": []})
        gone.detach()
        gone.replace_cookies({name: raw for name, raw in held.items() if raw is not None})
        self.on_confirmed(gone, browsers)

    async def _look_out(self) -> None:
        """Wait for the receipts that other workers take for connections of this one.

        One look for all: whoever takes a receipt rings this worker's bell.
        """
        heard, now = None, dict[Connection, Mapping[str, str]]()
        while any(map(self._may_hear_of, self._pending)):
            await asyncio.sleep(_POLL)
            # What the browser has just shown, it has shown since the last look.
            before, now = now, {each: each.cookies for each in self._pending}
            bell = await self.tickets.get(self._bell)
            if bell == heard:
                continue
            heard = bell
            # Those too whose tickets were issued since, and may have been redeemed already.
            due = [each for each in self._pending.items() if self._may_hear_of(each[0])]
            for connection, pending in due:
                ticket, jar = pending.ticket, before.get(connection, pending.jar)
                if (receipt := await self.tickets.get(_kept("held", ticket))) is not None:
                    held, browsers, stale = json.loads(receipt)
                    self._finish(connection, ticket, held, browsers, before=jar, is_stale=stale)
                    await self.tickets.delete(_kept("held", ticket))

    def _may_hear_of(self, connection: Connection) -> bool:
        return not (connection.closed or self._pending[connection].is_overdue(2 * self.lifetime))


def _log_silence(error: BaseException) -> None:
    logger.warning("The store of tickets does not answer: %r", error)


def _catch_up(connection: Connection, shown: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Make the jar what the browser has shown, but for what it was given since then.

    ``before`` is the jar as it was when the browser showed that.
    """
    now = connection.cookies
    since = {name for name in {*before, *now} if before.get(name) != now.get(name)}
    jar = {name: value for name, value in shown.items() if name not in since}
    connection.replace_cookies(jar | {name: now[name] for name in since if name in now})


def _let_follow(connection: Connection, given: list[SetCookie]) -> None:
    """Take out what its browser has no more; have it come back for what it never had.

    Not for another value: each event may set one, and two tabs would never come to rest.
    """
    connection.follow(each for each in given if each[1] is None)
    if connection.lacks(each for each in given if each[0] not in connection.cookies):
        connection.close()


class _Given:
    """A cookie as it was last handed off: when it expires, and all it has besides."""

    __slots__ = ("expires", "rest", "value")

    def __init__(self, cookie: str) -> None:
        pair, said = split_set_cookie(cookie.encode())
        self.value = pair[1]
        self.expires = expiry_of(cookie.encode())
        kept = {name: of for name, of in said.items() if name not in ("expires", "max-age")}
        self.rest = (pair, kept)

    def is_near(self, other: "_Given", seconds: float) -> bool:
        """Tell whether ``other`` is the same but for so many seconds, or less than half its age."""
        if self.rest != other.rest or self.expires == other.expires:
            return self.rest == other.rest
        age = other.expires - time.time()
        return abs(self.expires - other.expires) < min(seconds, age / 2)


_EMPTIED = 8
"""Replaced tickets that a connection's page may still redeem, for nothing; beyond it the oldest
goes, so that nobody's events crowd others' tickets out of the store."""


def _counting(browsers: Iterable[str]) -> list[str]:
    """Return those of the cookies to know a browser by that count: an honest one shows a few."""
    return sorted(browsers)[:8]


_KNOWN = 32
"""Values of a pending cookie that its browser may have by our doing, the newest first."""


@dataclass(slots=True)
class _Pending:
    """The cookies of one connection that its browser has not confirmed, and their ticket."""

    cookies: dict[str, str] = field(default_factory=dict[str, str])
    known: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    own: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    marks: dict[str, str] = field(default_factory=dict[str, str])
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    issued: float = field(default_factory=time.monotonic)
    ticket: str = ""
    jar: Mapping[str, str] = field(default_factory=dict[str, str])
    emptied: deque[str] = field(default_factory=deque[str])

    def add(self, cookies: Mapping[str, str], before: Mapping[str, Collection[str | None]]) -> None:
        """Take more cookies; ``known`` is all that the browser can have of each by our doing."""
        merged = {**self.cookies, **cookies}
        _check_cookies(merged.values())
        self.cookies = merged
        for name, cookie in cookies.items():
            own = _digest(parse_set_cookie(cookie.encode())[1])
            values = [*map(_digest, before[name]), own, *self.known.get(name, ())]
            self.known[name] = list(dict.fromkeys(values))[:_KNOWN]
            self.own[name] = list(dict.fromkeys([own, *self.own.get(name, ())]))[:_KNOWN]
        self.issued = time.monotonic()

    def begin_anew(self, name: str, before: Iterable[str | None], mark: str) -> None:
        """Forget what a browser had that was given another value since.

        An event that began with what an earlier one made does not know what the browser has.
        """
        had, own = [*map(_digest, before)], self.own[name]
        self.known[name] = [*([each for each in had if each in own] or had), own[0]]
        self.marks[name] = mark

    def is_overdue(self, lifetime: float) -> bool:
        return time.monotonic() - self.issued > lifetime


def _ticket(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    tickets = [value for name, value in headers if name == TICKET_HEADER.encode()]
    if len(tickets) != 1 or len(tickets[0]) != _TICKET_LENGTH:
        return None
    return tickets[0].decode("latin-1")


def _key(ticket: str) -> str:
    # Who reads the store cannot redeem what is in it.
    return hashlib.sha256(ticket.encode()).hexdigest()


def _digest(value: str | None) -> str:
    return "" if value is None else hashlib.sha256(value.encode()).hexdigest()[:32]


def _kept(what: str, *of: str) -> str:
    return f"{what}:{_key(' '.join(of))}"


def _is_among(browser: str, shown: Iterable[str]) -> bool:
    return any(secrets.compare_digest(other.encode(), browser.encode()) for other in shown)


def _check_cookies(cookies: Iterable[str]) -> None:
    size = count = 0
    for cookie in cookies:
        count, size = count + 1, size + len(cookie)
        if not (cookie.isascii() and cookie.isprintable()):
            name = cookie.partition("=")[0][:40]
            msg = f"Cookie {name!r} cannot be a header: only printable ASCII can; quote its value."
            raise ValueError(msg)
    if count > MAX_COOKIES or size > MAX_HEADER_BYTES:
        msg = f"At most {MAX_COOKIES} cookies of {MAX_HEADER_BYTES} bytes can be handed off."
        raise ValueError(msg)


def _js(value: object) -> str:
    # JSON is JavaScript; inside a script element "</script>" would still end it.
    return json.dumps(value).replace("<", "\\u003c")
