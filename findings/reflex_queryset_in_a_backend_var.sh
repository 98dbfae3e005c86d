#!/bin/sh
# Reflex 0.10.1 with Django 6.1.3 and states in Redis: a QuerySet in a backend var (`_rows`), which is sent to no page.
# The handler runs, its change is sent, and then the state is not stored, by a SynchronousOnlyOperation:
# the next event counts from the old value. A plain handler is no better off. With states in memory all is well.
# Needs redis-server and Python 3.12 or newer.
#
# Guess before the run: the QuerySet is stored as it is, a query that has not been run.
#
# To be pickled, a QuerySet fetches its rows first (QuerySet.__getstate__() in django/db/models/query.py), and Reflex
# pickles states on the event loop, after the delta has been sent, where Django refuses to query.
#
# Seen:
#   memory: 1, 2
#   Redis: 1 and SynchronousOnlyOperation, 1
set -eu

folder=$(mktemp -d)
redis=
trap '[ -z "$redis" ] || kill "$redis"; rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

import django
import reflex as rx
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[2]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
)
django.setup()

from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db.models import QuerySet
from redis.asyncio import Redis
from reflex.istate.manager.memory import StateManagerMemory
from reflex.istate.manager.redis import StateManagerRedis
from reflex_base.event import Event
from reflex_base.event.processor.base_state_processor import BaseStateEventProcessor


class Groups(rx.State):
    count: int = 0
    _rows: QuerySet | None = None

    @rx.event
    def look_up(self):
        self._rows = Group.objects.order_by("name")
        self.count += 1

    @rx.event
    def add(self):
        self.count += 1


class Page:
    def __init__(self):
        self.sent = []

    async def emit_update(self, update, token):
        for changes in update.delta.values():
            self.sent += [str(value) for name, value in changes.items() if name.startswith("count")]


async def shown_with(app, manager):
    page, shown, failed = Page(), [], []
    processor = BaseStateEventProcessor(middleware=app, backend_exception_handler=failed.append)
    with app.set_contexts():
        async with processor.configure(state_manager=manager, event_namespace=page):
            for handler in (Groups.look_up, Groups.add):
                event = Event.from_event_type(handler)[0]
                future = await processor.enqueue("tab", Event(name=event.name, router_data=TAB))
                await asyncio.wait([future])
                names = {type(error).__name__ for error in failed}
                shown.append(" and ".join([page.sent[-1], *names]))
                failed.clear()
    return ", ".join(shown)


TAB = {"token": "tab", "sid": "tab", "pathname": "/", "query": {}, "headers": {}}


async def main():
    app, redis = rx.App(), Redis(unix_socket_path=sys.argv[1])
    for what, manager, expected in [
        ("memory", StateManagerMemory(), "1, 2"),
        ("Redis", StateManagerRedis(redis=redis), "1 and SynchronousOnlyOperation, 1"),
    ]:
        result = await shown_with(app, manager)
        print(f"  {what}: {result}")
        if result != expected:
            raise SystemExit(f"  CHANGED: it was {expected}.")
    await redis.aclose()


call_command("migrate", verbosity=0)
print(f"Reflex {version('reflex')}, Django {django.__version__}")
asyncio.run(main())
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    Django==6.1.3 reflex==0.10.1 redis==7.4.1
redis-server --port 0 --unixsocket "$folder/redis" --save "" --dir "$folder" >/dev/null &
redis=$!
while [ ! -S "$folder/redis" ]; do sleep 0.1; done
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py "$folder/redis" "$folder/db.sqlite3"
