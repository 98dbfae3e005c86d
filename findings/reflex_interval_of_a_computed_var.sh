#!/bin/sh
# Reflex 0.10.1: a computed var with an interval, @rx.var(interval=timedelta(seconds=1)), is computed anew only by an event
# that changes a var of the same state class (or reads the var). Events of other states leave the page with the old
# value for as long as they come, whereas a var with cache=False is sent with each of them.
#
# Guess before the run: computed anew by the first event after the interval, whichever it is.
#
# build_delta() (reflex/istate/delta.py) goes through the states whose vars have changed and those with a cache=False
# var, and asks these what has expired. A state that has vars with an interval is not looked for.
#
# Seen, of what the page is sent by events that come 0.4 s after one another, with an interval of 0.2 s:
#   an event of its own state: by_interval, uncached
#   an event of another state: uncached
#   an event of another state: uncached
#   an event of its own state: by_interval, uncached
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import time
from datetime import timedelta
from importlib.metadata import version

import reflex as rx
from reflex.istate.manager.memory import StateManagerMemory
from reflex_base.event import Event
from reflex_base.event.processor.base_state_processor import BaseStateEventProcessor


class Clock(rx.State):
    ticks: int = 0

    @rx.var(interval=timedelta(seconds=0.2))
    def by_interval(self) -> float:
        return time.monotonic()

    @rx.event
    def tick(self):
        self.ticks += 1


class Uncached(rx.State):
    clicks: int = 0

    @rx.var(cache=False)
    def uncached(self) -> float:
        return time.monotonic()

    @rx.event
    def click(self):
        self.clicks += 1


class Page:
    def __init__(self):
        self.sent = set()

    async def emit_update(self, update, token):
        for changes in update.delta.values():
            self.sent.update(name.partition("_rx_")[0] for name in changes)


TAB = {"token": "tab", "sid": "tab", "pathname": "/", "query": {}, "headers": {}}


async def main():
    app, page = rx.App(), Page()
    processor = BaseStateEventProcessor(middleware=app)
    with app.set_contexts():
        async with processor.configure(state_manager=StateManagerMemory(), event_namespace=page):
            for what, handler, expected in [
                ("its own", Clock.tick, "by_interval, uncached"),
                ("another", Uncached.click, "uncached"),
                ("another", Uncached.click, "uncached"),
                ("its own", Clock.tick, "by_interval, uncached"),
            ]:
                page.sent.clear()
                name = Event.from_event_type(handler)[0].name
                await (await processor.enqueue("tab", Event(name=name, router_data=TAB)))
                result = ", ".join(sorted(page.sent & {"by_interval", "uncached"}))
                print(f"  an event of {what} state: {result}")
                if result != expected:
                    raise SystemExit(f"  CHANGED: it was {expected}.")
                await asyncio.sleep(0.4)


print(f"Reflex {version('reflex')}")
asyncio.run(main())
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
