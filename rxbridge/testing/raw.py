"""RawClient: what an attacker sends, at the user's own ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from rxbridge.asgi.lifespan import Lifespan
from rxbridge.errors import RxBridgeError
from rxbridge.events._test_context import TestContext, under_test
from rxbridge.testing._cookies import Cookies, sent_headers
from rxbridge.testing._transaction import in_transaction
from rxbridge.testing.fired import Fired, mirrored_messages

if TYPE_CHECKING:
    import httpx

    from rxbridge.asgi._types import ASGIApp, Message, Scope

_NAMESPACE = "/_event"

_UPGRADE = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13"}


class RawClient:
    """An attacker's end of an ASGI application: no browser, and nothing it would insist on.

    ::

        async with RawClient(application) as raw:
            async with raw.connect(origin="https://evil.example", cookies=ada) as socket:
                assert socket.status == 403
            async with raw.connect() as socket:
                fired = await socket.send("shop.orders___state____orders_state.cancel", {"pk": 1})
                assert_refused(fired, status=403)

    The application runs in this process, from its lifespan's startup to its shutdown, with
    everything it is made of: ``OriginGuard``, ``ConnectionRegistry``, Socket.IO, the bridge.
    ``path`` is where Reflex's socket is. In a test that is in a transaction its events work in
    that transaction; see ``EventClient``.
    """

    def __init__(self, application: ASGIApp, *, path: str = "/_event/") -> None:
        self.application = application
        self.path = path
        self._test = TestContext()
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._test.in_transaction = await in_transaction()
        with under_test(self._test):
            await self._stack.enter_async_context(_lifespan(self.application))
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def connect(
        self,
        *,
        token: str | None = None,
        origin: str | None = "own",
        cookies: Cookies | None = None,
        headers: Mapping[str, str] | None = None,
        host: str = "testserver",
        secure: bool = False,
        client: str = "127.0.0.1",
        first: Mapping[str, Any] | None = None,
        timeout: float = 10.0,
    ) -> AsyncGenerator[RawSocket]:
        """Make a handshake and hold the socket for the length of the block.

        ``token`` is the tab it claims to be, a new one by default. ``origin`` is where the page
        comes from that opens the socket: the host itself, by default; ``None`` sends none.
        ``first`` is an event to send within the connect, as a browser sends its first; one that
        is no event is never answered, so that raises ``TimeoutError`` after ``timeout`` seconds.
        """
        token = str(uuid.uuid4()) if token is None else token
        sent = sent_headers(
            host, secure, origin=origin, cookies=cookies, headers={**_UPGRADE, **(headers or {})}
        )
        scope: Scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "wss" if secure else "ws",
            "path": self.path,
            "raw_path": self.path.encode(),
            "query_string": urlencode(
                {"EIO": 4, "transport": "websocket", "token": token}
            ).encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": (client, 0),
            "server": (host, 443 if secure else 80),
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
            "state": {},
        }
        socket = RawSocket(token, self._test)
        with under_test(self._test):
            task = asyncio.ensure_future(self.application(scope, socket.receive, socket.deliver))
        try:
            async with asyncio.timeout(timeout):
                await socket.open(task, first)
            yield socket
        finally:
            await socket.close(task)

    async def upload(
        self,
        handler: str,
        *files: tuple[str, bytes],
        token: str | None = None,
        origin: str | None = "own",
        cookies: Cookies | None = None,
        headers: Mapping[str, str] | None = None,
        host: str = "testserver",
        secure: bool = False,
        client: str = "127.0.0.1",
    ) -> httpx.Response:
        """Post files to ``/_upload`` for a handler by name, as the tab ``token`` claims to be."""
        import httpx

        upload = {
            "reflex-client-token": token or str(uuid.uuid4()),
            "reflex-event-handler": handler,
            **(headers or {}),
        }
        transport = httpx.ASGITransport(self.application, client=(client, 0))
        url = f"{'https' if secure else 'http'}://{host}/_upload"
        with under_test(self._test):
            async with httpx.AsyncClient(transport=transport) as http:
                return await http.post(
                    url,
                    headers=sent_headers(
                        host, secure, origin=origin, cookies=cookies, headers=upload
                    ),
                    files=[("files", file) for file in files],
                )


class RawSocket:
    """An attacker's socket. ``status`` is 101, or what refused the handshake: 403, say.

    ``token`` is the tab that Reflex takes it for, which may not be the one it claimed to be.
    """

    def __init__(self, token: str, test: TestContext) -> None:
        self.token = token
        self.status = 101
        self.closed = False
        self._test = test
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: asyncio.Queue[Message] = asyncio.Queue()
        self._updates: list[dict[str, Any]] = []

    async def send(
        self,
        name: str,
        payload: Mapping[str, Any] | None = None,
        *,
        router_data: Mapping[str, Any] | None = None,
        timeout: float = 10.0,
        **fields: Any,
    ) -> Fired:
        """Send an event of any name; return what came of all this tab had running.

        ``name`` is as Reflex has it in its pages: the state's full name, a dot and the handler.
        ``router_data`` is what the page claims to be; ``fields`` are further ones of the event.
        """
        page = {"pathname": "/", "asPath": "/"} if router_data is None else router_data
        event = {"name": name, "payload": payload or {}, "router_data": page, **fields}
        return await self.send_message(["event", event], timeout=timeout)

    async def send_message(self, message: Any, *, timeout: float = 10.0) -> Fired:
        """Send any Socket.IO message, such as an event that is none; see ``send``."""
        self._text(f"42{_NAMESPACE},{json.dumps(message)}")
        async with asyncio.timeout(timeout):
            await self._settle()
        return self._fired()

    async def receive(self) -> Message:
        """Be the application's ``receive``."""
        return await self._to_app.get()

    async def deliver(self, message: Message) -> None:
        """Be the application's ``send``, and answer Engine.IO's ping as a browser does."""
        if message.get("text") == "2":
            self._text("3")
        else:
            self._from_app.put_nowait(message)

    async def open(self, task: asyncio.Future[None], first: Mapping[str, Any] | None) -> None:
        """Make the handshakes of WebSocket, Engine.IO and Socket.IO."""
        task.add_done_callback(lambda _: self._from_app.put_nowait({"type": "websocket.close"}))
        self._to_app.put_nowait({"type": "websocket.connect"})
        answer = await self._from_app.get()
        if answer["type"] != "websocket.accept":
            self.closed, self.status = True, answer.get("status", 403)
            return
        await self._until("0")
        self._text(f"40{_NAMESPACE},{json.dumps({} if first is None else {'event': first})}")
        await self._until("40")
        await self._settle()

    async def close(self, task: asyncio.Future[None]) -> None:
        """Go away, as a browser that is closed does."""
        self._to_app.put_nowait({"type": "websocket.disconnect", "code": 1001, "reason": ""})
        await task

    def _text(self, text: str) -> None:
        self._to_app.put_nowait({"type": "websocket.receive", "text": text})

    async def _settle(self) -> None:
        """Wait until all of this tab's events are done and what they sent has come.

        The answer to a ping says that the messages before it have been dealt with.
        """
        while not self.closed:
            self._text(f'42{_NAMESPACE},["ping"]')
            await self._until(f'42{_NAMESPACE},["ping"')
            running = [each for each in asyncio.all_tasks() if self._is_own(each)]
            if not running:
                return
            await asyncio.wait(running)

    def _is_own(self, task: asyncio.Task[Any]) -> bool:
        # Reflex names the task of an event "reflex_event|name|token|transaction".
        name = task.get_name()
        return name.startswith("reflex_event|") and f"|{self.token}|" in name

    async def _until(self, start: str) -> None:
        """Read messages up to one that starts so, or to the end."""
        while not self.closed:
            message = await self._from_app.get()
            if message["type"] == "websocket.close":
                self.closed = True
                return
            text: str = message.get("text") or ""
            if text.startswith(f"42{_NAMESPACE},"):
                self._hear(*json.loads(text.partition(",")[2]))
            if text.startswith(start):
                return

    def _hear(self, name: str, *arguments: Any) -> None:
        if name == "event":
            self._updates += map(_update, arguments)
        elif name == "new_token":
            # Reflex gives another to a socket that claims to be a tab that is open.
            (self.token,) = arguments

    def _fired(self) -> Fired:
        updates, self._updates = self._updates, []
        deltas = [update["delta"] for update in updates if update.get("delta")]
        events = [event for update in updates for event in update.get("events") or ()]
        return Fired(
            deltas,
            [SimpleNamespace(**event) for event in events],
            refusals=self._test.taken_by(self.token),
            messages=list(mirrored_messages(deltas).values()),
        )


def _update(sent: Any) -> dict[str, Any]:
    update: dict[str, Any] = json.loads(sent) if isinstance(sent, str) else sent
    return update


@asynccontextmanager
async def _lifespan(application: ASGIApp) -> AsyncGenerator[None]:
    """Start the application and stop it; one that knows no lifespan runs without, as on servers."""
    scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    lifespan = Lifespan(application, scope)
    if (refusal := await lifespan.start()) is not None:
        msg = f"The application did not start: {refusal}"
        raise RxBridgeError(msg)
    try:
        yield
    finally:
        if (failure := await lifespan.stop()) is not None:
            msg = f"The application did not stop: {failure}"
            raise RxBridgeError(msg)
