"""ConnectionRegistry: keep what a handshake said, cookies above all, outside of Reflex."""

import asyncio
import contextlib
import math
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from email.utils import mktime_tz, parsedate_tz
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Literal, Protocol, get_args
from weakref import WeakSet, WeakValueDictionary

from rxbridge._renamed import Renamed
from rxbridge.asgi._refusal import refuse
from rxbridge.asgi._types import ASGIApp, Message, Receive, Scope, Send

CONNECTION_HEADER = b"x-rxbridge-connection"
"""The header that names the connection to the wrapped app; a client's own is dropped."""

CONNECTION_SCOPE_KEY = "rxbridge.connection"
"""The key of the ``Connection`` in the scope of the wrapped app."""

SERVICE_RESTART = 1012
"""WebSocket close code "service restart": the client is asked to come back (IANA registry)."""

BROWSER_COOKIE = "rxbridge_browser_"
"""How the name of the cookie begins that a browser is known by; ``__Host-`` before it over TLS."""

MAX_COOKIES = 200
MAX_HEADER_BYTES = 64 * 1024

# What makes a browser refuse the cookie from a subdomain or over plain http (RFC 6265bis, 4.1.3).
_HOST_PREFIX = "__Host-"

_SECURE_SCHEMES = ("wss", "https")

# 24 random bytes in base64url.
_MIN_BROWSER_VALUE = 32

# The tabs that a new browser opens at once are given one each, maybe by several workers.
_KEPT_BROWSERS = 2
# As far as one answer goes: what a request shows is anybody's word, and all workers are told.
_TAKEN_BACK = 50

GRACE = 0.3
"""Seconds a browser has to take an answer's cookies, before its sockets come back with them."""

# A peer that reads nothing must not keep a closed connection's task alive (seconds).
_CLOSE_TIMEOUT = 5.0

_PONG = "3"  # Engine.IO's packet, which is all of the message

# What each browser sends, held once for all sockets.
_NAMES = {
    name: name
    for name in (
        b"accept-encoding accept-language cache-control connection cookie host origin pragma "
        b"sec-websocket-extensions sec-websocket-key sec-websocket-protocol sec-websocket-version "
        b"upgrade user-agent x-forwarded-for x-forwarded-proto x-real-ip"
    ).split()
}

Headers = tuple[tuple[bytes, bytes], ...]

SameSite = Literal["Lax", "Strict", "None"]

SetCookie = tuple[str, str | None, str]
"""The name of a cookie, its value or ``None`` where it is deleted, and its path."""

current_connection: ContextVar["Connection | None"] = ContextVar(
    "rxbridge.current_connection", default=None
)
"""The connection whose socket or request the running task serves.

Never read it inside an event handler. A task keeps the context it was created in, and Reflex
creates the tasks of events in its queue, far from the socket: there it is None, or another
visitor's. A context captured while the event was *enqueued* has the right one.
"""


