#!/bin/sh
# hypercorn 0.18.0 stopped by SIGTERM with a WebSocket open: with Python 3.12.1 and newer --graceful-timeout is not
# heeded, and hypercorn waits until the client leaves, so until it is killed. The application hears of nothing
# meanwhile. With Python 3.11 the socket is closed once the time is over. uvicorn 0.54.0 closes it with 1012 at once.
# Needs Python 3.10 or newer.
#
# Guess before the run: the socket is closed with 1001 or 1012, after the time at the latest.
#
# worker_serve() (hypercorn/asyncio/run.py) awaits asyncio's Server.wait_closed() before it begins to count the time, and
# that waits for open connections only since Python 3.12.1.
#
# Seen, with Python 3.13.0, of a socket 8 s after SIGTERM with a time of 1 s:
#   uvicorn: closed, 1012
#   hypercorn: open
# with Python 3.11.7:
#   uvicorn: closed, 1012
#   hypercorn: closed, 1011
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import platform
import socket
import subprocess
import sys
from pathlib import Path

import websockets


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def after_sigterm(port, server):
    for _ in range(150):
        try:
            connection = await websockets.connect(f"ws://127.0.0.1:{port}/")
            break
        except OSError:
            await asyncio.sleep(0.1)
    async with connection:
        server.terminate()
        try:
            await asyncio.wait_for(connection.wait_closed(), 8)
        except asyncio.TimeoutError:
            return "open"
        return f"closed, {int(connection.close_code)}"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def seen(*command):
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", *[part.replace("PORT", port) for part in command], "finding:application"],
        cwd=Path(__file__).parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return asyncio.run(after_sigterm(port, server))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    print(f"Python {platform.python_version()}")
    for server, command, expected in [
        ("uvicorn", ["--timeout-graceful-shutdown", "1", "--port", "PORT"], "closed, 1012"),
        (
            "hypercorn",
            ["--graceful-timeout", "1", "--bind", "127.0.0.1:PORT"],
            "open" if sys.version_info >= (3, 12, 1) else "closed, 1011",
        ),
    ]:
        result = seen(server, *command)
        print(f"  {server}: {result}")
        if result != expected:
            raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 hypercorn==0.18.0 websockets==17.4
"$folder/venv/bin/python" "$folder/finding.py"
