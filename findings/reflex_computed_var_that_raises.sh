#!/bin/sh
# Reflex 0.10.1: a computed var that raises, in a state that the page need not use. A page that is loaded is sent no var of
# any state, so it shows what it was built with. On an open page the event fails after its handler has run: what the
# handler changed is kept and not sent, not by later events either; the page shows one thing, the server has another.
#
# Guess before the run: the error is logged, and all vars but this one reach the page.
#
# One delta holds the vars of all states (reflex/istate/delta.py), and the first var that raises ends it; the dirty vars
# are forgotten nevertheless (chain_updates() in reflex_base/event/processor/base_state_processor.py). With states in
# Redis a load fails alike.
#
# Seen, of a var that raises while `shared` is 0:
#   load, shared is 1: sent clicks and n and ratio and shared
#   load, shared is 0: sent nothing
#   an event sets shared to 0, n to 5: sent nothing
#   an event reads both: sent nothing; on the server shared is 0, n is 5
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
from importlib.metadata import version

import reflex as rx
from reflex.istate.manager.memory import StateManagerMemory
from reflex_base.event import Event
from reflex_base.event.processor.base_state_processor import BaseStateEventProcessor

read = []
first_value = 1


class Counter(rx.State):
    clicks: int = 0


class Shop(rx.State):
    n: int = 0
    shared: int = rx.field(default_factory=lambda: first_value)

    @rx.event
    def change(self):
        self.n, self.shared = 5, 0

    @rx.event
    def read(self):
        read.append(f"shared is {self.shared}, n is {self.n}")

    @rx.var
    def ratio(self) -> float:
        return 10 / self.shared


class Page:
    def __init__(self):
        self.sent = set()

    async def emit_update(self, update, token):
        for changes in update.delta.values():
            self.sent.update(name.partition("_rx_")[0] for name in changes)


async def main():
    global first_value
    app, page = rx.App(), Page()
    processor = BaseStateEventProcessor(middleware=app, backend_exception_handler=lambda _: None)

    async def sent(name, tab):
        page.sent.clear()
        about = {"token": tab, "sid": tab, "pathname": "/", "query": {}, "headers": {}}
        await asyncio.wait([await processor.enqueue(tab, Event(name=name, router_data=about))])
        return "sent " + (" and ".join(sorted(page.sent & {"clicks", "n", "shared", "ratio"})) or "nothing")

    def seen(what, result, expected):
        print(f"  {what}: {result}")
        if result != expected:
            raise SystemExit(f"  CHANGED: it was {expected}.")

    hydrate = f"{rx.State.get_full_name()}.hydrate"
    change, show = (Event.from_event_type(handler)[0].name for handler in (Shop.change, Shop.read))
    with app.set_contexts():
        async with processor.configure(state_manager=StateManagerMemory(), event_namespace=page):
            for first_value, expected in [
                (1, "sent clicks and n and ratio and shared"),
                (0, "sent nothing"),
            ]:
                seen(f"load, shared is {first_value}", await sent(hydrate, f"tab {first_value}"), expected)
            seen("an event sets shared to 0, n to 5", await sent(change, "tab 1"), "sent nothing")
            result = f"{await sent(show, 'tab 1')}; on the server {read[-1]}"
            seen("an event reads both", result, "sent nothing; on the server shared is 0, n is 5")


print(f"Reflex {version('reflex')}")
asyncio.run(main())
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
