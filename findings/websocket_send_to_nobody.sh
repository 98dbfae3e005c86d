#!/bin/sh
# A WebSocket of Starlette 1.10.0 that only sends, a clock, whose client has gone. On uvicorn 0.54.0 and
# gunicorn 27.0.1 (worker class asgi) the next sends raise, and the task ends; on granian 2.8.7 and hypercorn
# 0.18.0 each send succeeds, so each client that leaves has its task run on. Needs Python 3.10
# or newer.
#
# Guess before the run: WebSocketDisconnect after a send or two, as Starlette makes it of the server's OSError.
#
# ASGI 2.4 has send() raise an OSError; granian and hypercorn speak 2.3 and 2.1 (scope["asgi"]["spec_version"])
# and drop what nobody takes. Only receive() tells there, which a clock does not call.
#
# Seen, of 20 sends after the client has gone:
#   uvicorn: WebSocketDisconnect
#   gunicorn: WebSocketDisconnect
#   granian: 20 sends
#   hypercorn: 20 sends
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
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

TOLD = Path(__file__).with_name("told")
GONE = Path(__file__).with_name("gone")


async def clock(websocket):
    await websocket.accept()
    sends = 0
    while sends < 20:
        await asyncio.sleep(0.1)
        try:
            await websocket.send_text("tick")
        except WebSocketDisconnect:
            TOLD.write_text("WebSocketDisconnect")
            return
        sends += GONE.exists()
    TOLD.write_text(f"{sends} sends")


application = Starlette(routes=[WebSocketRoute("/", clock)])


async def leave(port):
    for _ in range(150):
        try:
            connection = await websockets.connect(f"ws://127.0.0.1:{port}/")
            break
        except OSError:
            await asyncio.sleep(0.1)
    await connection.recv()
    await connection.close()
    GONE.touch()
    for _ in range(200):
        if TOLD.exists() and TOLD.read_text():
            return TOLD.read_text()
        await asyncio.sleep(0.1)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def seen(*command):
    port = free_port()
    TOLD.unlink(missing_ok=True)
    GONE.unlink(missing_ok=True)
    server = subprocess.Popen(
        [sys.executable, "-m", *[part.replace("PORT", port) for part in command], "finding:application"],
        cwd=Path(__file__).parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return asyncio.run(leave(port))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    for server, command, expected in [
        ("uvicorn", ["uvicorn", "--port", "PORT"], "WebSocketDisconnect"),
        (
            "gunicorn",
            ["gunicorn", "--worker-class", "asgi", "--bind", "127.0.0.1:PORT"],
            "WebSocketDisconnect",
        ),
        ("granian", ["granian", "--interface", "asgi", "--port", "PORT"], "20 sends"),
        ("hypercorn", ["hypercorn", "--bind", "127.0.0.1:PORT"], "20 sends"),
    ]:
        result = seen(*command)
        print(f"{server}: {result}")
        if result != expected:
            raise SystemExit(f"CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check starlette==1.10.0 \
    uvicorn==0.54.0 granian==2.8.7 gunicorn==27.0.1 hypercorn==0.18.0 websockets==17.4
"$folder/venv/bin/python" "$folder/finding.py"
