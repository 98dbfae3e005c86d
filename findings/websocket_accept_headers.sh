#!/bin/sh
# Headers that an application gives to websocket.accept, such as Set-Cookie: uvicorn 0.54.0, gunicorn 27.0.1 (worker
# class asgi) and hypercorn 0.18.0 send them; granian 2.8.7 and daphne 4.2.3 leave them out and say nothing.
# Needs Python 3.10 or newer.
#
# Guess before the run: sent by each, since ASGI has had them since 2.1 of its WebSocket part.
#
# granian's adapt_message_type() (src/asgi/io.rs) and daphne's handle_reply() (daphne/ws_protocol.py) read the
# subprotocol of the message and nothing else.
#
# Seen:
#   uvicorn: Set-Cookie seen=1
#   gunicorn: Set-Cookie seen=1
#   hypercorn: Set-Cookie seen=1
#   granian: Set-Cookie None
#   daphne: Set-Cookie None
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


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await receive()
    await send({"type": "websocket.accept", "headers": [(b"set-cookie", b"seen=1")]})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def cookie(port):
    for _ in range(150):
        try:
            connection = await websockets.connect(f"ws://127.0.0.1:{port}/")
            break
        except OSError:
            await asyncio.sleep(0.1)
    async with connection:
        return connection.response.headers.get("Set-Cookie")


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
        return asyncio.run(cookie(port))
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    for server, command, expected in [
        ("uvicorn", ["uvicorn", "--port", "PORT"], "seen=1"),
        ("gunicorn", ["gunicorn", "--worker-class", "asgi", "--bind", "127.0.0.1:PORT"], "seen=1"),
        ("hypercorn", ["hypercorn", "--bind", "127.0.0.1:PORT"], "seen=1"),
        ("granian", ["granian", "--interface", "asgi", "--port", "PORT"], None),
        ("daphne", ["daphne", "--port", "PORT"], None),
    ]:
        result = seen(*command)
        print(f"{server}: Set-Cookie {result}")
        if result != expected:
            raise SystemExit(f"CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 granian==2.8.7 gunicorn==27.0.1 hypercorn==0.18.0 daphne==4.2.3 websockets==17.4
"$folder/venv/bin/python" "$folder/finding.py"
