#!/bin/sh
# Reflex 0.10.1: a handler of an rx.SharedState that yields, to show how far it is. The tab whose event it is is shown all
# of it. The others in the room are told once it has ended, and only of the vars that it changed after its last yield:
# of the rest they keep the old values until these change again or the page is loaded anew.
#
# Guess before the run: the others are shown each step, too, or all changes at the end.
#
# The others are told of the vars in _previous_dirty_vars, which SharedStateBaseInternal._clean() (reflex/istate/shared.py)
# sets anew after each delta; _modify_linked_states() reads it when the handler has ended.
#
# Seen, of what the tabs "one" and "two" show of the vars `sold` and `status` after each event:
#   one joins: one 0 ''
#   two joins: one 0 '', two 0 ''
#   one sells: one 1 '', two 1 ''
#   one sells in steps: one 2 'done', two 1 'done'
#   one sells: one 3 'done', two 3 'done'
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

shown = {}


class Room(rx.SharedState):
    sold: int = 0
    status: str = ""

    @rx.event
    async def join(self):
        await self._link_to("room")

    @rx.event
    def sell(self):
        self.sold += 1

    @rx.event
    def sell_in_steps(self):
        self.status = "selling"
        yield
        self.sold += 1
        yield
        self.status = "done"


async def emit_update(update, token):
    for changes in update.delta.values():
        shown.setdefault(token, {}).update((name.partition("_rx_")[0], value) for name, value in changes.items())


async def main():
    app = rx.App()
    page = app.event_namespace
    page.emit_update = emit_update
    app._state_manager = manager = StateManagerMemory()
    processor = BaseStateEventProcessor(middleware=app)
    with app.set_contexts():
        async with processor.configure(state_manager=manager, event_namespace=page):
            for tab, what, handler, expected in [
                ("one", "joins", Room.join, "one 0 ''"),
                ("two", "joins", Room.join, "one 0 '', two 0 ''"),
                ("one", "sells", Room.sell, "one 1 '', two 1 ''"),
                ("one", "sells in steps", Room.sell_in_steps, "one 2 'done', two 1 'done'"),
                ("one", "sells", Room.sell, "one 3 'done', two 3 'done'"),
            ]:
                await page._token_manager.link_token_to_sid(tab, tab)
                about = {"token": tab, "sid": tab, "pathname": "/", "query": {}, "headers": {}}
                name = Event.from_event_type(handler)[0].name
                await (await processor.enqueue(tab, Event(name=name, router_data=about)))
                await asyncio.sleep(0.5)
                result = ", ".join(f"{who} {seen['sold']} {seen['status']!r}" for who, seen in shown.items())
                print(f"  {tab} {what}: {result}")
                if result != expected:
                    raise SystemExit(f"  CHANGED: it was {expected}.")


print(f"Reflex {version('reflex')}")
asyncio.run(main())
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
