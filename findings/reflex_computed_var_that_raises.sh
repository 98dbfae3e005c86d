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
#   a page loads, shared is 1: sent clicks, n, ratio, shared
#   an event sets n to 5 and shared to 0: sent nothing
#   an event reads n: sent nothing; on the server n is 5
#   the page loads again: sent nothing
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

on_server = []


class Counter(rx.State):
    clicks: int = 0


class Shop(rx.State):
    n: int = 0
    shared: int = 1

    @rx.event
    def change(self):
        self.n, self.shared = 5, 0

    @rx.event
    def read(self):
        on_server.append(f"; on the server n is {self.n}")

    @rx.var
    def ratio(self) -> float:
        return 10 / self.shared


class Page:
    def __init__(self):
        self.sent = set()

    async def emit_update(self, update, token):
        for changes in update.delta.values():
            self.sent.update(name.partition("_rx_")[0] for name in changes)


TAB = {"token": "tab", "sid": "tab", "pathname": "/", "query": {}, "headers": {}}


async def main():
    app, page = rx.App(), Page()
    processor = BaseStateEventProcessor(middleware=app, backend_exception_handler=lambda _: None)
    with app.set_contexts():
        async with processor.configure(state_manager=StateManagerMemory(), event_namespace=page):
            for what, handler, expected in [
                ("a page loads, shared is 1", rx.State.hydrate, "sent clicks, n, ratio, shared"),
                ("an event sets n to 5 and shared to 0", Shop.change, "sent nothing"),
                ("an event reads n", Shop.read, "sent nothing; on the server n is 5"),
                ("the page loads again", rx.State.hydrate, "sent nothing"),
            ]:
                page.sent.clear()
                on_server.clear()
                name = Event.from_event_type(handler)[0].name
                await asyncio.wait([await processor.enqueue("tab", Event(name=name, router_data=TAB))])
                sent = ", ".join(sorted(page.sent & {"clicks", "n", "shared", "ratio"}))
                result = f"sent {sent or 'nothing'}{''.join(on_server)}"
                print(f"  {what}: {result}")
                if result != expected:
                    raise SystemExit(f"  CHANGED: it was {expected}.")


print(f"Reflex {version('reflex')}")
asyncio.run(main())
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
