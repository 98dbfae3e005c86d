"""Uploads: judged before their body is read, and read no further than they may be large."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from reflex_base.event import resolve_upload_chunk_handler_param, resolve_upload_handler_param
from reflex_base.utils.exceptions import UploadTypeError, UploadValueError
from reflex_base.utils.format import json_dumps
from starlette.datastructures import Headers

from rxbridge.asgi.connections import CONNECTION_SCOPE_KEY
from rxbridge.events.reflex.answers import bridge_of, described, handler_named, update_of
from rxbridge.events.refusals import Refusal

if TYPE_CHECKING:
    import reflex as rx
    from reflex_base.event import EventHandler

    from rxbridge.asgi._types import ASGIApp, Message, Receive, Scope, Send
    from rxbridge.events.requests import ReflexEvent


class Uploads:
    """Ask the chain and the guards of an upload's handler before anything of its body is read.

    What they refuse is answered at once, with what tells the page in the answer's body, as Reflex
    sends a handler's deltas. One of more than ``max_size`` bytes is a 413, as soon as it is known.
    Reflex runs the chain again around the handler, once it has the files.
    """

    def __init__(
        self, app: rx.App, asgi: ASGIApp, *, path: str, frontend_path: str, max_size: int | None
    ) -> None:
        self.app = app
        self.frontend_path = frontend_path
        self.max_size = max_size
        self._asgi = asgi
        self._path = path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an upload as far as it may go; all else goes through."""
        is_upload = scope["type"] == "http" and scope["path"].endswith(self._path)
        if not is_upload or scope["method"] != "POST":
            await self._asgi(scope, receive, send)
            return
        upload = _Upload(self, scope, receive, send)
        with self.app.set_contexts():
            if await upload.judge():
                await self._asgi(scope, upload.receive, upload.send)


class _Upload:
    """One upload's way in, and its answer."""

    def __init__(self, uploads: Uploads, scope: Scope, receive: Receive, send: Send) -> None:
        self._uploads = uploads
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers = Headers(scope=scope)
        self._size = 0
        self._status = 0
        self._body = b""

    async def judge(self) -> bool:
        """Refuse what is known to be refused by now; tell whether Reflex is to answer."""
        event, handler = self._event(), handler_named(self._name)
        if not event.token or handler is None:
            return True  # Reflex's 400.
        if not _takes_files(handler):
            self._refuse(Refusal(event=event, status=400), "it takes no files")
            # Reflex would raise.
            await self.send({"type": "http.response.start", "headers": []})
            await self.send({"type": "http.response.body"})
            return False
        if refused := await self._ask(event):
            self._refuse(*refused)
        elif self._is_too_large(self._length):
            self._refuse_as_too_large()
        return True

    async def receive(self) -> Message:
        """Return the next piece of the body; for Reflex the sender of a refused one has gone."""
        if not self._status:
            message = await self._receive()
            self._size += len(message.get("body", b""))
            if not self._is_too_large(self._size):
                return message
            self._refuse_as_too_large()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send Reflex's answer, or in its place that of a refusal with the same CORS headers."""
        if self._status and message["type"] == "http.response.start":
            kept = [pair for pair in message["headers"] if not pair[0].startswith(b"content-")]
            own = [
                (b"content-type", b"application/x-ndjson"),
                (b"content-length", b"%d" % len(self._body)),
                (b"cache-control", b"no-store"),
            ]
            message = {**message, "status": self._status, "headers": [*kept, *own]}
        elif self._status:
            message = {"type": "http.response.body", "body": self._body}
        await self._send(message)

    @property
    def _name(self) -> str:
        return self._headers.get("reflex-event-handler", "")

    @property
    def _length(self) -> int:
        said = self._headers.get("content-length", "")
        return int(said) if said.isdecimal() else 0

    def _event(self) -> ReflexEvent:
        token = self._headers.get("reflex-client-token", "")
        connection = self._scope.get(CONNECTION_SCOPE_KEY)
        return described(self._name, token, connection, **self._page())

    def _page(self) -> dict[str, str]:
        """Return the page by the address the browser says it sends from."""
        try:
            referer = urlsplit(self._headers.get("referer", ""))
        except ValueError:
            return {}
        path = referer.path.removeprefix(self._scope.get("root_path") or "")
        path = path.removeprefix(self._uploads.frontend_path)
        return (
            {"asPath": referer._replace(scheme="", netloc="", path=path).geturl()} if path else {}
        )

    async def _ask(self, event: ReflexEvent) -> Any:
        bridge = bridge_of(self._uploads.app)
        return None if bridge is None else await bridge.judge(self._uploads.app, event)

    def _is_too_large(self, size: int) -> bool:
        return self._uploads.max_size is not None and size > self._uploads.max_size

    def _refuse_as_too_large(self) -> None:
        cause = f"its upload is larger than max_upload, {self._uploads.max_size} bytes"
        self._refuse(Refusal(event=self._event(), status=413), cause)

    def _refuse(self, refusal: Refusal, cause: Exception | str | None) -> None:
        update = update_of(self._uploads.app, refusal, cause)
        # A browser would follow a redirect in the page's place.
        self._status = 403 if refusal.status < 400 else refusal.status
        self._body = f"{json_dumps(update)}\n".encode()


def _takes_files(handler: EventHandler) -> bool:
    for resolve in (resolve_upload_chunk_handler_param, resolve_upload_handler_param):
        with contextlib.suppress(UploadTypeError, UploadValueError):
            resolve(handler)
            return True
    return False
