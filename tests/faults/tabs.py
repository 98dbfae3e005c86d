"""Tabs without a browser: each clicks, comes back as Reflex's client does, and keeps the score."""

import asyncio
import contextlib
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import httpx
import websockets

from tests.events.wire import Socket, connect

MEMBER = "reflex___state____state.tests___browser___club___ui____member"
LOGOUT = "reflex___state____state.tests___browser___club___ui____auth.logout"
LOST = (OSError, TimeoutError, websockets.WebSocketException)

_TICKET = re.compile(r"x-rxbridge-ticket\W+([\w-]{43})")


@dataclass(frozen=True)
class TakenBack:
    """What a tab was shown, and then was not."""

    at: float
    before: int
    after: int
    doing: str
    as_duplicate: bool
    answers_lost: int

    def __str__(self) -> str:
        how = " as a duplicate" if self.as_duplicate else ""
        how += f" with {self.answers_lost} answers lost" if self.answers_lost else ""
        return f"{self.before} became {self.after}{how}, doing {self.doing}"


class Tab:
    """A tab of a browser of its own, at the club. ``shown`` is the number its page shows.

    A click is acknowledged once the page shows it. What is shown is never to become less, but
    where the user of the tab is another.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.token = str(uuid.uuid4())
        self.cookies = {f"rxbridge_browser_{uuid.uuid4().hex[:6]}": uuid.uuid4().hex}
        self.user = ""
        self.shown = self.sent = self.acknowledged = self.came_back = 0
        self.doing = "began"
        self.taken_back: list[TakenBack] = []
        self.errors: list[str] = []
        self.seen: Callable[[], None] = lambda: None
        self._former_token = self.token
        self._changed = asyncio.Event()
        self._stack = AsyncExitStack()
        self._socket: Socket | None = None
        self._reading: asyncio.Task[None] | None = None
        self.answers_lost = 0
        """Answers with a login's cookies that did not come in time: it is to be repeated."""
        self._redeeming: set[asyncio.Task[None]] = set()
        self._one_by_one = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Have the tab open for the length of the block."""
        await self.come_back()
        try:
            yield
        finally:
            await self.leave()

    async def come_back(self) -> None:
        """Open a socket, and another one until one opens."""
        self.came_back += 1
        while True:
            stack = AsyncExitStack()
            try:
                socket = await stack.enter_async_context(self._connect())
            except LOST:
                await stack.aclose()
                await asyncio.sleep(0.2)
                continue
            self._stack, self._socket = stack, socket
            self._take(socket)
            self._reading = asyncio.create_task(self._read(socket))
            stack.push_async_callback(_end, self._reading)
            return

    def _connect(self) -> contextlib.AbstractAsyncContextManager[Socket]:
        ws_url = self.url.replace("http:", "ws:")
        return connect(ws_url, token=self.token, cookies=self.cookies, origin=self.url)

    @property
    def is_open(self) -> bool:
        """Whether the tab has a socket, as far as it knows."""
        return self._socket is not None

    async def leave(self) -> None:
        """Close the socket."""
        self._socket = None
        self._changed.set()
        with contextlib.suppress(*LOST):
            await self._stack.aclose()

    def fall_asleep(self) -> AsyncExitStack:
        """Answer nothing any more, without a word. What is returned ends the socket."""
        assert self._reading is not None
        self._reading.cancel()
        asleep, self._stack, self._socket = self._stack, AsyncExitStack(), None
        return asleep

    async def click(self, times: int = 1) -> None:
        """Click, and wait until the page shows it or has lost its socket."""
        socket = await self._open_socket()
        wanted = self.shown + times
        with contextlib.suppress(*LOST):
            for _ in range(times):
                self.sent += 1
                await socket.fire(f"{MEMBER}.who")
            await self._until(lambda: self.shown >= wanted)

    async def sign_in(self, name: str) -> None:
        socket = await self._open_socket()
        with contextlib.suppress(*LOST):
            await socket.fire(f"{MEMBER}.enter_slowly", name=name, seconds=0.1)
            await self._until(lambda: self.user == name)

    async def sign_out(self) -> None:
        socket = await self._open_socket()
        with contextlib.suppress(*LOST):
            await socket.fire(LOGOUT)
            await self._until(lambda: not self.user)

    async def _open_socket(self) -> Socket:
        if self._socket is None:
            await self.leave()
            await self.come_back()
        assert self._socket is not None
        return self._socket

    async def _until(self, is_so: Callable[[], bool], timeout: float = 20) -> None:
        async with asyncio.timeout(timeout):
            while self._socket is not None and not is_so():
                self._changed.clear()
                await self._changed.wait()

    async def _read(self, socket: Socket) -> None:
        with contextlib.suppress(*LOST):
            while True:
                await socket.read()
                self._take(socket)
        if self._socket is socket:
            self._socket = None
        self._changed.set()

    def _take(self, socket: Socket) -> None:
        """Show what has come."""
        updates, messages = list(socket.received), " ".join(socket.raw)
        socket.received.clear()
        socket.raw.clear()
        if renamed := re.findall(r'"new_token","([\w-]+)"', messages):
            self.token = renamed[-1]
        for update in updates:
            self._show(update.get("delta") or {})
        self.errors += re.findall(r'toast[^}]{0,40}"error"[^}]*', messages)
        if tickets := _TICKET.findall(messages):
            redeeming = asyncio.create_task(self._redeem(tickets[-1]))
            self._redeeming.add(redeeming)
            redeeming.add_done_callback(self._redeeming.discard)
        self._changed.set()

    def _show(self, delta: dict[str, dict[str, Any]]) -> None:
        user, shown = self.user, None
        for state, changes in delta.items():
            if state.endswith("django_user_state"):
                user = changes.get("username_rx_state_", user)
            elif state == MEMBER:
                shown = changes.get("events_rx_state_")
        if self.user and user != self.user:
            self.shown = 0  # The vars of a user are not another's.
        self.user = user
        if shown is None:
            return
        if shown < self.shown:
            now, is_new = time.monotonic(), self.token != self._former_token
            lost = self.answers_lost
            self.taken_back.append(TakenBack(now, self.shown, shown, self.doing, is_new, lost))
            self._former_token = self.token
        self.acknowledged += max(0, shown - self.shown)
        self.shown = shown

    async def _redeem(self, ticket: str) -> None:
        """Do what a page does with a ticket."""
        async with self._one_by_one, httpx.AsyncClient(timeout=10) as http:
            try:
                for method in ("POST", "PUT"):
                    headers = {
                        "x-rxbridge-ticket": ticket,
                        "origin": self.url,
                        "cookie": "; ".join(f"{name}={of}" for name, of in self.cookies.items()),
                    }
                    answer = await http.request(method, f"{self.url}/_cookies", headers=headers)
                    for line in answer.headers.get_list("set-cookie"):
                        for name, morsel in SimpleCookie(line).items():
                            self.cookies.pop(name, None)
                            if morsel.value:
                                self.cookies[name] = morsel.value
            except httpx.HTTPError:
                self.answers_lost += 1


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
