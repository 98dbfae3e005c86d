#!/bin/sh
# A WebSocket message of 17,000,000 bytes, larger than the 16 MiB both servers take by default.
# uvicorn 0.54.0 closes with 1009, "message too big", and gives code and size to the application.
# granian 2.8.7 closes without a code and tells the application 1005, as if the client had left.
#
# Guess before the run: 1009 from both, to the client and to the application.
#
# ASGIWebsocketProtocol.receive() in granian's src/asgi/io.rs takes each error of its WebSocket library, of which a message
# too large is one, for a client that closed without a code, and writes no close frame.
#
# Seen:
#   uvicorn: client 1009, application 1009 frame with 17000000 bytes exceeds limit of 16777216 bytes
#   granian: client 1005, application 1005
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import websockets

TOLD = Path(__file__).with_name("told")


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] != "websocket.disconnect":
        pass
    TOLD.write_text(f"{message.get('code')} {message.get('reason') or ''}".strip())


async def close_code(port):
    for _ in range(100):
        try:
            connection = await websockets.connect(f"ws://127.0.0.1:{port}/", compression=None)
            break
        except OSError:
            await asyncio.sleep(0.1)
    async with connection:
        try:
            await connection.send(b"x" * 17_000_000)
            await connection.recv()
        except websockets.ConnectionClosed:
            return connection.close_code


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def seen(*command):
    port = free_port()
    TOLD.unlink(missing_ok=True)
    server = subprocess.Popen(
        [sys.executable, "-m", *command, "--port", port, "finding:application"],
        cwd=Path(__file__).parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        code = asyncio.run(close_code(port))
        for _ in range(100):
            if TOLD.exists():
                break
            asyncio.run(asyncio.sleep(0.1))
    finally:
        server.terminate()
        server.wait()
    return f"client {code}, application {TOLD.read_text()}"


if __name__ == "__main__":
    of_uvicorn, of_granian = seen("uvicorn"), seen("granian", "--interface", "asgi")
    print("uvicorn:", of_uvicorn)
    print("granian:", of_granian)
    if not of_uvicorn.startswith("client 1009, application 1009"):
        raise SystemExit("CHANGED: uvicorn said 1009 to both.")
    if of_granian != "client 1005, application 1005":
        raise SystemExit("CHANGED: granian said nothing to either.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/environment"
"$folder/environment/bin/pip" install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 granian==2.8.7 websockets==17.4
"$folder/environment/bin/python" "$folder/finding.py"
