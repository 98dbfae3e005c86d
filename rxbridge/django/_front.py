"""Front: keeps Vite's sockets in the process that lives on while servers come and go."""

import asyncio
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

from rxbridge.django._server import Address

_HEAD_LIMIT = _CHUNK = 64 * 1024
_VITE_SOCKET = b"\r\nsec-websocket-protocol: vite-"


@contextmanager
def front(listener: socket.socket, *, server: Address, vite: Address) -> Generator[None]:
    """Join the connections ``listener`` gets to the server, and those of Vite's client to Vite.

    A server that restarts closes its sockets, and Vite's client loads the page again once it
    has lost its own; so that one must not end at the server. Bytes are passed as they are.
    """
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()
    serving = _serve(listener, server, vite, stopped)
    thread = threading.Thread(target=loop.run_until_complete, args=[serving], daemon=True)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()


async def _serve(
    listener: socket.socket, server: Address, vite: Address, stopped: asyncio.Event
) -> None:
    connections: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_join(reader, writer, server, vite))
        connections.add(task)
        task.add_done_callback(connections.discard)

    # A duplicate, as it is closed with the server, and the other is its owner's.
    front = await asyncio.start_server(connected, sock=listener.dup(), limit=_HEAD_LIMIT)
    await stopped.wait()
    front.close()
    for task in connections:
        task.cancel()
    await asyncio.gather(*connections, return_exceptions=True)


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Address, vite: Address
) -> None:
    inner = None
    # Whoever resets a connection, or never says what it is for, has it closed.
    with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            # A browser has a connection of its own for each WebSocket, so its head is the first.
            address = vite if _VITE_SOCKET in head.lower() else server
            inner_reader, inner = await asyncio.open_connection(*address)
            inner.write(head)
            await asyncio.gather(_copy(reader, inner), _copy(inner_reader, writer))
        finally:
            for each in filter(None, (inner, writer)):
                each.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(_CHUNK):
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()
