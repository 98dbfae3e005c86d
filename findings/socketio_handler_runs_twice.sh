#!/bin/sh
# python-socketio 5.18.1: a `disconnect(sid, reason=None)` or `connect(sid, environ, auth=None)` handler in whose body a
# TypeError comes up, as of None + 1, runs a second time from the start. So what it did before is done twice; the log
# has the second failure. Any other exception has it run once. Needs Python 3.10 or newer.
#
# Guess before the run: once, whatever is raised.
#
# AsyncServer (socketio/async_server.py) finds out whether a handler takes the last argument by calling it, and takes
# each TypeError for an answer: _handle_connect() then leaves auth out, _trigger_event() the reason.
#
# Seen, of a visit of one client:
#   TypeError in both: connect ran 2 times, disconnect ran 2 times
#   LookupError in disconnect: connect ran 1 times, disconnect ran 1 times
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import logging
import socket
from importlib.metadata import version

import socketio
import uvicorn

logging.disable()
server = socketio.AsyncServer(async_mode="asgi")
runs = {"connect": 0, "disconnect": 0}
left = asyncio.Event()
error = TypeError


@server.event
async def connect(sid, environ, auth=None):
    runs["connect"] += 1
    if error is TypeError and runs["connect"] == 1:
        raise error


@server.event
async def disconnect(sid, reason=None):
    runs["disconnect"] += 1
    asyncio.get_running_loop().call_later(0.5, left.set)
    raise error


async def visit(address):
    runs.update(connect=0, disconnect=0)
    left.clear()
    client = socketio.AsyncClient()
    await client.connect(address, transports=["websocket"])
    await client.disconnect()
    await asyncio.wait_for(left.wait(), 20)
    return ", ".join(f"{handler} ran {times} times" for handler, times in runs.items())


async def main():
    global error
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    uvicorn_server = uvicorn.Server(uvicorn.Config(socketio.ASGIApp(server), log_config=None))
    serving = asyncio.create_task(uvicorn_server.serve(sockets=[listener]))
    while not uvicorn_server.started:
        await asyncio.sleep(0.05)
    for error, where, times in [(TypeError, "both", 2), (LookupError, "disconnect", 1)]:
        result = await visit(f"http://127.0.0.1:{listener.getsockname()[1]}")
        print(f"  {error.__name__} in {where}: {result}")
        if result != f"connect ran {times} times, disconnect ran {times} times":
            raise SystemExit(f"  CHANGED: each ran {times} times.")
    uvicorn_server.should_exit = True
    await serving


print(f"python-socketio {version('python-socketio')}, uvicorn {version('uvicorn')}")
asyncio.run(main())
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    python-socketio==5.18.1 python-engineio==4.15.1 uvicorn==0.54.0 websockets==17.4 aiohttp==3.14.5
"$folder/venv/bin/python" "$folder/finding.py"
