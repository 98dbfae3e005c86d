"""A browser tab at a real server, as far as Reflex's protocol goes: Socket.IO by hand."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import websockets
from reflex_base.utils.format import format_event_handler


class Socket:
    """An open socket; ``received`` is every update the page was sent."""

    def __init__(self, websocket: Any, token: str, namespace: str = "/_event") -> None:
        self.token = token
        self.namespace = namespace
        self.received: list[dict[str, Any]] = []
        self.raw: list[str] = []
        self.handshake = websocket.response.headers
        self._websocket = websocket

    async def fire(self, handler: Any, path: str = "/", **payload: Any) -> None:
        name = handler if isinstance(handler, str) else format_event_handler(handler)
        await self.send({"name": name, "payload": payload, "router_data": page(path)})

    async def send(self, event: Any) -> None:
        # As a browser writes it.
        await self.send_raw(json.dumps(["event", event], separators=(",", ":"), ensure_ascii=False))

    async def send_raw(self, message: str) -> None:
        await self._websocket.send(f"42{self.namespace},{message}")

    async def pong(self) -> None:
        """Answer a ping of the server that nobody has read."""
        await self._websocket.send("3")

    async def heard(self) -> None:
        """Wait until the server has read all that was sent."""
        await self._websocket.send(f'42{self.namespace},["ping"]')
        await self.text('["ping","pong"]')

    async def var(self, name: str, value: Any, timeout: float = 10) -> None:
        """Wait until the page was last sent ``value`` for a var."""
        async with asyncio.timeout(timeout):
            while self.vars().get(name) != value:
                await self.read()

    async def text(self, text: str, timeout: float = 10) -> None:
        """Wait until ``text`` is in what the page was sent."""
        async with asyncio.timeout(timeout):
            while not any(text in message for message in self.raw):
                await self.read()

    async def read(self) -> None:
        message = await self._websocket.recv()
        if message == "2":
            await self._websocket.send("3")
            return
        self.raw.append(message)
        if message.startswith(f"42{self.namespace},"):
            name, *arguments = json.loads(message.partition(",")[2])
            if name == "event":
                self.received.extend(
                    json.loads(update) if isinstance(update, str) else update
                    for update in arguments
                )

    def vars(self) -> dict[str, Any]:
        return {
            name.removesuffix("_rx_state_"): value
            for update in self.received
            for changes in (update.get("delta") or {}).values()
            for name, value in changes.items()
        }


@asynccontextmanager
async def answering(socket: Socket) -> AsyncIterator[None]:
    """Read all the while, as the client of a page does: each ping of the server is answered."""

    async def read() -> None:
        while True:
            await socket.read()

    reading = asyncio.create_task(read())
    try:
        yield
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading


async def vars_of(sockets: Iterable[Socket], name: str, value: Any, *, of: int) -> None:
    """Wait until the pages of so many of the sockets were last sent ``value``."""
    waits = {asyncio.create_task(each.var(name, value, 60)) for each in sockets}
    waiting = waits
    try:
        while len(waits) - len(waiting) < of:
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


def page(path: str) -> dict[str, Any]:
    return {"pathname": path.partition("?")[0], "asPath": path}


@asynccontextmanager
async def connect(
    ws_url: str,
    *,
    cookies: Mapping[str, str] | None = None,
    token: str | None = None,
    origin: str | None = None,
    compression: str | None = "deflate",
    address: str = "127.0.0.1",
    until_loaded: bool = True,
) -> AsyncIterator[Socket]:
    """Open a tab's socket and load the page ``/``, as Reflex's client does in its connect.

    ``address`` is where the browser is.
    """
    token = token or str(uuid.uuid4())
    headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in cookies.items())} if cookies else {}
    url = f"{ws_url}/_event/?EIO=4&transport=websocket&token={token}"
    async with websockets.connect(
        url,
        additional_headers=headers,
        origin=origin,
        compression=compression,
        local_addr=(address, 0),
    ) as websocket:
        # Below a `backend_path` the namespace is the path there, as it is for Reflex's client.
        socket = Socket(websocket, token, f"{urlsplit(ws_url).path}/_event")
        await socket.read()
        boot = {
            "name": "reflex___state____state.hydrate_and_load",
            "payload": {},
            "router_data": page("/"),
        }
        await websocket.send(f"40{socket.namespace},{json.dumps({'event': boot})}")
        if until_loaded:
            await socket.var("is_hydrated", True)
        yield socket