class Connection:
    """One socket, or one HTTP request while it is served: its handshake and its cookie jar.

    - ``id``: unguessable; the server's parts find this connection by it, so it is not to be
      logged. Of no use to a client: what one sends under that name is dropped.
    - ``kind``: ``"websocket"`` or ``"http"``.
    - ``headers``: as received, names in lower case, without ``cookie``.
    - ``client``, ``server``: as in the ASGI scope.
    - ``network``: what one client can have its addresses of: an IPv4 address, or 64 bits of IPv6.
    - ``browser``: the cookie its browser is known by to ``CookieHandoff``, as ``name=value``, or
      None. A secret as the session cookie is, and not in the jar.
    - ``browsers``: all of that kind that it showed and that count; two first tabs make two.
    - ``cookies``: the jar as it is now, raw values by name, quoted as the browser sent them.
    - ``held``: what the browser is known to hold, the jar without what events have changed since.
    - ``closed``: it ended, or ``close`` was called; ``closed_at``: when, by ``time.monotonic()``.
    - ``pongs``: how many of Engine.IO's pings its socket's client has answered.

    Attributes are read-only by convention; all methods may be called from any thread.
    """

    __slots__ = (
        "__weakref__",
        "_closer",
        "_cookie_header",
        "browser",
        "browsers",
        "client",
        "closed",
        "closed_at",
        "cookies",
        "headers",
        "held",
        "id",
        "kind",
        "network",
        "path",
        "pongs",
        "root_path",
        "scheme",
        "server",
    )

    # One for all connections: it is held for a moment, and each would keep memory for its own.
    # Reentrant, as the garbage collector may end one while this thread holds it for another.
    _lock = threading.RLock()

    def __init__(self, scope: Scope, *, closer: Callable[[int, str], object] | None = None) -> None:
        headers = lowered(scope["headers"])
        self.id = secrets.token_urlsafe(32)
        self.kind: Literal["websocket", "http"] = scope["type"]
        self.scheme: str = scope.get("scheme") or ("ws" if self.kind == "websocket" else "http")
        self.path: str = scope["path"]
        self.root_path: str = scope.get("root_path") or ""
        self.headers: Headers = tuple(pair for pair in headers if pair[0] != b"cookie")
        self.client: tuple[str, int] | None = _address(scope.get("client"))
        self.network = _network(self.client[0]) if self.client else ""
        self.server: tuple[str, int | None] | None = _address(scope.get("server"))
        self.closed = False
        self.closed_at: float | None = None
        self.pongs = 0
        browsers, cookies = split_browsers(parse_cookies(headers), self.scheme)
        self.browsers = tuple(sorted(browsers))
        self.browser: str | None = min(browsers, default=None)
        self._closer = closer
        self.cookies: Mapping[str, str] = MappingProxyType(cookies)
        self.held: Mapping[str, str] = self.cookies
        self._cookie_header: str | None = None

    def __repr__(self) -> str:
        state = "closed" if self.closed else "open"
        return f"<Connection {self.id[:4]}… {self.kind} {state}>"

    @property
    def cookie_header(self) -> str:
        """The jar as the value of a ``Cookie`` header; empty when there are no cookies."""
        with self._lock:
            if self._cookie_header is None:
                self._cookie_header = "; ".join(map(_cookie_pair, self.cookies.items()))
            return self._cookie_header

    def set_cookie(self, name: str, value: str) -> None:
        """Put a cookie into the jar, for the events that follow; the browser gets none.

        Raises ``ValueError`` for what no ``Cookie`` header can hold and for a jar that would
        exceed ``MAX_COOKIES`` or ``MAX_HEADER_BYTES``.
        """
        _check_cookie(name, value)
        with self._lock:
            cookies = {**self.cookies, name: value}
            if not _fits(cookies):
                msg = (
                    f"The jar holds at most {MAX_COOKIES} cookies and {MAX_HEADER_BYTES} bytes; "
                    "delete cookies that are no longer needed."
                )
                raise ValueError(msg)
            self._replace(cookies)

    def delete_cookie(self, name: str) -> None:
        """Take a cookie out of the jar, if it is there."""
        with self._lock:
            self._replace({key: raw for key, raw in self.cookies.items() if key != name})

    def put(self, name: str, value: str | None) -> None:
        """Put a cookie into the jar as an answer sets it, or with None take it out."""
        if value is None:
            self.delete_cookie(name)
        else:
            self.set_cookie(name, value)

    def replace_cookies(self, cookies: Mapping[str, str]) -> None:
        """Make the jar what a request has just shown that the browser holds."""
        with self._lock:
            self._replace(dict(cookies))
            self.held = self.cookies

    def follow(self, set_cookies: Iterable["SetCookie"]) -> None:
        """Take over what an answer to this browser sets, as far as it is for the socket's path."""
        for name, value, path in set_cookies:
            if not is_below(self.path, path):
                continue
            if self.cookies.get(name) != value:
                try:
                    self.put(name, value)
                except ValueError:
                    continue  # What no header can hold stays the browser's.
            with self._lock:
                held = {key: raw for key, raw in self.held.items() if key != name}
                self.held = MappingProxyType(held if value is None else {**held, name: value})

    def lacks(
        self,
        set_cookies: Iterable["SetCookie"],
        told: Callable[[str, str | None], str | None] = lambda _, value: value,
    ) -> bool:
        """Tell whether an answer to this browser set what neither the jar nor ``held`` has.

        ``told`` makes of a name and a value what ``set_cookies`` has as the value.
        """
        jars = (self.held, self.cookies)
        return any(
            is_below(self.path, path) and value not in [told(name, jar.get(name)) for jar in jars]
            for name, value, path in set_cookies
        )

    def close(self, *, code: int = SERVICE_RESTART, reason: str = "") -> bool:
        """Close the socket; False when it is closed already or is no socket.

        Returns at once; the event loop of the socket does the work. Reflex's client reconnects
        by itself after any ``code``. A socket that is not accepted yet is refused with 403.
        Raises ``ValueError`` for a code or reason that a close frame cannot hold.
        """
        _check_close(code, reason)
        closer = self.detach()
        if closer is None:
            return False
        # The loop is closed when the server has stopped, and with it the socket.
        with contextlib.suppress(RuntimeError):
            closer(code, reason)
        return True

    def detach(self) -> Callable[[int, str], object] | None:
        """Mark as closed and let go of the socket; the first caller gets what closes it.

        For the registry. A connection kept by a queued event holds no part of the server.
        """
        with self._lock:
            if not self.closed:
                self.closed, self.closed_at = True, time.monotonic()
            closer, self._closer = self._closer, None
            return closer

    def _replace(self, cookies: dict[str, str]) -> None:
        # A new mapping for a change: one handed out earlier never changes under its reader.
        if cookies != self.cookies:
            self.cookies = MappingProxyType(cookies)
            self._cookie_header = None


