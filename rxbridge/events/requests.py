"""SyntheticRequestFactory: the Django request of a Reflex event."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, unquote, urlencode

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.urls import Resolver404, ResolverMatch, resolve

from rxbridge.asgi.connections import CONNECTION_HEADER, MAX_HEADER_BYTES
from rxbridge.errors import InvalidEvent

if TYPE_CHECKING:
    from rxbridge.asgi.connections import Connection

logger = logging.getLogger("rxbridge")

MAX_PATH_LENGTH = 8 * 1024
"""Characters of path and query together; what servers allow in a request line."""

MAX_DEPTH = 100
"""Levels of lists and objects in an event's payload."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# What belongs to the socket or to a body the event does not have, and the cookies, which come
# from the jar. "asgi-scope-client" is Reflex's own note of the peer address.
_DROPPED_HEADERS = frozenset(
    {
        b"asgi-scope-client",
        b"connection",
        b"content-length",
        b"content-type",
        b"cookie",
        b"expect",
        b"keep-alive",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        CONNECTION_HEADER,
    }
)

_ID_HEADER = CONNECTION_HEADER.decode()

_NO_ADDRESS = "router_data['asPath'] and ['pathname'] must be strings that start with '/'."

_UNKNOWN = (
    "Events come over sockets that the bridge's ConnectionRegistry does not know, so nobody is "
    "signed in. In asgi.py, wrap Reflex's app by it: connections.wrap(reflex_asgi(app))."
)

Headers = list[tuple[bytes, bytes]]


@lru_cache(maxsize=256)
def dotted_name(thing: Any) -> str:
    """Return ``module.qualname`` of a class or a function, or that of an object's class."""
    return f"{thing.__module__}.{getattr(thing, '__qualname__', type(thing).__qualname__)}"


def no_handler() -> None:
    """Stand in for the handler of an event that names none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReflexEvent:
    """One Reflex event as the parts of rxbridge see it; a middleware finds it on its request.

    ``router_data`` is that of the event's chain: a chained event carries none of its own.
    ``connection`` is the connection it came over; on a request the factory built with a
    registry it is always set, if that connection is still known.
    """

    name: str
    handler: Callable[..., Any] = no_handler
    payload: Mapping[str, Any] = field(default_factory=dict)
    router_data: Mapping[str, Any] = field(default_factory=dict)
    token: str = ""
    background: bool = False
    shows_page: bool = False
    connection: Connection | None = None

    @property
    def handler_name(self) -> str:
        """The handler's dotted name, ``module.Class.method``, for logs."""
        return dotted_name(self.handler)


class EventRequest(ASGIRequest):
    """Django's ASGI request, made from an event instead of an HTTP request."""

    reflex_event: ReflexEvent


class Connections(Protocol):
    """What the factory needs of a ``ConnectionRegistry``."""

    def get(self, connection_id: str, /) -> Connection | None: ...


