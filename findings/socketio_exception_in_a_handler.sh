#!/bin/sh
# python-socketio 5.18.1: an exception in an event's handler is told to nobody at the other end. Who waits for the
# acknowledgement, by call() or a callback, waits until a time-out of its own, and the connection stays; a handler
# that returns nothing is acknowledged at once. Needs Python 3.10 or newer.
#
# Guess before the run: the acknowledgement comes with an error, or the connection is closed.
#
# AsyncServer._handle_event_internal() (socketio/async_server.py) sends it after the handler has returned. The handler
# runs as a task that nobody awaits, so its traceback comes by asyncio's "Task exception was never retrieved", not
# by the server's logger.
#
# Seen:
#   returns: acknowledged
#   raises: no acknowledgement within 2 s, still connected
#   said by the logger asyncio: Task exception was never retrieved
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import gc
import logging
import socket
from importlib.metadata import version

import socketio
import uvicorn

server = socketio.AsyncServer(async_mode="asgi")
said = []


class Said(logging.Handler):
    def emit(self, record):
        said.append((record.name, record.getMessage().partition("\n")[0]))


@server.event
async def returns(sid):
    pass


@server.event
async def raises(sid):
    raise LookupError("no such product")


async def answer(client, event):
    try:
        await client.call(event, timeout=2)
    except socketio.exceptions.TimeoutError:
        return f"no acknowledgement within 2 s, {'still' if client.connected else 'no longer'} connected"
    return "acknowledged"


async def main():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(socketio.ASGIApp(server), log_config=None)
    uvicorn_server = uvicorn.Server(config)
    serving = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
    while not uvicorn_server.started:
        await asyncio.sleep(0.05)
    client = socketio.AsyncClient()
    await client.connect(f"http://127.0.0.1:{listener.getsockname()[1]}", transports=["websocket"])
    result = [("returns", await answer(client, "returns")), ("raises", await answer(client, "raises"))]
    await client.disconnect()
    uvicorn_server.should_exit = True
    await serving
    return result


logging.getLogger().addHandler(Said())
print(f"python-socketio {version('python-socketio')}, uvicorn {version('uvicorn')}")
result = asyncio.run(main())
gc.collect()
result += [(f"said by the logger {name}", text) for name, text in said if "exception" in text.lower()]
for what, happened in result:
    print(f"  {what}: {happened}")
if result != [
    ("returns", "acknowledged"),
    ("raises", "no acknowledgement within 2 s, still connected"),
    ("said by the logger asyncio", "Task exception was never retrieved"),
]:
    raise SystemExit("  CHANGED.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    python-socketio==5.18.1 python-engineio==4.15.1 uvicorn==0.54.0 websockets==17.4 aiohttp==3.14.5
"$folder/venv/bin/python" "$folder/finding.py"