class Follower(Protocol):
    """What is told which cookies an answer to a browser sets; see ``SessionRevoker``.

    It closes the browser's sockets that lack them, when no event of theirs is running.
    """

    def on_set_cookies(self, browsers: Iterable[str], set_cookies: list[SetCookie], /) -> None: ...


class ConnectionRegistry:
    """Give every socket and every HTTP request of the apps it wraps a ``Connection``.

    The wrapped app gets a copy of the scope without ``cookie`` headers (``keep_cookies=True``
    leaves them) and with the id of the connection in the header ``x-rxbridge-connection``, so
    session cookies cannot get into Reflex's state, while an event can be traced to them. Such a
    header sent by a client is dropped. Requests with more than 64 KiB of headers or more than
    200 cookies are refused with 431, which for a WebSocket is 403::

        connections = ConnectionRegistry()
        reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))

    A browser that opens a socket is given a cookie that it is known by when it redeems a ticket
    of ``CookieHandoff``; ``browser_cookie=False`` leaves that out. See ``identify_browsers`` for
    servers that cannot set a cookie there. ``browser_cookie_samesite="None"`` is for pages in a
    frame of another site, over https; ``browser_cookie_partitioned`` gives each site its own.

    Holds one process's connections; ``followers``, held weakly, are told what browsers are given,
    for those of other processes too. An open socket is held by the registry; afterwards ``get``
    finds its connection only as long as something else, such as a queued event, holds it.
    """

    def __init__(
        self,
        *,
        keep_cookies: bool = False,
        browser_cookie: bool = True,
        browser_cookie_samesite: SameSite = "Lax",
        browser_cookie_partitioned: bool = False,
    ) -> None:
        self._keep_cookies = keep_cookies
        self.browser_cookie = browser_cookie
        self._attributes = _attributes(browser_cookie_samesite, browser_cookie_partitioned)
        self.followers: WeakSet[Follower] = WeakSet()
        self.hand_offs: WeakSet[Follower] = WeakSet()
        self._open: dict[str, Connection] = {}
        # Those of requests, and of sockets that have closed.
        self._held: WeakValueDictionary[str, Connection] = WeakValueDictionary()

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Return the ASGI app that serves ``app`` with connections."""

        async def connected(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] not in ("http", "websocket"):
                await app(scope, receive, send)
                return
            if not is_acceptable(scope["headers"]):
                status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
                await refuse(scope, receive, send, status)
                return
            socket = None
            if scope["type"] == "websocket":
                socket = _Socket(scope, receive, send, on_end=self._forget)
                receive, send = socket.receive, socket.send
            connection = self._begun(scope, socket)
            token = current_connection.set(connection)
            try:
                # Not in another function: each idle socket would keep its frame.
                await app(self._named(scope, connection), receive, send)
            finally:
                if socket is not None:
                    await socket.finish()
                self._forget(connection)
                current_connection.reset(token)

        return connected

    def _begun(self, scope: Scope, socket: "_Socket | None") -> Connection:
        """Return the connection of a request, or of a socket that is open from now on."""
        if socket is None:
            connection = Connection(scope)
            self._held[connection.id] = connection
        else:
            connection = socket.connection
            socket.browser_cookie = self._make_known(connection)
            self._open[connection.id] = connection
        return connection

    def identify_browsers(self, app: ASGIApp) -> ASGIApp:
        """Return the ASGI app that serves ``app`` to browsers which sockets are known by.

        What an answer deletes with ``Set-Cookie`` is gone from the jars of the same browser's
        open sockets at once; for what it sets they come back, so a tab soon has the session that
        a view has begun.
        A browser that asks for a page and shows no cookie to be known by is given one with the
        answer, for servers that drop the headers of ``websocket.accept``, as granian 2.8 does; of
        one that shows more than two, those are taken back that no socket here needs. Wrap all
        that answers HTTP::

            application = connections.identify_browsers(PrefixRouter(routes, default=pages))
        """

        async def followed(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            own = [(b"set-cookie", cookie) for cookie in self._browser_cookies(scope)]

            async def send_and_follow(message: Message) -> None:
                if message["type"] == "http.response.start":
                    if set_cookies := _set_cookies(message):
                        self._follow(scope, set_cookies)
                    if own:  # A cache must not give two visitors one cookie.
                        message = _with_headers(message, *own, (b"cache-control", b"private"))
                await send(message)

            await app(scope, receive, send_and_follow)

        return followed

    introduce = Renamed("identify_browsers")

    def _make_known(self, connection: Connection) -> bytes | None:
        """Make up the cookie that a browser without one will be known by; return what sets it."""
        if not self.browser_cookie or connection.browser is not None:
            return None
        connection.browser, set_cookie = _browser_cookie(
            connection.scheme, connection.headers, self._attributes
        )
        return set_cookie

    def _browser_cookies(self, scope: Scope) -> list[bytes]:
        """Return what gives a new browser its cookie, or takes surplus ones back."""
        headers = lowered(scope["headers"])
        cookies, scheme = parse_cookies(headers), scope.get("scheme", "http")
        if not split_browsers(cookies, scheme)[0] and _wants_page(headers):
            return [_browser_cookie(scheme, headers, self._attributes)[1]]
        # The oldest stay: a socket is known by the oldest it has shown, so its own is among them,
        # unless it showed none or one of several that were given at once.
        surplus = sorted(_shown_browsers(cookies))[_KEPT_BROWSERS:_TAKEN_BACK]
        in_use = {connection.browser for connection in self} if surplus else set()
        gone = [browser for browser in surplus if browser not in in_use]
        for follower in self.followers if gone else ():
            # No jar has them, so tabs elsewhere that are known by one of them come back.
            follower.on_set_cookies(gone, [(each.partition("=")[0], "", "/") for each in gone])
        return [_farewell(browser, self._attributes) for browser in gone]

    def _follow(self, scope: Scope, set_cookies: list[SetCookie]) -> None:
        """Have the browser's sockets follow what an answer sets."""
        # No value goes into a jar by the cookie a browser is known by: who used the browser before
        # may have noted it, or planted it, and would be given the next one's session.
        cookies = parse_cookies(lowered(scope["headers"]))
        browsers, held = split_browsers(cookies, scope.get("scheme", "http"))
        tabs = [each for each in self if each.browser in browsers] if browsers else []
        for tab in tabs:
            tab.follow(each for each in set_cookies if each[1] is None)
        changed = [each for each in set_cookies if held.get(each[0]) != each[1]]
        if not browsers or not changed:
            return
        for follower in (*self.hand_offs, *self.followers):
            follower.on_set_cookies(browsers, changed)
        for tab in () if self.followers else tabs:
            asyncio.get_running_loop().call_later(GRACE, _close_if_lacking, tab, changed)

    def get(self, connection_id: str) -> Connection | None:
        """Return the connection with this id, if it is open or still held by someone."""
        return self._open.get(connection_id) or self._held.get(connection_id)

    def __len__(self) -> int:
        """Return how many sockets are open."""
        return len(self._open)

    def __iter__(self) -> Iterator[Connection]:
        """Iterate over the open sockets of this moment; others may come and go meanwhile."""
        return iter(list(self._open.values()))

    def __bool__(self) -> bool:
        """A registry without sockets is still a registry."""
        return True

    def close(
        self,
        where: Callable[[Connection], bool],
        *,
        code: int = SERVICE_RESTART,
        reason: str = "",
    ) -> int:
        """Close the open sockets for which ``where`` is true and return how many there were.

        See ``Connection.close``. May be called from any thread, so also from a Django view.
        """
        _check_close(code, reason)
        return sum(
            connection.close(code=code, reason=reason) for connection in self if where(connection)
        )

    @contextlib.contextmanager
    def open(
        self,
        *,
        headers: Iterable[tuple[bytes, bytes]] = (),
        cookies: Mapping[str, str] = MappingProxyType({}),
        scheme: str = "ws",
        client: tuple[str, int] | None = ("127.0.0.1", 0),
        path: str = "/_event/",
    ) -> Generator[Connection]:
        """Register a connection without a socket for the length of a ``with`` block, for tests."""
        scope: Scope = {
            "type": "websocket",
            "scheme": scheme,
            "path": path,
            "headers": list(headers),
            "client": client,
        }
        connection = Connection(scope, closer=lambda _code, _reason: self._forget(connection))
        for name, value in cookies.items():
            connection.set_cookie(name, value)
        connection.replace_cookies(connection.cookies)
        self._make_known(connection)
        self._open[connection.id] = connection
        try:
            yield connection
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        connection.detach()
        self._held[connection.id] = connection
        self._open.pop(connection.id, None)

    def _named(self, scope: Scope, connection: Connection) -> Scope:
        """A copy of ``scope`` that names its connection and has no cookies."""
        headers = lowered(scope["headers"]) if self._keep_cookies else connection.headers
        headers = [*headers, (CONNECTION_HEADER, connection.id.encode("ascii"))]
        # On a Unix socket there is no client's address, which Reflex counts on.
        client = scope.get("client") or ("", 0)
        return {**scope, "headers": headers, "client": client, CONNECTION_SCOPE_KEY: connection}


