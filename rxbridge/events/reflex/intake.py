"""Intake: of what a socket sends, no more is read than can be served."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import re
from typing import TYPE_CHECKING, Any

from reflex_base.event.context import EventContext

from rxbridge.asgi.connections import CONNECTION_SCOPE_KEY
from rxbridge.events.reflex.answers import described, update_of
from rxbridge.events.reflex.handover import token_in
from rxbridge.events.reflex.outbox import FIELDS
from rxbridge.events.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    import reflex as rx

    from rxbridge.asgi._types import Message, Receive, Scope, Send

_LARGEST = 4
"""So many events of the largest size may wait of one socket, whatever the backlog."""

_MESSAGE_TOO_BIG = 1009
"""WebSocket close code for a message that the server did not take (RFC 6455, 7.4.1)."""

# Engine.IO's and Socket.IO's prefixes of an event, and of an answer, with binary parts.
_BINARY = ("45", "46")

# Reflex's client writes the name first.
_NAME = re.compile(r'\{"name":"([\w.]{1,500})"')


class Intake:
    """Read no more of a socket while its events wait, and refuse those that are too large.

    A socket with more than ``backlog`` unfinished events, or with more text in them than four of
    the largest have, is not read until one has ended; what it sends meanwhile stays with its
    sender, by the flow control of TCP. An event larger than Engine.IO's ``max_http_buffer_size``,
    for which Engine.IO would close the socket, is refused alone.
    """

    def __init__(self, app: rx.App, *, backlog: int) -> None:
        self.app = app
        self.sio: Any = app.sio
        self.namespace: str = app.event_namespace.namespace  # type: ignore[union-attr]
        self.prefix = f'42{self.namespace},["event",'
        self.max_size: int = self.sio.eio.max_http_buffer_size  # type: ignore[union-attr]
        self.backlog = backlog
        self.cut_off: dict[str, str] = {}
        """Why the server closed a tab's socket for a message; the tab is to be told of it."""

    def socket(self, scope: Scope, receive: Receive, send: Send) -> _Socket:
        """Return the two ends of a tab's socket, with what there is room for."""
        tab = token_in(scope.get("query_string", b""))
        return _Socket(self, tab, scope.get(CONNECTION_SCOPE_KEY), receive, send)

    def note_cut_off(self, token: str, reason: str) -> None:
        """Remember a tab until it is back, among the last hundred."""
        self.cut_off[token] = reason
        if len(self.cut_off) > 100:
            del self.cut_off[next(iter(self.cut_off))]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _SocketContext(EventContext):  # type: ignore[no-untyped-call]
    """What Reflex enqueues a socket's events in; it tells of each."""

    root: EventContext
    note: Callable[[EventContext], None]

    def fork(
        self, token: str | None = None, router_data: dict[str, Any] | None = None
    ) -> EventContext:
        """Return an event's context as Reflex does."""
        forked = self.root.fork(token, router_data)
        self.note(forked)
        return forked


class _Socket:
    """One socket's way in."""

    __slots__ = (
        "_connection",
        "_ended",
        "_enqueued",
        "_event",
        "_intake",
        "_processor",
        "_receive",
        "_send",
        "_size",
        "_token",
        "_unfinished",
        "context",
        "send",
    )

    def __init__(
        self, intake: Intake, tab: str, connection: Any, receive: Receive, send: Send
    ) -> None:
        self._intake = intake
        self._receive = receive
        self._send = send
        self._connection = connection
        self._token = tab
        self._processor = intake.app.event_processor
        # Of the last message: how its event begins, the size, and what Reflex made of it.
        self._event = ""
        self._size = 0
        self._enqueued: list[EventContext] = []
        self._unfinished: dict[asyncio.Future[Any], int] = {}
        self._ended: asyncio.Event | None = None  # Most sockets never wait for one.
        self.send = self._send_and_tell if self._token in intake.cut_off else send
        root: Any = self._processor._root_context
        fields = {name: getattr(root, name) for name in FIELDS}
        self.context = _SocketContext(**fields, root=root, note=self._enqueued.append)

    async def receive(self) -> Message:
        """Return the next message for Reflex, once there is room for what it may bring."""
        if self._event and not self._enqueued:
            await self._refuse(400, "Reflex could not read its message")
        self._count()
        if self._is_full():
            await self._give_up_unknown()
        while self._is_full() and not getattr(self._connection, "closed", False):
            self._ended = asyncio.Event()
            # Nobody says when the socket is closed from here, as for a session that has ended.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self._ended.wait()
        while True:
            message = await self._receive()
            self._look_at(message)
            if (cause := self._unacceptable(message)) is None:
                return message
            await self._refuse(*cause)

    def _unacceptable(self, message: Message) -> tuple[int, str] | None:
        """Return the status and the cause of refusing a message that Reflex is not to see."""
        text: str = message.get("text") or ""
        if message.get("bytes") or text.startswith(_BINARY):
            # Its parts would be kept until all are there. Reflex's client sends text.
            return 400, "binary messages are none of Reflex's"
        if self._event and self._size > self._intake.max_size:
            return 413, f"its message has {self._size} characters"
        return None

    def _look_at(self, message: Message) -> None:
        text, prefix = message.get("text") or "", self._intake.prefix
        self._size = len(text)
        self._event = text[: len(prefix) + 600] if text.startswith(prefix) else ""
        if message.get("code") == _MESSAGE_TOO_BIG:
            self._intake.note_cut_off(self._token, message.get("reason") or "")

    def _count(self) -> None:
        """Count the events that the last message has brought, until each has ended."""
        for context in self._enqueued:
            self._token = context.token
            future = self._processor._futures.get(context.txid)
            if future is not None and not future.done():
                self._unfinished[future] = self._size
                future.add_done_callback(self._forget)
        self._enqueued.clear()

    def _forget(self, future: asyncio.Future[Any]) -> None:
        self._unfinished.pop(future, None)
        if self._ended is not None:
            self._ended.set()

    def _is_full(self) -> bool:
        return (
            len(self._unfinished) > self._intake.backlog
            or sum(self._unfinished.values()) > _LARGEST * self._intake.max_size
        )

    async def _give_up_unknown(self) -> None:
        """End the events of handlers that are not the app's, which Reflex leaves unfinished."""
        await self._processor.join()
        queue = self._processor._token_queues.get(self._token, ())
        waiting = self._processor._tasks.keys() | {entry.ctx.txid for entry, _ in queue}
        for future in list(self._unfinished):
            if future.txid not in waiting:  # type: ignore[attr-defined]
                future.cancel()

    async def _refuse(self, status: int, cause: str) -> None:
        """Log that the last message's event did not run, and tell the page."""
        name = _NAME.match(self._event, len(self._intake.prefix))
        event = described("" if name is None else name[1], self._token, self._connection)
        update = update_of(self._intake.app, Refusal(event=event, status=status), cause)
        packet = self._intake.sio.packet_class(
            data=["event", update], namespace=self._intake.namespace
        )
        await self._send({"type": "websocket.send", "text": f"4{packet.encode()}"})

    async def _send_and_tell(self, message: Message) -> None:
        """Send as Reflex does, and tell a tab that has just come back why its socket closed."""
        await self._send(message)
        is_connect = (message.get("text") or "").startswith(f"40{self._intake.namespace}")
        if is_connect and (reason := self._intake.cut_off.pop(self._token, None)) is not None:
            await self._refuse(413, f"the server closed the socket for its message: {reason}")
