"""Proxy: what stands between an application and a server that is to go away."""

import asyncio
import contextlib
import ctypes
import socket
import struct
import threading
from collections.abc import Iterator

# Of Linux: a packet filter of a socket, here one that takes no packet at all.
_ATTACH_FILTER, _DETACH_FILTER = 26, 27
_RETURN_NOTHING = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
_DROP = struct.pack("HL", 1, ctypes.addressof(_RETURN_NOTHING))


class Proxy:
    """Passes TCP connections on to a port or a Unix socket, and fails when it is told to.

    ``cut`` ends connections and takes none; ``fall_silent`` takes them and passes nothing on;
    ``vanish`` has the machine answer no packet, as if it were off the network.
    """

    def __init__(self, target: int | str) -> None:
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.StreamWriter] = set()
        self._passes = asyncio.Event()
        self._passes.set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def back(self) -> None:
        """Pass on again, what has come meanwhile too."""
        self._do(self._back())

    def cut(self) -> None:
        """Refuse connections, and end those there are."""
        self._do(self._cut())

    def fall_silent(self) -> None:
        """Pass nothing on."""
        self._loop.call_soon_threadsafe(self._passes.clear)

    def vanish(self) -> None:
        """Answer no packet; the kernel of the other side sends each again until ``back``."""
        self.fall_silent()
        self._do(self._filter(_ATTACH_FILTER, _DROP))

    def _do(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _back(self) -> None:
        self._passes.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]
        await self._filter(_DETACH_FILTER, 0)

    async def _filter(self, option: int, value: bytes | int) -> None:
        assert self._server is not None
        accepted = (writer.get_extra_info("socket") for writer in self._open)
        for each in [*self._server.sockets, *accepted]:
            if each.family == socket.AF_INET:
                with contextlib.suppress(OSError):  # There is none to take away, or no socket.
                    each.setsockopt(socket.SOL_SOCKET, option, value)

    async def _cut(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server = None
        for writer in set(self._open):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if isinstance(self._target, str):
            back, forth = await asyncio.open_unix_connection(self._target)
        else:
            back, forth = await asyncio.open_connection("127.0.0.1", self._target)
        self._open |= {writer, forth}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, forth))
                group.create_task(self._copy(back, writer))
        except* OSError:
            pass
        finally:
            self._open -= {writer, forth}
            writer.close()
            forth.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            await self._passes.wait()
            writer.write(chunk)
        writer.close()

    def run(self) -> None:
        """Serve until ``stop``."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    def stop(self) -> None:
        """End all."""
        self._do(self._cut() if self._server is not None else asyncio.sleep(0))
        self._loop.call_soon_threadsafe(self._loop.stop)


@contextlib.contextmanager
def run_proxy(target: int | str) -> Iterator[Proxy]:
    """Serve a ``Proxy`` before a target until the block ends, on a thread of its own."""
    proxy = Proxy(target)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    proxy.back()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
