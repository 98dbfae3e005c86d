#!/bin/sh
# Reflex 0.10.1 with states in Redis: redis_token_expiration, an hour by default, counts from the last change of each
# state class, not from the tab's last event. A visitor who clicks on and on, and puts nothing into the basket
# meanwhile, loses the basket after an hour; with states in memory it stays. Needs redis-server.
#
# Guess before the run: each event renews the tab's states.
#
# Each class has a key of its own, and StateManagerRedis.set_state() writes, with a new expiry, those that were changed
# (_collect_state_writes() in reflex/istate/manager/redis.py). Reading renews nothing. Where the key of the root state
# is the one to go, the next event makes the page hydrate, with the defaults of what has expired.
#
# Seen, of a basket after 3 s with a click on a counter every 0.5 s, and an expiry of 2 s:
#   memory: basket ['tea'], counter 6
#   Redis: basket [], counter 6
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

seen = {}


class Basket(rx.State):
    rows: list[str] = []

    @rx.event
    def add(self):
        self.rows.append("tea")

    @rx.event
    def show(self):
        seen["basket"] = list(self.rows)


class Counter(rx.State):
    clicks: int = 0

    @rx.event
    def click(self):
        self.clicks += 1
        seen["counter"] = self.clicks


class Page:
    async def emit_update(self, update, token):
        pass


TAB = {"token": "tab", "sid": "tab", "pathname": "/", "query": {}, "headers": {}}


async def visit(app, manager):
    processor = BaseStateEventProcessor(middleware=app)
    with app.set_contexts():
        async with processor.configure(state_manager=manager, event_namespace=Page()):
            for handler in [Basket.add, *[Counter.click] * 6, Basket.show]:
                event = Event.from_event_type(handler)[0]
                await (await processor.enqueue("tab", Event(name=event.name, router_data=TAB)))
                if handler is Counter.click:
                    await asyncio.sleep(0.5)
    return f"basket {seen['basket']}, counter {seen['counter']}"


async def main():
    app, redis = rx.App(), Redis(unix_socket_path=sys.argv[1])
    for what, manager, expected in [
        ("memory", StateManagerMemory(token_expiration=2), "basket ['tea'], counter 6"),
        ("Redis", StateManagerRedis(redis=redis, token_expiration=2), "basket [], counter 6"),
    ]:
        result = await visit(app, manager)
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
