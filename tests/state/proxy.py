"""Proxy: what stands between an application and a server that is to go away."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator


class Proxy:
    """Passes TCP connections on to a port; ``mode`` says how it fails, if it does.

    ``cut`` ends connections and takes none; ``silent`` takes them and passes nothing on.
    """

    def __init__(self, port: int) -> None:
        self._target = port
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

    def _do(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _back(self) -> None:
        self._passes.set()
        if self._server is None:
            self._server = await asyncio.start_server(self._pass, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server = None
        for writer in set(self._open):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
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
def run_proxy(port: int) -> Iterator[Proxy]:
    """Serve a ``Proxy`` before a port until the block ends, on a thread of its own."""
    proxy = Proxy(port)
    thread = threading.Thread(target=proxy.run)
    thread.start()
    proxy.back()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
