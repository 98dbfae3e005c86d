"""DevProxy: Vite's development server behind the same address as everything else."""

import asyncio
import html
import ssl
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, suppress
from http import HTTPStatus
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse

from rxbridge.asgi._refusal import refuse
from rxbridge.asgi._types import ASGIApp, Message, Receive, Scope, Send, check_app
from rxbridge.asgi.lifespan import LifespanGroup
from rxbridge.asgi.spa import PAGES

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

Header = tuple[bytes, bytes]

_VITE_PROTOCOLS = frozenset({"vite-hmr", "vite-ping"})
_CONNECT_SECONDS = 5.0

# RFC 9110, section 7.6.1, and what each side of a proxy says for itself.
_HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection"
    b" te trailer transfer-encoding upgrade".split()
)
# A development server has no business with sessions, nor with setting this origin's cookies.
_NOT_SENT = _HOP_BY_HOP | {b"cookie", b"authorization"}
# The server that sends the answer writes a Date of its own.
_NOT_RETURNED = _HOP_BY_HOP | {b"set-cookie", b"date"}

# RFC 3986, section 3.3: what a path may hold as it is.
_IN_PATH = "/:@!$&'()*+,;=~"

# RFC 6455, section 7.4.1: these stand for the absence of a code and cannot be sent.
_NO_CODE, _LOST = 1005, 1006
_NORMAL, _RESTARTING = 1000, 1012

_WAITING = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<title>Waiting for Vite</title></head>
<body style="font: 16px/1.5 system-ui; max-width: 40em; margin: 15vh auto; padding: 0 1em">
<h1>Waiting for Vite</h1><p>{}</p>
<p>This page loads again every second until it does.</p></body></html>
"""


class DevProxy:
    """Serve the pages from Vite's development server at ``target``; never in production.

    So a page, its hot updates, Django and Reflex have one origin, and cookies work as they will
    behind the real server. Requests and answers are streamed, redirects are handed on, and
    ``Host`` and ``Origin`` stay as the browser sent them: Vite checks them itself, and accepts
    localhost, IP addresses and what ``vite_allowed_hosts`` in ``rxconfig.py`` names. Cookies
    and credentials are not sent to Vite, and cookies that it sets are dropped.

    While Vite does not answer, a page is a 503 that loads again by itself, anything else a
    plain 503; a WebSocket is refused, or closed with 1012, and Vite's client asks until it is
    back.

    ``allow_remote`` lets ``target`` be another machine, whose code the browser then runs with
    the rights of this origin. Raises ``ValueError`` for a target that cannot be one::

        application = DevProxy("http://127.0.0.1:5173").wrap(application)

    Needs httpx, which Reflex brings, and ``rxbridge[vite]``.
    """

    def __init__(self, target: str, *, allow_remote: bool = False) -> None:
        # Here, so that importing rxbridge.asgi needs neither.
        import httpx
        import websockets.asyncio.client as _  # noqa: F401  # rather missing now than later

        self._host, self._port = _checked(target, allow_remote=allow_remote)
        self.target = target.rstrip("/")
        self._lifespan = LifespanGroup()
        # Nothing is kept open: Vite may be another process by the next request.
        limits = httpx.Limits(max_keepalive_connections=0)
        # Never used, while httpx would read all certificates of the machine for one of its own.
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # Not a client, which would follow HTTP_PROXY, keep cookies and add headers.
        self._transport = httpx.AsyncHTTPTransport(verify=tls, limits=limits)

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """Return ``app`` with the pages of every ``SPAStaticApp`` in it served by Vite.

        They learn of it by the scope of a request, which names this proxy as
        ``rxbridge.pages``. Vite's own WebSocket, told by its subprotocol, comes here too.
        """
        check_app(app, "the app of DevProxy.wrap")

        async def with_vite(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await app({**scope, PAGES: self}, receive, send)
            elif scope["type"] == "websocket" and _VITE_PROTOCOLS & {*scope["subprotocols"]}:
                await self(scope, receive, send)
            else:
                await app(scope, receive, send)

        return with_vite

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._pass_request(scope, receive, send)
        elif kind == "websocket":
            await self._pass_socket(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            msg = f"DevProxy passes on http and websocket, not ASGI {kind!r} scopes."
            raise ValueError(msg)

    async def _pass_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        import httpx

        try:
            url = httpx.URL(self.target).copy_with(raw_path=_path_and_query(scope))
        except httpx.InvalidURL:  # such as `OPTIONS *`, which asks for no page of Vite's
            await refuse(scope, receive, send, HTTPStatus.BAD_REQUEST)
            return
        request = httpx.Request(
            scope["method"],
            url,
            headers=_end_to_end(scope["headers"], _NOT_SENT),
            content=_body(scope, receive),
            # The first answer waits until Vite has prepared all dependencies.
            extensions={"timeout": {"connect": _CONNECT_SECONDS}},
        )
        with suppress(ClientDisconnect):
            try:
                answer = await self._transport.handle_async_request(request)
            except httpx.TransportError:
                await self._unavailable(scope)(scope, receive, send)
                return
            response = StreamingResponse(answer.aiter_raw(), answer.status_code)
            response.raw_headers = _end_to_end(answer.headers.raw, _NOT_RETURNED)
            # Should Vite die in the middle, the server breaks off, which tells the browser.
            async with aclosing(answer):
                with suppress(httpx.TransportError):
                    await response(scope, receive, send)

    def _unavailable(self, scope: Scope) -> Response:
        reason = (
            f"Vite, which serves the pages during development, does not answer at {self.target}. "
            "It is starting, or the terminal says why it is not."
        )
        headers = {"cache-control": "no-store", "retry-after": "1"}
        status = HTTPStatus.SERVICE_UNAVAILABLE
        if b"text/html" in dict(scope["headers"]).get(b"accept", b""):
            return HTMLResponse(_WAITING.format(html.escape(reason)), status, headers)
        return PlainTextResponse(reason, status, headers)

    async def _pass_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        vite = await self._connect(scope)
        if vite is None:
            await refuse(scope, receive, send, HTTPStatus.SERVICE_UNAVAILABLE)
            return
        async with vite:
            await receive()  # websocket.connect
            await send({"type": "websocket.accept", "subprotocol": vite.subprotocol})
            await _relay(vite, receive, send)

    async def _connect(self, scope: Scope) -> "ClientConnection | None":
        """Connect to Vite as the browser did; None when it refuses or is not there."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException
        from websockets.typing import Origin, Subprotocol

        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        origin = headers.get(b"origin")
        try:
            return await connect(
                f"ws://{headers.get(b'host', self._host)}{_path_and_query(scope).decode()}",
                # Where to go, while the address above makes the Host header.
                host=self._host,
                port=self._port,
                origin=None if origin is None else Origin(origin),
                subprotocols=[Subprotocol(name) for name in scope["subprotocols"]] or None,
                compression=None,
                user_agent_header=None,
                proxy=None,
                open_timeout=_CONNECT_SECONDS,
                close_timeout=1,
                ping_interval=None,
                max_size=None,
            )
        except (OSError, ValueError, WebSocketException):
            return None


