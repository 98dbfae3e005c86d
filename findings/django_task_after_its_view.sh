#!/bin/sh
# Django 5.2.19 and 6.1.3 with asgiref 3.13.0: a task that an async view starts and does not wait for, and that
# queries once the view has answered, opens a database connection of its own, which nobody closes, also
# with CONN_MAX_AGE = 0. It is there until Python's cycle collector comes by. Needs Linux and Python 3.12 or newer.
#
# Guess before the run: the task's query runs on a thread that is there anyhow, and its connection is closed
# with the next request.
#
# The task has inherited the request's ThreadSensitiveContext, which has ended with the request. asgiref's
# SyncToAsync.__call__() makes another executor for it, so another thread, and so Django another connection.
# close_old_connections() runs on the threads of requests, by request_finished, and comes to none of those.
#
# Seen, with each version, of 50 requests:
#   the view queries: 1 connection open
#   its task queries: 51 connections open, 1 after gc.collect()
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import gc
import os
import sys
import time

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    ROOT_URLCONF="finding",
    SECRET_KEY="of no site",
)
sys.modules["finding"] = sys.modules["__main__"]
django.setup()

from django.contrib.auth.models import Group
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.http import HttpResponse
from django.urls import path

application = get_asgi_application()
running = set()
answered = asyncio.Event()


async def view(request):
    await Group.objects.acount()
    return HttpResponse()


async def later():
    await answered.wait()
    await Group.objects.acount()


async def view_with_task(request):
    task = asyncio.create_task(later())
    running.add(task)
    task.add_done_callback(running.discard)
    return HttpResponse()


urlpatterns = [path("view", view), path("task", view_with_task)]


async def get(where):
    scope = {"type": "http", "method": "GET", "path": where, "query_string": b"", "headers": []}
    messages = asyncio.Queue()
    messages.put_nowait({"type": "http.request"})

    async def send(message):
        pass

    await application(scope, messages.get, send)


async def connections_after(where):
    answered.clear()
    for _ in range(50):
        await asyncio.create_task(get(where))
    answered.set()
    while running:
        await asyncio.gather(*running)
    return connections()


def connections():
    folder = "/proc/self/fd"
    targets = [os.path.realpath(os.path.join(folder, name)) for name in os.listdir(folder)]
    return targets.count(os.path.realpath(sys.argv[1]))


call_command("migrate", verbosity=0)
gc.collect()
gc.disable()
print(f"Django {django.__version__}")
by_view = asyncio.run(connections_after("/view"))
print(f"  the view queries: {by_view} connection open")
by_task = asyncio.run(connections_after("/task"))
for _ in range(100):  # The last threads are still on their way out.
    gc.collect()
    if connections() == 1:
        break
    time.sleep(0.05)
print(f"  its task queries: {by_task} connections open, {connections()} after gc.collect()")
if (by_view, by_task, connections()) != (1, 51, 1):
    raise SystemExit("  CHANGED: it was 1, 51 and 1.")
PYTHON

for version in 5.2.19 6.1.3; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check \
        "Django==$version" asgiref==3.13.0
    "$folder/$version/bin/python" "$folder/finding.py" "$folder/$version.sqlite3"
done
