#!/bin/sh
# Reflex 0.10.1: a handler that changes a var and then raises. With states in memory the change stays, is not sent,
# and comes to the page with whatever event is next; with states in Redis it is gone. Where a background handler raises
# inside `async with self`, the page is sent the change at once, and Redis does not keep it: page and server differ. So
# a handler that was tried on one machine, without Redis, behaves otherwise with several workers. Needs redis-server.
#
# Guess before the run: the same in both, since a state manager decides where states are, not what is in them.
#
# StateManagerMemory.modify_state() hands out the one object there is, its dirty vars with it.
# StateManagerRedis.modify_state() writes the state after its block, which an exception leaves. StateProxy.__aexit__()
# (reflex/istate/proxy.py) sends the delta whatever has happened in its block.
#
# Seen, of a counter that an event raises by 1, the next sets to 5 and fails, and a third raises by 1:
#   memory: the page is sent 1, nothing, 6
#   memory, the second in the background: the page is sent 1, 5, 6
#   Redis: the page is sent 1, nothing, 2
#   Redis, the second in the background: the page is sent 1, 5, 2
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


class Shop(rx.State):
    count: int = 0

    @rx.event
    def fail(self):
        self.count = 5
        raise LookupError("no such product")

    @rx.event(background=True)
    async def fail_in_background(self):
        async with self:
            self.count = 5
            raise LookupError("no such product")

    @rx.event
    def add(self):
        self.count += 1


class Page:
    def __init__(self):
        self.sent = "nothing"

    async def emit_update(self, update, token):
        for changes in update.delta.values():
            for name, value in changes.items():
                if name.startswith("count"):
                    self.sent = str(value)


async def sent_with(app, manager, fail, tab):
    page, sent = Page(), []
    processor = BaseStateEventProcessor(middleware=app, backend_exception_handler=lambda _: None)
    with app.set_contexts():
        async with processor.configure(state_manager=manager, event_namespace=page):
            for handler in (Shop.add, fail, Shop.add):
                page.sent = "nothing"
                event = Event.from_event_type(handler)[0]
                future = await processor.enqueue(tab, Event(name=event.name, router_data={**TAB, "token": tab}))
                await asyncio.wait([future])
                sent.append(page.sent)
    return ", ".join(sent)


TAB = {"token": "tab", "sid": "tab", "pathname": "/", "query": {}, "headers": {}}


async def main():
    app, redis = rx.App(), Redis(unix_socket_path=sys.argv[1])
    for what, manager, expected in [
        ("memory", StateManagerMemory(), ["1, nothing, 6", "1, 5, 6"]),
        ("Redis", StateManagerRedis(redis=redis), ["1, nothing, 2", "1, 5, 2"]),
    ]:
        for fail, where, sent in [
            (Shop.fail, "", expected[0]),
            (Shop.fail_in_background, ", the second in the background", expected[1]),
        ]:
            result = await sent_with(app, manager, fail, fail.fn.__name__)
            print(f"  {what}{where}: the page is sent {result}")
            if result != sent:
                raise SystemExit(f"  CHANGED: it was {sent}.")
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