_NOT_CLOSED: Message = {}  # One for all sockets.


class _Socket:
    """The two ends of one WebSocket, with a way to close it from outside of the wrapped app.

    Closing tells both sides: the client gets a close frame, the app a disconnect, and what the
    app still sends is dropped.
    """

    __slots__ = (
        "_connected",
        "_disconnect",
        "_ended",
        "_farewell",
        "_loop",
        "_on_end",
        "_receive",
        "_send",
        "_waiting",
        "browser_cookie",
        "connection",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, on_end: Callable[[Connection], None]
    ) -> None:
        self.connection = Connection(scope, closer=self._close_threadsafe)
        self._receive = receive
        self._send = send
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._connected = False
        self._ended = False
        self._disconnect = _NOT_CLOSED  # from outside
        self._waiting: asyncio.Timeout | None = None
        self._farewell: asyncio.Task[None] | None = None
        self.browser_cookie: bytes | None = None

    async def receive(self) -> Message:
        if not self._connected:
            # The app is owed a connect even when the socket is closed already.
            self._connected = True
            return self._seen(await self._receive())
        if self._disconnect:
            return self._disconnect
        try:
            # Not for the time: a timeout can be rescheduled to now, which is how close() wakes
            # the app without a task per message.
            async with asyncio.timeout(None) as self._waiting:
                return self._seen(await self._receive())
        except TimeoutError:
            if not self._disconnect:
                raise
            return self._disconnect
        finally:
            self._waiting = None

    async def send(self, message: Message) -> None:
        if self._disconnect:
            return
        try:
            if message["type"] == "websocket.close":
                self._end()
            elif message["type"] == "websocket.accept" and self.browser_cookie is not None:
                message = _with_headers(message, (b"set-cookie", self.browser_cookie))
                self.browser_cookie = None
            await self._send(message)
        except Exception:
            # Servers raise when the client is gone. An app told of a disconnect knows already.
            if not self._disconnect:
                raise

    def _close_threadsafe(self, code: int, reason: str) -> None:
        self._loop.call_soon_threadsafe(self._close, code, reason)

    async def finish(self) -> None:
        """Let the close frame go out; to be awaited when the app has returned."""
        self._ended = True
        if self._farewell is not None:
            await asyncio.wait({self._farewell}, timeout=_CLOSE_TIMEOUT)
            self._farewell.cancel()

    def _close(self, code: int, reason: str) -> None:
        if self._ended:
            return
        self._end()
        self._disconnect = {"type": "websocket.disconnect", "code": code, "reason": reason}
        self._farewell = self._loop.create_task(self._say_farewell(code, reason))
        if self._waiting is not None:
            self._waiting.reschedule(self._loop.time())

    async def _say_farewell(self, code: int, reason: str) -> None:
        # A client that has just gone makes the server raise; then there is nobody to tell.
        with contextlib.suppress(Exception):
            await self._send({"type": "websocket.close", "code": code, "reason": reason})

    def _seen(self, message: Message) -> Message:
        self.connection.pongs += message.get("text") == _PONG
        if message["type"] == "websocket.disconnect":
            self._end()
        return message

    def _end(self) -> None:
        self._ended = True
        self._on_end(self.connection)


