"""Balancer: one address for several workers, which says and decides who serves what."""

import asyncio
import contextlib
import itertools
import re
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

SOCKET = "SOCKET"


@dataclass(frozen=True, slots=True)
class Served:
    """A request, or with the method ``SOCKET`` a WebSocket, and the worker that got it."""

    method: str
    path: str
    worker: int


class Balancer:
    """Hands each request to the worker that ``choose`` names; by default they take turns.

    Each request is a connection of its own, else all of a browser's would go to one worker.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self._ports = ports
        self._turns = itertools.cycle(range(len(ports)))
        self.served: list[Served] = []
        self.port = 0
        self._passing: set[asyncio.Task[None]] = set()
        self.choose: Callable[[str, str], int] = self.take_turns
        self._loop: asyncio.AbstractEventLoop | None = None
        self.delay = 0.0
        """Seconds by which all that passes comes late."""
        self._sockets: set[asyncio.StreamWriter] = set()
        self._lost: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def take_turns(self, method: str, path: str) -> int:
        """Return the worker whose turn it is."""
        return next(self._turns)

    def go_silent(self) -> None:
        """Pass on nothing more of the WebSockets there are, and tell nobody."""
        self._soon(lambda: self._lost.update(self._sockets))

    def lose_network(self) -> None:
        """End all WebSockets for their browsers only: no worker is told, and none hears of them."""
        self.go_silent()
        self._soon(lambda: [writer.close() for writer in self._sockets])

    def cut(self) -> None:
        """End all WebSockets for both sides, without a closing handshake."""
        self._soon(lambda: [writer.transport.abort() for writer in self._sockets])

    def _soon(self, do: Callable[[], object]) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(do)

    async def serve(self, started: threading.Event, stop: threading.Event) -> None:
        """Serve until ``stop`` is set."""
        server = await asyncio.start_server(self._track, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._loop = asyncio.get_running_loop()
        started.set()
        await asyncio.to_thread(stop.wait)
        server.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def _track(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._pass_on(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            async with _closing(writer):
                worker, head = self._assign(await reader.readuntil(b"\r\n\r\n"))
                back, forth = await asyncio.open_connection("127.0.0.1", self._ports[worker])
                async with _closing(forth):
                    forth.write(head)
                    if self.served[-1].method == SOCKET:
                        self._sockets.add(writer)
                    await _first_of(
                        self._copy(reader, forth, of=writer), self._copy(back, writer, of=writer)
                    )
                    self._sockets.discard(writer)
                    if writer in self._lost:
                        await asyncio.Event().wait()

    async def _copy(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        of: asyncio.StreamWriter,
    ) -> None:
        while chunk := await reader.read(65536):
            await asyncio.sleep(self.delay)
            if of not in self._lost:
                writer.write(chunk)
                await writer.drain()

    def _assign(self, head: bytes) -> tuple[int, bytes]:
        """Return who is to serve a request, and its head as that worker gets it."""
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        if b"\r\nupgrade: websocket\r\n" in head.lower():
            method = SOCKET
        else:
            head = re.sub(rb"(?i)\r\nconnection: [^\r]*", b"\r\nConnection: close", head)
        worker = self.choose(method, path)
        self.served.append(Served(method, path.partition("?")[0], worker))
        return worker, head


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _first_of(*copying: Coroutine[Any, Any, None]) -> None:
    """Run until one is done: when one side hangs up, so does the other."""
    tasks = [asyncio.ensure_future(each) for each in copying]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.contextmanager
def run_balancer(ports: Sequence[int]) -> Iterator[Balancer]:
    """Serve a ``Balancer`` before these ports, on a thread of its own, until the block ends."""
    balancer, started, stop = Balancer(ports), threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(balancer.serve(started, stop)))
    thread.start()
    try:
        started.wait(10)
        yield balancer
    finally:
        stop.set()
        thread.join(10)
