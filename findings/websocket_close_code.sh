#!/bin/sh
# What an application is told as its WebSocket ends. A client that closes with a code of its own, 4321: hypercorn
# 0.18.0 says 1006, as of a connection that broke; the others say 4321. A connection that breaks: uvicorn 0.54.0
# and granian 2.8.7 say 1005, as of a client that closed without a code; gunicorn 27.0.1 (worker class asgi) and
# hypercorn say 1006. So no one code tells the two cases apart on each server. Needs Python 3.10 or newer.
#
# Guess before the run: 4321 and 1006 from each, as RFC 6455 has them.
#
# hypercorn's WSStream (hypercorn/protocol/ws_stream.py) answers the client's close frame and lets its code
# fall; the application hears of the end of the stream.
#
# Seen:
#   uvicorn: closed with 4321: 4321, broken: 1005
#   granian: closed with 4321: 4321, broken: 1005
#   gunicorn: closed with 4321: 4321, broken: 1006
#   hypercorn: closed with 4321: 1006, broken: 1006
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
    TOLD.write_text(str(message.get("code")))


async def told(port, end):
    for _ in range(150):
        try:
            connection = await websockets.connect(f"ws://127.0.0.1:{port}/")
            break
        except OSError:
            await asyncio.sleep(0.1)
    TOLD.unlink(missing_ok=True)
    await end(connection)
    for _ in range(150):
        if TOLD.exists() and TOLD.read_text():
            return TOLD.read_text()
        await asyncio.sleep(0.1)


async def close(connection):
    await connection.close(4321)


async def cut(connection):
    connection.transport.abort()


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
        closed, broken = asyncio.run(told(port, close)), asyncio.run(told(port, cut))
    finally:
        server.terminate()
        server.wait()
    return f"closed with 4321: {closed}, broken: {broken}"


if __name__ == "__main__":
    for server, command, expected in [
        ("uvicorn", ["uvicorn", "--port", "PORT"], ("4321", "1005")),
        ("granian", ["granian", "--interface", "asgi", "--port", "PORT"], ("4321", "1005")),
        (
            "gunicorn",
            ["gunicorn", "--worker-class", "asgi", "--bind", "127.0.0.1:PORT"],
            ("4321", "1006"),
        ),
        ("hypercorn", ["hypercorn", "--bind", "127.0.0.1:PORT"], ("1006", "1006")),
    ]:
        result = seen(*command)
        print(f"{server}: {result}")
        if result != "closed with 4321: {}, broken: {}".format(*expected):
            raise SystemExit(f"CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 granian==2.8.7 gunicorn==27.0.1 hypercorn==0.18.0 websockets==17.4
"$folder/venv/bin/python" "$folder/finding.py"
