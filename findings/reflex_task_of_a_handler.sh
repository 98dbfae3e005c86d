#!/bin/sh
# Reflex 0.10.1: an async handler starts a task, asyncio.create_task(), which sets a var after the handler has returned.
# Nothing is raised. With states in memory the var is set and the page told with whatever event is next; with states
# in Redis it is gone. A background handler, @rx.event(background=True), sends it in both. Needs redis-server.
#
# Guess before the run: an error that names background handlers, as there is for a background handler without `async with`.
#
# `self` of a handler is the state itself, with no mark that its lock has been given back; only a background handler is
# given a StateProxy, which looks (reflex/istate/proxy.py). StateManagerMemory has that very object for the next
# event, StateManagerRedis reads another.
#
# Seen, of what the page is sent within a second of an event, and by the next event:
#   memory: of a task nothing, then 1; of a background handler 1, then nothing
#   Redis: of a task nothing, then nothing; of a background handler 1, then nothing
set -eu

folder=$(mktemp -d)
redis=
trap '[ -z "$redis" ] || kill "$redis"; rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

import reflex as rx
from redis.asyncio import Redis
from reflex.istate.manager.memory import StateManagerMemory
from reflex.istate.manager.redis import StateManagerRedis
from reflex_base.event import Event
from reflex_base.event.processor.base_state_processor import BaseStateEventProcessor

tasks = set()


class Report(rx.State):
    by_task: int = 0
    by_background: int = 0

    @rx.event
    async def start_task(self):
        async def work():
            await asyncio.sleep(0.1)
            self.by_task = 1

        tasks.add(asyncio.create_task(work()))

    @rx.event(background=True)
    async def start_background(self):
        await asyncio.sleep(0.1)
        async with self:
            self.by_background = 1

    @rx.event
    def show(self):
        pass


class Page:
    def __init__(self):
        self.sent = {}

    async def emit_update(self, update, token):
        for changes in update.delta.values():
            self.sent.update((name.partition("_rx_")[0], value) for name, value in changes.items())


TAB = {"token": "tab", "sid": "tab", "pathname": "/", "query": {}, "headers": {}}


async def sent_with(app, manager):
    page, seen = Page(), []
    processor = BaseStateEventProcessor(middleware=app)

    async def sent(handler, var):
        page.sent.clear()
        event = Event.from_event_type(handler)[0]
        await (await processor.enqueue("tab", Event(name=event.name, router_data=TAB)))
        await asyncio.sleep(1)
        return page.sent.get(var, "nothing")

    with app.set_contexts():
        async with processor.configure(state_manager=manager, event_namespace=page):
            await sent(Report.show, None)
            for what, handler, var in [
                ("a task", Report.start_task, "by_task"),
                ("a background handler", Report.start_background, "by_background"),
            ]:
                seen.append(f"of {what} {await sent(handler, var)}, then {await sent(Report.show, var)}")
    return "; ".join(seen)


async def main():
    app, redis = rx.App(), Redis(unix_socket_path=sys.argv[1])
    background = "of a background handler 1, then nothing"
    for what, manager, expected in [
        ("memory", StateManagerMemory(), f"of a task nothing, then 1; {background}"),
        ("Redis", StateManagerRedis(redis=redis), f"of a task nothing, then nothing; {background}"),
    ]:
        result = await sent_with(app, manager)
        print(f"  {what}: {result}")
        if result != expected:
            raise SystemExit(f"  CHANGED: it was {expected}.")
    await redis.aclose()


print(f"Reflex {version('reflex')}, redis {version('redis')}")
asyncio.run(main())
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1 redis==7.4.1
redis-server --port 0 --unixsocket "$folder/redis" --save "" --dir "$folder" >/dev/null &
redis=$!
while [ ! -S "$folder/redis" ]; do sleep 0.1; done
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py "$folder/redis"
