"""TabHandover: a tab whose socket or worker is dead goes on with its state by a new socket."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import asyncio
import functools
import hashlib
import logging
import pickle
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from engineio.packet import PING, Packet  # type: ignore[import-untyped]
from reflex.app import EventNamespace
from reflex.utils.token_manager import LostAndFoundRecord, RedisTokenManager

from rxbridge.asgi.connections import CONNECTION_SCOPE_KEY

if TYPE_CHECKING:
    from collections.abc import Coroutine

    import reflex as rx
    from reflex.state import StateUpdate

    from rxbridge.asgi._types import Scope
    from rxbridge.asgi.connections import Connection

logger = logging.getLogger("rxbridge")

PATIENCE = 1.5
"""Seconds a silent worker has to be heard again: Reflex renews a broken subscription after one."""

ANSWER = 1.0
"""Seconds the browser of a socket that seems open has to answer a ping."""

_GONE = b"gone"

_TAKE_AWAY = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


@dataclass(frozen=True)
class Question:
    """Sent to the worker that has a tab, in place of an update: is its browser still there?

    ``browsers`` are digests of the cookies that the tab which came here shows; ``answer`` is the
    key of the list in Redis that the worker is to put its answer into.
    """

    browsers: frozenset[str]
    answer: str


class TabHandover(EventNamespace):
    """Let a tab keep its state as it comes back, although its last socket seems to be open.

    Reflex notes which socket of which worker has a tab. It takes a tab with such a note for a
    duplicate, and gives it another token and an empty state. Three kinds of notes are wrong, and
    are taken away here before Reflex sees that the tab connects:

    - The network died without a close, as a laptop fell asleep or changed its Wi-Fi. The server
      would find out after some two minutes. So the socket is sent a ping, which the client of a
      duplicated tab answers at once; one that is silent for ``ANSWER`` seconds is closed. Only a
      tab of the same browser is asked about, as the ``Connection`` knows it.
    - The worker was killed. One that ends takes its notes away, this one leaves them in Redis for
      an hour. Each worker listens on a channel of its own, on which it is asked to send that
      ping; it is gone when Redis says twice, ``PATIENCE`` apart, that nobody listens.
    - The socket has closed, and its worker, which is stopping say, has not come to say so yet.

    A handshake with nothing open costs a look into a dict, and one read where states are in
    Redis. When that fails, Reflex does as it would.
    """

    def __init__(self, namespace: str, app: rx.App) -> None:
        super().__init__(namespace, app)
        self._passing_on: set[asyncio.Task[None]] = set()
        self._listening: asyncio.Task[None] | None = None

    async def on_connect(self, sid: str, environ: dict[str, Any], auth: Any = None) -> None:
        """Make way for a tab that comes back, then let Reflex have it."""
        scope: Scope = environ.get("asgi.scope", {})
        token = token_in(scope.get("query_string", b""))
        await self.make_way(token, scope.get(CONNECTION_SCOPE_KEY))
        await super().on_connect(sid, environ, auth)

    async def make_way(self, token: str, newcomer: Connection | None) -> None:
        """Close or forget the socket that has the tab, if nobody is behind it any more."""
        tabs = self._token_manager
        browsers = frozenset(map(digest, () if newcomer is None else newcomer.browsers))
        if isinstance(tabs, RedisTokenManager):
            # Before Reflex does, for whatever socket: it would take a question for an update.
            self._listen(tabs)
        try:
            if self.note_of(token) is not None:
                await self._close_if_dead(token, browsers)
            elif token and isinstance(tabs, RedisTokenManager):
                await self._take_note_away(tabs, token, browsers)
        except Exception as error:
            # A note may be another release's, or none: the token is the client's word.
            logger.warning("A tab that came back may lose its state: %r", error)

    def note_of(self, token: str) -> Any:
        """Return Reflex's note of the tab, if a socket of this worker has it."""
        note = self._token_manager.token_to_socket.get(token)
        is_here = note is not None and note.instance_id == self._token_manager.instance_id
        return note if is_here else None

    def connection_of(self, token: str) -> Connection | None:
        """Return the connection of the tab's socket, if it is at this worker."""
        note, server = self.note_of(token), self.app.sio
        environ = server and note and server.get_environ(note.sid, self.namespace)
        scope: dict[str, Any] = (environ or {}).get("asgi.scope", {})
        return scope.get(CONNECTION_SCOPE_KEY)

    def _listen(self, tabs: RedisTokenManager) -> None:
        tabs.ensure_lost_and_found_task(self._hear)
        task = tabs._lost_and_found_task
        if task is not None and task is not self._listening:
            self._listening = task
            task.add_done_callback(functools.partial(self._listen_again, tabs))

    def _listen_again(self, tabs: RedisTokenManager, ended: asyncio.Task[None]) -> None:
        # Reflex gives up when Redis is away for five seconds.
        if not ended.cancelled():
            ended.exception()
            ended.get_loop().call_later(1, self._listen, tabs)

    async def _close_if_dead(self, token: str, browsers: frozenset[str]) -> None:
        """Close the tab's socket here if it is one of these browsers and does not answer."""
        server, note, connection = self.app.sio, self.note_of(token), self.connection_of(token)
        if server is None or note is None or connection is None:
            return
        socket = server.eio.sockets.get(server.manager.eio_sid_from_sid(note.sid, self.namespace))
        if socket is None:
            return
        if connection.browser is not None and digest(connection.browser) not in browsers:
            return
        if await _answers(socket, connection):
            return
        connection.close()
        # Reflex does so too as the socket ends, but the handshake must not come before it.
        if self._token_manager.token_to_socket.get(token) == note:
            await self._token_manager.disconnect_token(token, note.sid)

    async def _take_note_away(
        self, tabs: RedisTokenManager, token: str, browsers: frozenset[str]
    ) -> None:
        """Take away the note of a socket that is gone; Reflex itself may be late to do so."""
        redis: Any = tabs.redis
        key = tabs._get_redis_key(token)
        note = await redis.get(key)
        if note is None:
            return
        worker = pickle.loads(note).instance_id  # noqa: S301 - Reflex's own, which reads it so
        if worker == tabs.instance_id:
            is_gone = self.note_of(token) is None
        else:
            channel = f"channel:{tabs._get_lost_and_found_key(worker)}"
            is_gone = await self._is_gone_from(channel, token, browsers)
        if is_gone:  # Unless the tab has come back elsewhere meanwhile.
            await redis.eval(_TAKE_AWAY, 1, key, note)

    async def _is_gone_from(self, channel: str, token: str, browsers: frozenset[str]) -> bool:
        """Ask the worker that listens there, and tell whether it or the tab's socket is gone."""
        redis: Any = self._token_manager.redis  # type: ignore[attr-defined] # looked up by it
        question = Question(browsers, f"rxbridge:answer:{secrets.token_urlsafe(16)}")
        update: Any = question
        asked = pickle.dumps(LostAndFoundRecord(token=token, update=update))
        for _ in range(2):  # One that is being stopped may hear it, and end before it answers.
            if not await redis.publish(channel, asked):
                await asyncio.sleep(PATIENCE)
                if not await redis.publish(channel, asked):
                    return True
            if answer := await redis.blpop([question.answer], timeout=ANSWER + PATIENCE):
                return bool(answer[1] == _GONE)
        return False

    async def _hear(self, update: StateUpdate | Question, token: str) -> None:
        """Take what another worker publishes for a tab of this one, as Reflex's listener has it."""
        work: Coroutine[Any, Any, None] = (
            self._answer(update, token)
            if isinstance(update, Question)
            else self.emit_update(update, token)
        )
        # None waits for those before: what this worker itself sends a tab would overtake it.
        task = asyncio.create_task(work, name="rxbridge_tab_handover")
        self._passing_on.add(task)
        task.add_done_callback(self._passing_on.discard)

    async def _answer(self, question: Question, token: str) -> None:
        redis: Any = self._token_manager.redis  # type: ignore[attr-defined] # asked through it
        try:
            await self._close_if_dead(token, question.browsers)
            here = self.note_of(token) is not None
            await redis.rpush(question.answer, b"" if here else _GONE)
            await redis.expire(question.answer, 10)
        except Exception as error:
            logger.warning("A tab that went to another worker may lose its state: %r", error)


async def _answers(socket: Any, connection: Connection) -> bool:
    """Send Engine.IO's ping over a socket twice, and tell whether each is answered.

    Nothing else counts: a page that has just gone may have left clicks on their way. Nor does one
    answer, which may be that to the server's own last ping.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + ANSWER
    for _ in range(2):
        before = connection.pongs
        await socket.send(Packet(PING))
        while connection.pongs == before:
            if connection.closed or clock() >= until:
                return False
            await asyncio.sleep(0.02)
    return not connection.closed


def token_in(query_string: bytes) -> str:
    """Return the token of a tab that opens a socket; empty where it names none."""
    return parse_qs(query_string.decode("latin-1")).get("token", [""])[0]


def digest(mark: str) -> str:
    """Return what stands for a secret of a browser's where others could read it."""
    return hashlib.sha256(mark.encode()).hexdigest()