def lowered(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Names in lower case, and no ``CONNECTION_HEADER`` from the client.

    uvicorn hands a WebSocket's header names on as they were written. An underscore makes the same
    name in WSGI-like environments, Socket.IO's among them.
    """
    pairs: list[tuple[bytes, bytes]] = []
    for name, value in headers:
        lower = bytes(name).lower()
        if lower.strip().replace(b"_", b"-") != CONNECTION_HEADER:
            pairs.append((_NAMES.get(lower, lower), bytes(value)))
    return pairs


def _address(address: Any) -> Any:
    # Servers hand out lists and tuples; over a Unix socket there is no client address.
    return tuple(address) if address else None


@lru_cache(maxsize=1024)
def _network(host: str) -> str:
    """Return the address, or of IPv6 the 64 bits that a client cannot choose; empty for none."""
    try:
        address = ip_address(host)
    except ValueError:
        return ""
    if address.version == 4:
        return str(address)
    return str(address.ipv4_mapped or address.packed[:8].hex())


def split_browsers(
    cookies: Mapping[str, str], scheme: str = "http"
) -> tuple[set[str], dict[str, str]]:
    """Split off the cookies the browser is known by, as ``name=value``; return the rest too.

    Those without ``__Host-`` may be a subdomain's. They count only where there is no other, and
    not where the server knows of TLS. One behind a proxy may not, and gives them to browsers.
    """
    shown = _shown_browsers(cookies)
    safe = {each for each in shown if each.startswith(_HOST_PREFIX)}
    rest = {name: value for name, value in cookies.items() if not _names_browser(name)}
    return (safe if safe or scheme in _SECURE_SCHEMES else shown), rest


def _shown_browsers(cookies: Mapping[str, str]) -> set[str]:
    return {
        f"{name}={value}"
        for name, value in cookies.items()
        if _names_browser(name) and len(value) >= _MIN_BROWSER_VALUE
    }


def _close_if_lacking(connection: Connection, set_cookies: list[SetCookie]) -> None:
    if connection.lacks(set_cookies):
        connection.close()


def _names_browser(name: str) -> bool:
    return name.removeprefix(_HOST_PREFIX).startswith(BROWSER_COOKIE)


def _attributes(same_site: SameSite, partitioned: bool) -> tuple[str, str]:
    """Return what the cookie that a browser is known by is set with over http, and over TLS."""
    if same_site not in get_args(SameSite):
        msg = f"browser_cookie_samesite={same_site!r}: write 'Lax', 'Strict' or 'None'."
        raise ValueError(msg)
    if partitioned and same_site != "None":
        msg = "browser_cookie_partitioned is for frames: write browser_cookie_samesite='None' too."
        raise ValueError(msg)
    # No browser takes SameSite=None or Partitioned without Secure.
    plain = "SameSite=Lax" if same_site == "None" else f"SameSite={same_site}"
    return plain, f"SameSite={same_site}; Secure{'; Partitioned' if partitioned else ''}"


def _browser_cookie(
    scheme: str, headers: Iterable[tuple[bytes, bytes]], attributes: Sequence[str]
) -> tuple[str, bytes]:
    """Make up a cookie to know a browser by; return it and its ``Set-Cookie`` value.

    A new visitor's two tabs are given two, of different names: neither replaces the other's. In
    their order they are of age, those of one second too.
    """
    secure = _is_secure(scheme, headers)
    prefix = _HOST_PREFIX if secure else ""
    name = f"{prefix}{BROWSER_COOKIE}{time.time_ns():016x}"
    browser = f"{name}={secrets.token_urlsafe(24)}"
    return browser, f"{browser}; Path=/; HttpOnly; {attributes[secure]}".encode("ascii")


def _farewell(browser: str, attributes: Sequence[str]) -> bytes:
    """Return the ``Set-Cookie`` value that deletes a cookie to know a browser by."""
    name = browser.partition("=")[0]
    own = attributes[name.startswith(_HOST_PREFIX)]
    # As it was read: its name may be anything, for a sibling subdomain may have set it.
    return f"{name}=; Path=/; Max-Age=0; {own}".encode("latin-1")


def _is_secure(scheme: str, headers: Iterable[tuple[bytes, bytes]]) -> bool:
    # Behind a proxy that ends TLS the scheme is ws, but the page's origin is the browser's word.
    origin = next((value for name, value in headers if name == b"origin"), b"")
    return scheme in _SECURE_SCHEMES or origin.lower().startswith(b"https://")


def _wants_page(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name.lower() == b"accept" and b"text/html" in value for name, value in headers)


def _set_cookies(message: Message) -> list[SetCookie]:
    set_cookies = [
        parse_set_cookie(bytes(value))
        for name, value in message.get("headers") or ()
        if bytes(name).lower() == b"set-cookie"
    ]
    return [each for each in set_cookies if not _names_browser(each[0])]


def _with_headers(message: Message, *headers: tuple[bytes, bytes]) -> Message:
    return {**message, "headers": [*(message.get("headers") or ()), *headers]}


def parse_cookies(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Split as ``django.http.parse_cookie`` does, but leave the values quoted.

    HTTP/2 splits the header (RFC 9113, section 8.2.3). A part without ``=`` is a value without
    a name, and the last of several cookies of one name counts.
    """
    cookies: dict[str, str] = {}
    header = b"; ".join(value for name, value in headers if name == b"cookie")
    for part in header.decode("latin-1").split(";"):
        name, equals, value = part.partition("=")
        if not equals:
            name, value = "", part
        name, value = name.strip(), value.strip()
        if name or value:
            cookies[_shared(name)] = value
    return cookies


@lru_cache(maxsize=64)
def _shared(name: str) -> str:
    """Return a cookie's name, held once for all sockets; ``sys.intern`` may hold it for ever."""
    return name


def parse_set_cookie(header: bytes) -> SetCookie:
    """Read a ``Set-Cookie`` value, which deletes a cookie by a time that has passed.

    Without a path it is taken to be for the whole host. Source: RFC 6265, section 5.2.
    """
    (name, value), said = split_set_cookie(header)
    path = said.get("path", "")
    is_past = expiry_of(header) <= time.time()
    return name, None if is_past else value, path if path.startswith("/") else "/"


def expiry_of(header: bytes) -> float:
    """Return when a cookie expires, by its ``Set-Cookie`` value; infinity for no time."""
    _, said = split_set_cookie(header)
    age, expires = said.get("max-age", ""), parsedate_tz(said.get("expires", ""))
    try:
        if age.removeprefix("-").isdecimal():
            return time.time() + int(age)
        return math.inf if expires is None else mktime_tz(expires)
    except (OverflowError, ValueError):
        return math.inf  # A year that no calendar here has.


def split_set_cookie(header: bytes) -> tuple[tuple[str, str], dict[str, str]]:
    """Split a ``Set-Cookie`` value into name and value, and attributes by lower-case name."""
    pair, *rest = (_split_pair(part) for part in header.decode("latin-1").split(";"))
    return pair, {name.lower(): value for name, value in rest}


def _split_pair(part: str) -> tuple[str, str]:
    name, _, value = part.partition("=")
    return name.strip(), value.strip()


def is_below(path: str, prefix: str) -> bool:
    """Tell whether a cookie for ``prefix`` is sent to ``path`` (RFC 6265, section 5.1.4)."""
    return path == prefix or path.startswith(prefix.removesuffix("/") + "/")


def _cookie_pair(cookie: tuple[str, str]) -> str:
    name, value = cookie
    return f"{name}={value}" if name or "=" in value else value


def _fits(cookies: Mapping[str, str]) -> bool:
    size = sum(len(name) + len(value) + 3 for name, value in cookies.items())
    return len(cookies) <= MAX_COOKIES and size <= MAX_HEADER_BYTES


def is_acceptable(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell whether the headers keep within ``MAX_HEADER_BYTES`` and ``MAX_COOKIES``."""
    size = cookies = 0
    for name, value in headers:
        size += len(name) + len(value)
        if name.lower() == b"cookie":
            cookies += value.count(b";") + 1
    return size <= MAX_HEADER_BYTES and cookies <= MAX_COOKIES


def _check_cookie(name: str, value: str) -> None:
    text = name + value
    if (
        not name
        or "=" in name
        or ";" in text
        or name != name.strip()
        or value != value.strip()
        or not text.isascii()
        or not text.isprintable()
    ):
        msg = (
            f"{name!r} cannot be stored as a cookie: name and value are printable ASCII without "
            "';' and surrounding spaces, the name is not empty and has no '='. Quote the value."
        )
        raise ValueError(msg)


def _check_close(code: int, reason: str) -> None:
    """RFC 6455, sections 5.5 and 7.4; 1005, 1006 and 1015 never travel."""
    if not (code in {1000, 1001, 1002, 1003, *range(1007, 1015)} or 3000 <= code <= 4999):
        msg = f"{code} is no close code; use 1012 (restart) or one from 3000 to 4999."
        raise ValueError(msg)
    if len(reason.encode()) > 123:
        msg = "The reason of a close is at most 123 bytes of UTF-8; shorten it."
        raise ValueError(msg)
