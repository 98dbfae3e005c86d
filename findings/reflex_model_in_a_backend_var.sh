#!/bin/sh
# Reflex 0.10.1 with Django 6.1.3: a handler that changes nothing but a field of a model's object in a backend var
# (`_draft`), or a deque, or a list in a tuple. With states in memory the next handler finds the change; with states
# in Redis it is gone, without a word. A list and a dataclass are kept in both. Needs redis-server and Python 3.12
# or newer.
#
# Guess before the run: kept in both, since the state is pickled whole.
#
# Reflex notices changes inside a var by proxies, which it makes for lists, dicts, sets, dataclasses, Pydantic's and
# SQLAlchemy's models (is_mutable_type() in reflex_base). Of anything else it hears of an assignment alone, and
# StateManagerRedis.set_state() leaves out states that nothing has touched. A change of a var beside it has all
# of them written, so it may go unseen for long.
#
# Seen, of what a second event sets and a third reads:
#   memory: model changed, deque changed, list in a tuple changed, dataclass changed
#   Redis: model as before, deque as before, list in a tuple as before, dataclass changed
set -eu

folder=$(mktemp -d)
redis=
trap '[ -z "$redis" ] || kill "$redis"; rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys
from collections import deque
from dataclasses import dataclass
from importlib.metadata import version

import django
import reflex as rx
from django.conf import settings

settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"])
django.setup()

from django.contrib.auth.models import Group
from redis.asyncio import Redis
from reflex.istate.manager.memory import StateManagerMemory
from reflex.istate.manager.redis import StateManagerRedis
from reflex_base.event import Event
from reflex_base.event.processor.base_state_processor import BaseStateEventProcessor

read = {}


@dataclass
class Line:
    name: str


class OfModel(rx.State):
    _draft: Group = None

    @rx.event
    def begin(self):
        self._draft = Group(name="before")

    @rx.event
    def change(self):
        self._draft.name = "after"

    @rx.event
    def show(self):
        read["model"] = self._draft.name == "after"


class OfDeque(rx.State):
    _names: deque = None

    @rx.event
    def begin(self):
        self._names = deque(["before"])

    @rx.event
    def change(self):
        self._names.append("after")

    @rx.event
    def show(self):
        read["deque"] = "after" in self._names


class OfTuple(rx.State):
    _columns: tuple[list[str], ...] = ()

    @rx.event
    def begin(self):
        self._columns = (["before"],)

    @rx.event
    def change(self):
        self._columns[0].append("after")

    @rx.event
    def show(self):
        read["list in a tuple"] = "after" in self._columns[0]


class OfDataclass(rx.State):
    _line: Line = None

    @rx.event
    def begin(self):
        self._line = Line("before")

    @rx.event
    def change(self):
        self._line.name = "after"

    @rx.event
    def show(self):
        read["dataclass"] = self._line.name == "after"


class Page:
    async def emit_update(self, update, token):
        pass


async def read_with(app, manager):
    processor = BaseStateEventProcessor(middleware=app)
    with app.set_contexts():
        async with processor.configure(state_manager=manager, event_namespace=Page()):
            for state in (OfModel, OfDeque, OfTuple, OfDataclass):
                for handler in (state.begin, state.change, state.show):
                    event = Event.from_event_type(handler)[0]
                    await (await processor.enqueue("tab", Event(name=event.name, router_data=TAB)))
    return ", ".join(f"{what} {'changed' if after else 'as before'}" for what, after in read.items())


TAB = {"token": "tab", "sid": "tab", "pathname": "/", "query": {}, "headers": {}}


async def main():
    app, redis = rx.App(), Redis(unix_socket_path=sys.argv[1])
    for what, manager, expected in [
        (
            "memory",
            StateManagerMemory(),
            "model changed, deque changed, list in a tuple changed, dataclass changed",
        ),
        (
            "Redis",
            StateManagerRedis(redis=redis),
            "model as before, deque as before, list in a tuple as before, dataclass changed",
        ),
    ]:
        result = await read_with(app, manager)
        print(f"  {what}: {result}")
        if result != expected:
            raise SystemExit(f"  CHANGED: it was {expected}.")
    await redis.aclose()


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
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py "$folder/redis"