class SyntheticRequestFactory:
    """Build the Django request an event stands for.

    Path and query are what the browser says the page is; they are claims. Scheme, headers,
    cookies and peer address come from the connection's handshake. Without ``connections`` all
    of it is read from the event's ``router_data``, where Reflex keeps the handshake's headers.

    ``method`` is one for all events, or a function of the event. By default one that shows a page
    is a GET, and a handler, which may change something, a POST. Middleware goes by that: rate
    limits and revisions leave GET out, and what renews an expired login by a redirect does so on
    GET alone.
    ``frontend_path`` is Reflex's setting of that name: the prefix its pages live under.
    ``fallback_host`` is the host of an event that came over no connection, such as one the
    server enqueued itself.

    Source: https://asgi.readthedocs.io/en/stable/specs/www.html#http-connection-scope
    """

    def __init__(
        self,
        connections: Connections | None = None,
        *,
        method: str | Callable[[ReflexEvent], str] | None = None,
        frontend_path: str = "",
        fallback_host: str = "localhost",
    ) -> None:
        if method is not None and not callable(method) and method not in _METHODS:
            msg = f"method {method!r} is not an HTTP method; write one of {', '.join(_METHODS)}."
            raise ValueError(msg)
        if frontend_path and (not frontend_path.startswith("/") or frontend_path.endswith("/")):
            msg = f"frontend_path {frontend_path!r} must start with '/' and not end with one."
            raise ValueError(msg)
        self.connections = connections
        self.method = method
        self.frontend_path = frontend_path
        self._scheme_header = _scheme_header()
        self.fallback_host = fallback_host
        self._said_unknown = False

    def build(self, event: ReflexEvent) -> EventRequest:
        """Return the request of ``event``; raise ``InvalidEvent`` when it cannot be made."""
        for attribute in ("payload", "router_data"):
            value = getattr(event, attribute)
            # An exact type is known at once; to ask an abstract class takes longer.
            is_object = isinstance(value, (dict, Mapping))
            if not is_object or not {str}.issuperset(map(type, value)):
                msg = f"An event's {attribute} must be an object whose keys are strings."
                raise InvalidEvent(msg)
        if event.payload:
            _check_depth(event.payload)
        connection, headers = event.connection, event.router_data.get("headers")
        if self.connections is not None and isinstance(headers, (dict, Mapping)):
            connection_id = headers.get(_ID_HEADER)
            if isinstance(connection_id, str):
                connection = self.connections.get(connection_id)
            elif headers and not self._said_unknown:
                self._said_unknown = True
                logger.error(_UNKNOWN)
        if connection is None:
            scope = self._scope_of_router_data(event.router_data)
        else:
            scope = self._scope_of_connection(connection)
        address = event.router_data.get("asPath") or _address_of_route(event.router_data)
        if not isinstance(address, str):
            raise InvalidEvent(_NO_ADDRESS)
        scope |= _page(address, scope["root_path"], self.frontend_path)
        if self.method is None:
            scope["method"] = "GET" if event.shows_page else "POST"
        else:
            scope["method"] = self.method(event) if callable(self.method) else self.method
        request = EventRequest(scope, BytesIO())
        # The request holds the connection: a background task chains events after it closed.
        if connection is not event.connection:
            event = replace(event, connection=connection)
        request.reflex_event = event
        request.resolver_match = ResolverMatch(
            event.handler, (), dict(event.payload), url_name=dotted_name(event.handler)
        )
        return request

    def _scope_of_connection(self, connection: Connection) -> dict[str, Any]:
        headers = [
            (name, _as_http(value) if name == self._scheme_header else value)
            for name, value in connection.headers
            if name not in _DROPPED_HEADERS and not name.startswith(b"sec-websocket-")
        ]
        if cookie := connection.cookie_header:
            headers.append((b"cookie", cookie.encode("latin-1", "replace")))
        return {
            "type": "http",
            "scheme": _SCHEMES.get(connection.scheme, "http"),
            "headers": headers,
            "client": connection.client,
            "server": connection.server,
            "root_path": connection.root_path,
        }

    def _scope_of_router_data(self, router_data: Mapping[str, Any]) -> dict[str, Any]:
        claimed = router_data.get("headers") or {}
        headers = _check_headers(claimed)
        if self.connections is not None:
            # A registry took the cookies out; any that are here were not put by a handshake.
            headers = [pair for pair in headers if pair[0] != b"cookie"]
        if not any(name == b"host" for name, _ in headers):
            headers.append((b"host", self.fallback_host.encode()))
        client = claimed.get("asgi-scope-client")
        # Of TLS only the page's origin tells here.
        is_https = claimed.get("origin", "").lower().startswith("https://")
        return {
            "type": "http",
            "scheme": "https" if is_https else "http",
            "headers": headers,
            "client": (client, 0) if client else None,
            "server": None,
            "root_path": "",
        }


def resolve_page(request: ASGIRequest) -> ResolverMatch | None:
    """Return what Django's URLconf says of the page's own path, or ``None`` for none of its."""
    try:
        return resolve(request.path_info, getattr(request, "urlconf", None))
    except Resolver404:
        return None


