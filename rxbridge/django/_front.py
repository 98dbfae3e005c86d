"""Front: keeps Vite's sockets in the process that lives on while servers come and go."""

import asyncio
import socket
from contextlib import suppress
from functools import partial

from rxbridge.django._server import Address

_HEAD_LIMIT = _CHUNK = 64 * 1024
_VITE_SOCKET = b"\r\nsec-websocket-protocol: vite-"


async def front(listener: socket.socket, *, server: Address, vite: Address) -> asyncio.Server:
    """Join the connections ``listener`` gets to the server, and those of Vite's client to Vite.

    A server that restarts closes its sockets, and Vite's client loads the page again once it
    has lost its own; so that one must not end at the server. Bytes are passed as they are.
    """
    # A duplicate, as it is closed with the server, and the other is its owner's.
    join = partial(_join, server=server, vite=vite)
    return await asyncio.start_server(join, sock=listener.dup(), limit=_HEAD_LIMIT)


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Address, vite: Address
) -> None:
    inner = None
    # Whoever resets a connection, or never says what it is for, has it closed. Python 3.11 would
    # print that the end of the command cancels it.
    with suppress(
        OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError
    ):
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