def _checked(target: str, *, allow_remote: bool) -> tuple[str, int]:
    """Return host and port of ``target``."""
    parts = urlsplit(target)
    if parts.scheme != "http" or not parts.hostname or parts.path.strip("/") or parts.query:
        msg = f"{target!r} is not where Vite listens; write 'http://127.0.0.1:5173'."
        raise ValueError(msg)
    if not allow_remote and not _is_loopback(parts.hostname):
        msg = (
            f"{target!r} is another machine, whose code the browser would run with the rights of "
            "this site. If that is meant, pass allow_remote=True."
        )
        raise ValueError(msg)
    return parts.hostname, parts.port or 80


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _path_and_query(scope: Scope) -> bytes:
    # As it came where the server tells it: escapes in Vite's own addresses must stay, and Vite
    # does not know these addresses with other escapes. A client may have sent anything, though.
    raw = scope.get("raw_path") or quote(scope["path"], safe=_IN_PATH)
    path = quote(raw, safe=f"{_IN_PATH}%")
    query = quote(scope["query_string"], safe=f"{_IN_PATH}%?")
    return (f"{path}?{query}" if query else path).encode()


def _end_to_end(headers: Iterable[Header], dropped: frozenset[bytes]) -> list[Header]:
    """Return ``headers`` without ``dropped`` and what their Connection headers name."""
    lowered = [(name.lower(), value) for name, value in headers]
    named = {
        option.strip().lower()
        for name, value in lowered
        if name == b"connection"
        for option in value.split(b",")
    }
    return [(name, value) for name, value in lowered if name not in dropped | named]


def _body(scope: Scope, receive: Receive) -> AsyncIterator[bytes] | None:
    """Return the body of a request that announces one."""
    if {b"content-length", b"transfer-encoding"}.isdisjoint(name for name, _ in scope["headers"]):
        return None
    return Request(scope, receive).stream()


async def _relay(vite: "ClientConnection", receive: Receive, send: Send) -> None:
    """Carry messages both ways until one side ends, and end the other with the same code."""
    to_vite = asyncio.create_task(_carry_to_vite(receive, vite))
    to_browser = asyncio.create_task(_carry_to_browser(vite, send))
    try:
        await asyncio.wait({to_vite, to_browser}, return_when=asyncio.FIRST_COMPLETED)
        if to_vite.done():
            code = to_vite.result().get("code")
            await vite.close(_NORMAL if code in (None, _NO_CODE, _LOST) else code)
        else:
            await send(_closing(vite))
    finally:
        to_vite.cancel()
        to_browser.cancel()
        await asyncio.gather(to_vite, to_browser, return_exceptions=True)


async def _carry_to_vite(receive: Receive, vite: "ClientConnection") -> Message:
    """Return the message that says the browser has gone."""
    from websockets.exceptions import ConnectionClosed

    while (message := await receive())["type"] == "websocket.receive":
        text = message.get("text")
        # That Vite has gone is noticed on the other way.
        with suppress(ConnectionClosed):
            await vite.send(message["bytes"] if text is None else text)
    return message


async def _carry_to_browser(vite: "ClientConnection", send: Send) -> None:
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        while True:
            message = await vite.recv()
            kind = "text" if isinstance(message, str) else "bytes"
            await send({"type": "websocket.send", kind: message})


def _closing(vite: "ClientConnection") -> Message:
    code = {None: _RESTARTING, _LOST: _RESTARTING, _NO_CODE: _NORMAL}.get(
        vite.close_code, vite.close_code
    )
    return {"type": "websocket.close", "code": code, "reason": vite.close_reason or ""}