@lru_cache(maxsize=64)
def _page(address: str, root_path: str, frontend_path: str) -> Mapping[str, Any]:
    """Return of a scope what says which page it is; tabs stay on a page for many events."""
    if not address.startswith("/"):
        raise InvalidEvent(_NO_ADDRESS)
    page, _, query = address.partition("#")[0].partition("?")
    if len(page) + len(query) > MAX_PATH_LENGTH:
        msg = f"The page's path and query are longer than {MAX_PATH_LENGTH} characters."
        raise InvalidEvent(msg)
    path = unquote(page)
    if _CONTROL.search(path) or _CONTROL.search(query):
        msg = "The page's path or query holds control characters."
        raise InvalidEvent(msg)
    # A server whose root_path is the app's own prefix has it already.
    below = "" if root_path.endswith(frontend_path) else frontend_path
    full_path = f"{root_path}{below}{path}"
    return {
        "path": full_path,
        "raw_path": quote(full_path).encode(),
        "query_string": query.encode(),
    }


def _check_depth(payload: Mapping[str, Any]) -> None:
    level: list[Any] = list(payload.values())
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    msg = f"The event's payload is nested more than {MAX_DEPTH} deep."
    raise InvalidEvent(msg)


def _address_of_route(router_data: Mapping[str, Any]) -> object:
    """Return path and query where there is no ``asPath``, as the address bar shows them.

    Reflex puts the page's route (``/product/[slug]``) in place of the ``pathname`` a browser
    sends, and the last value of a repeated key in ``query``.
    """
    route = router_data.get("pathname") or "/"
    if not isinstance(route, str):
        return route
    path = route.partition("#")[0]
    return path if "?" in path else f"{path}?{_encode_query(router_data.get('query') or {})}"


def _encode_query(query: object) -> str:
    if not isinstance(query, Mapping) or not all(
        isinstance(value, str | list | tuple) for value in query.values()
    ):
        msg = "router_data['query'] must be an object of strings or lists of strings."
        raise InvalidEvent(msg)
    try:
        return urlencode(query, doseq=True)
    except UnicodeEncodeError as error:
        msg = "router_data['query'] holds characters that are not text."
        raise InvalidEvent(msg) from error


def _check_headers(claimed: object) -> Headers:
    """Return the headers as the handshake had them; Reflex decoded them as UTF-8."""
    if not isinstance(claimed, Mapping):
        msg = "router_data['headers'] must be an object."
        raise InvalidEvent(msg)
    headers: Headers = []
    size = 0
    for name, value in claimed.items():
        if not isinstance(name, str) or not isinstance(value, str):
            msg = "router_data['headers'] must hold strings only."
            raise InvalidEvent(msg)
        if not _HEADER_NAME.fullmatch(name) or _CONTROL.search(value):
            msg = f"router_data['headers'] holds a malformed header {name[:40]!r}."
            raise InvalidEvent(msg)
        key = name.lower().encode()
        size += len(name) + len(value)
        is_dropped = key in _DROPPED_HEADERS or key.startswith(b"sec-websocket-")
        if key == b"cookie" or not is_dropped:
            headers.append((key, value.encode()))
    if size > MAX_HEADER_BYTES:
        msg = f"router_data['headers'] is larger than {MAX_HEADER_BYTES} bytes."
        raise InvalidEvent(msg)
    return headers


def _scheme_header() -> bytes:
    """Return the header by which a proxy says the scheme, as ``SECURE_PROXY_SSL_HEADER`` has it."""
    configured: tuple[str, str] | None = settings.SECURE_PROXY_SSL_HEADER
    name = configured[0].removeprefix("HTTP_") if configured else "X_FORWARDED_PROTO"
    return name.replace("_", "-").lower().encode()


def _as_http(scheme: bytes) -> bytes:
    """Return what a proxy would say of a request: Traefik says wss of a handshake over TLS."""
    first, comma, rest = scheme.partition(b",")
    known = {b"ws": b"http", b"wss": b"https"}.get(first.strip().lower(), first)
    return known + comma + rest
