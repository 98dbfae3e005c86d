"""Browser tabs of ``bench_sockets.py``, in a process of their own: sockets at a real server.

A line in is a command as JSON, a line out its answer, as in ``worker.py``. Each tab fires its next
event when the last one is answered, and each answer is checked: the tab's counter went up by one.
"""

import asyncio
import json
import re
import sys
import time
import uuid
from urllib.parse import urlsplit

import websockets

BOOT = {
    "name": "reflex___state____state.hydrate_and_load",
    "payload": {},
    "router_data": {"pathname": "/", "asPath": "/"},
}


class ReflexTab:
    """A tab that speaks Reflex's protocol, on Socket.IO."""

    def __init__(self, url, cookie, events, compression):
        self._url = f"{url}/_event/?EIO=4&transport=websocket&token={uuid.uuid4()}"
        self._cookie, self._compression = cookie, compression
        router = {"pathname": "/", "asPath": "/"}
        self._messages = {
            each: "42/_event,"
            + json.dumps(["event", {"name": name, "payload": {}, "router_data": router}])
            for each, name in events.items()
        }
        self.clicks = 0

    async def open(self):
        self._socket = await connect(self._url, self._cookie, self._compression)
        await self._socket.recv()
        await self._socket.send(f"40/_event,{json.dumps({'event': BOOT})}")
        await self._answer(re.compile(r'is_hydrated_rx_state_\\?":\s*true'))

    async def fire(self, event):
        await self._socket.send(self._messages[event])
        found = await self._answer(re.compile(r'clicks_rx_state_\\?":\s*(\d+)'))
        self.clicks += 1
        if int(found[1]) != self.clicks:
            msg = f"The page shows {found[1]} and was clicked {self.clicks} times"
            raise RuntimeError(msg)

    async def _answer(self, pattern):
        while True:
            message = await self._socket.recv()
            if message == "2":
                await self._socket.send("3")
            elif found := pattern.search(message):
                return found


class ChannelsTab:
    """A tab of the consumer written by hand."""

    def __init__(self, url, cookie, events, compression):
        self._url, self._cookie, self._compression = f"{url}/_event/", cookie, compression
        self._messages = {each: json.dumps({"event": each}) for each in events}
        self.clicks = 0

    async def open(self):
        self._socket = await connect(self._url, self._cookie, self._compression)

    async def fire(self, event):
        await self._socket.send(self._messages[event])
        answer = json.loads(await self._socket.recv())
        self.clicks += 1
        if answer["clicks"] != self.clicks:
            msg = f"The page shows {answer} and was clicked {self.clicks} times"
            raise RuntimeError(msg)


class DjustTab:
    """A tab of djust's."""

    def __init__(self, url, cookie, events, compression):
        self._url, self._cookie, self._compression = f"{url}/_event/", cookie, compression
        self._messages = {
            each: json.dumps({"type": "event", "event": each, "params": {}}) for each in events
        }
        self.clicks = 0

    async def open(self):
        self._socket = await connect(self._url, self._cookie, self._compression)
        await self._until("connect")
        view = "benchmarks.contenders.live_view.Clicks"
        await self._socket.send(json.dumps({"type": "mount", "view": view, "url": "/"}))
        await self._until("mount")

    async def fire(self, event):
        await self._socket.send(self._messages[event])
        self.clicks += 1
        answer = await self._until("patch")
        if f'"{self.clicks} of ' not in answer:
            msg = f"The page shows {answer} and was clicked {self.clicks} times"
            raise RuntimeError(msg)

    async def _until(self, kind):
        while True:
            message = await self._socket.recv()
            found = json.loads(message)["type"]
            if found in ("error", "navigate"):
                raise RuntimeError(message)
            if found == kind:
                return message


TABS = {"reflex": ReflexTab, "channels": ChannelsTab, "djust": DjustTab}


async def connect(url, cookie, compression):
    """Open a socket as a page of the site does."""
    port = urlsplit(url).port
    return await websockets.connect(
        url,
        host="127.0.0.1",
        port=port,
        additional_headers={"Cookie": cookie},
        origin=f"http://localhost:{port}",
        compression=compression,
        open_timeout=120,
        max_size=None,
        ping_interval=None,
    )


class Clients:
    """The tabs at one server."""

    def __init__(self):
        self.tabs = []

    async def open(self, protocol, url, cookies, events, *, compressed):
        """Open a tab for each cookie, 32 at a time; return how long all of them took.

        Those that are timed are without compression, which would be timed with them.
        """
        kind, gate = TABS[protocol], asyncio.Semaphore(32)
        compression = "deflate" if compressed else None
        opened = [kind(url, cookie, events, compression) for cookie in cookies]

        async def open_one(tab):
            async with gate:
                await tab.open()

        begun = time.perf_counter()
        await asyncio.gather(*map(open_one, opened))
        self.tabs += opened
        return {"seconds": time.perf_counter() - begun}

    async def run(self, event, seconds):
        """Let all tabs fire for so long; return the rate and how long events took."""
        taken = []
        begun = time.perf_counter()
        over = begun + seconds

        async def go_on(tab):
            while (now := time.perf_counter()) < over:
                await tab.fire(event)
                taken.append(time.perf_counter() - now)

        await asyncio.gather(*map(go_on, self.tabs))
        elapsed = time.perf_counter() - begun
        taken.sort()
        return {
            "events": len(taken),
            "rate": len(taken) / elapsed,
            "p50": taken[len(taken) // 2],
            "p99": taken[len(taken) * 99 // 100],
        }


async def main():
    clients = Clients()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        try:
            answer = await getattr(clients, command.pop("do"))(**command)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
