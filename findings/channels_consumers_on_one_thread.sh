#!/bin/sh
# Channels 4.3.2: the handlers of SyncConsumers run one at a time in a process, whosever sockets they are, and so does what
# async consumers give to database_sync_to_async. A handler or query of a second has all others wait for it. Channels'
# docs speak of a connection to the database for each thread, and of ASGI_THREADS for their number, which neither Channels
# nor asgiref 3.13.0 reads. Plain views under ASGI run beside each other. Needs Python 3.12 or newer.
#
# Guess before the run: on the threads of a pool, beside each other.
#
# Both are asgiref's sync_to_async (channels/db.py), thread-sensitive by default: one thread for all but what runs inside a
# ThreadSensitiveContext, which Django's ASGIHandler opens for each request, and nobody for a WebSocket.
#
# Seen, of how many of 4 that are made at once are under way at the same time:
#   SyncConsumer: 1
#   database_sync_to_async: 1
#   a plain view under ASGI: 4
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys
import threading
import time
from importlib.metadata import version

import django
from django.conf import settings

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="finding", SECRET_KEY="of no site")
sys.modules["finding"] = sys.modules["__main__"]
django.setup()

import httpx
from channels.consumer import AsyncConsumer, SyncConsumer
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import path

lock, under_way, at_once = threading.Lock(), set(), []


def work():
    with lock:
        under_way.add(ticket := object())
        at_once.append(len(under_way))
    time.sleep(0.5)
    with lock:
        under_way.remove(ticket)


class Plain(SyncConsumer):
    def websocket_connect(self, message):
        work()
        raise StopConsumer


class Asynchronous(AsyncConsumer):
    async def websocket_connect(self, message):
        await database_sync_to_async(work)()
        raise StopConsumer


def view(request):
    work()
    return HttpResponse()


async def receive():
    return {"type": "websocket.connect"}


async def main():
    transport = httpx.ASGITransport(get_asgi_application())
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        for what, visit, expected in [
            ("SyncConsumer", lambda: Plain.as_asgi()({"type": "websocket"}, receive, None), 1),
            ("database_sync_to_async", lambda: Asynchronous.as_asgi()({"type": "websocket"}, receive, None), 1),
            ("a plain view under ASGI", lambda: client.get("/"), 4),
        ]:
            at_once.clear()
            await asyncio.gather(*(visit() for _ in range(4)))
            result = max(at_once)
            print(f"  {what}: {result}")
            if result != expected:
                raise SystemExit(f"  CHANGED: it was {expected}.")


urlpatterns = [path("", view)]
print(f"Channels {version('channels')}, Django {django.__version__}, asgiref {version('asgiref')}")
asyncio.run(main())
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    channels==4.3.2 Django==6.1.3 asgiref==3.13.0 httpx==0.28.1
"$folder/venv/bin/python" "$folder/finding.py"
