#!/bin/sh
# What a client is told where a WebSocket's application raises, or returns without closing: gunicorn 27.0.1 (worker class
# asgi) and hypercorn 0.18.0 close with 1011, an error of the server. uvicorn 0.54.0 cuts the connection, which a
# client takes for a broken network (1006). granian 2.8.7 closes without a code (1005), which a browser calls clean, so a
# page that reconnects after errors only does not. Needs Python 3.10 or newer.
#
# Guess before the run: 1011 from each where it raises, 1000 where it returns.
#
# uvicorn's run_asgi() (uvicorn/protocols/websockets) closes the transport and sends no close frame;
# granian's WebsocketDetachedTransport.close() (src/asgi/io.rs) has no code to send in one.
#
# Seen, where it raises and where it returns:
#   uvicorn: 1006, 1006
#   gunicorn: 1011, 1011
#   hypercorn: 1011, 1011
#   granian: 1005, 1005
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
    await send({"type": "websocket.accept"})
    await receive()
    if scope["path"] == "/raise":
        raise LookupError("no such room")


async def code(port, path):
    for _ in range(150):
        try:
            connection = await websockets.connect(f"ws://127.0.0.1:{port}{path}")
            break
        except OSError:
            await asyncio.sleep(0.1)
    async with connection:
        await connection.send("hello")
        await connection.wait_closed()
        return int(connection.close_code)


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
        return [asyncio.run(code(port, path)) for path in ("/raise", "/return")]
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    for server, command, expected in [
        ("uvicorn", ["uvicorn", "--port", "PORT"], 1006),
        ("gunicorn", ["gunicorn", "--worker-class", "asgi", "--bind", "127.0.0.1:PORT"], 1011),
        ("hypercorn", ["hypercorn", "--bind", "127.0.0.1:PORT"], 1011),
        ("granian", ["granian", "--interface", "asgi", "--port", "PORT"], 1005),
    ]:
        result = seen(*command)
        print(f"{server}: {result[0]}, {result[1]}")
        if result != [expected, expected]:
            raise SystemExit(f"CHANGED: it was {expected} in both.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 granian==2.8.7 gunicorn==27.0.1 hypercorn==0.18.0 websockets==17.4
"$folder/venv/bin/python" "$folder/finding.py"
