"""PageReload: makes open pages load again once another bundle is served; for development."""

import asyncio
import json
import re
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from rxbridge.asgi._types import ASGIApp, Message, Receive, Scope, Send

EVENTS = "/_rxbridge/bundle"

# Every page of a bundle loads this module, and nothing else does, the admin for one.
_EVERY_PAGES_MODULE = re.compile(r"/assets/reflex-env-[\w-]+\.js$", re.ASCII)

_SCRIPT = f"""
;{{
  let shown;
  new EventSource({json.dumps(EVENTS)}).onmessage = ({{data}}) => {{
    if (shown && shown !== data) location.reload();
    shown = data;
  }};
}}
"""

# What would make the answer anything but the whole module as text.
_CONDITIONS = (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")


class PageReload:
    """Tell every page of ``app`` by server-sent events which bundle is served.

    A page that is told of another one than at first loads again. When the server restarts, the
    browser asks anew by itself; ``close()`` ends the streams, so that none delays a restart.
    """

    def __init__(self, app: ASGIApp, *, bundle: str) -> None:
        self._app = app
        self._bundle = bundle
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End all streams of events; called on the event loop."""
        self._closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == EVENTS:
            headers = {"cache-control": "no-store"}
            stream = StreamingResponse(self._events(), 200, headers, "text/event-stream")
            await stream(scope, receive, send)
        elif _EVERY_PAGES_MODULE.search(scope["path"]):
            await self._app(_unconditional(scope), receive, _appending(send, _SCRIPT.encode()))
        else:
            await self._app(scope, receive, send)

    async def _events(self) -> AsyncIterator[str]:
        yield f"retry: 250\ndata: {self._bundle}\n\n"
        await self._closing.wait()


def _unconditional(scope: Scope) -> Scope:
    headers = [pair for pair in scope["headers"] if pair[0] not in _CONDITIONS]
    # Without extensions: pathsend names a file instead of sending what is in it.
    return {**scope, "headers": headers, "extensions": {}}


def _appending(send: Send, text: bytes) -> Send:
    """Return a ``send`` that adds ``text`` to the end of a successful answer."""
    succeeded = False

    async def append(message: Message) -> None:
        nonlocal succeeded
        if message["type"] == "http.response.start":
            succeeded = message["status"] == 200
            message = _uncached(message) if succeeded else message
        elif succeeded and not message.get("more_body"):
            message = {**message, "body": message.get("body", b"") + text}
        await send(message)

    return append


def _uncached(start: Message) -> Message:
    dropped = (b"content-length", b"etag", b"last-modified", b"cache-control", b"accept-ranges")
    headers = [pair for pair in start["headers"] if pair[0].lower() not in dropped]
    return {**start, "headers": [*headers, (b"cache-control", b"no-store")]}
