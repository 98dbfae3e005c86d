"""PageReload: makes open pages load again once another bundle is served; for development."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from http import HTTPStatus

from starlette.responses import Response, StreamingResponse

from rxbridge.asgi._types import ASGIApp, Receive, Scope, Send
from rxbridge.django._answer import answer_of, unconditional

EVENTS = "/_rxbridge/bundle"
_UNCACHED = {"cache-control": "no-store"}

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
""".encode()


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
        path = scope["path"] if scope["type"] == "http" else ""
        if path == EVENTS:
            stream = StreamingResponse(self._events(), 200, _UNCACHED, "text/event-stream")
            await stream(scope, receive, send)
            return
        if _EVERY_PAGES_MODULE.search(path):
            module = await answer_of(self._app, unconditional(scope))
            if module.status_code == HTTPStatus.OK:
                headers = {**_UNCACHED, "content-type": module.headers["content-type"]}
                answer = Response(module.content + _SCRIPT, headers=headers)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _events(self) -> AsyncIterator[str]:
        yield f"retry: 250\ndata: {self._bundle}\n\n"
        await self._closing.wait()
