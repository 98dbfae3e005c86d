#!/bin/sh
# Reflex 0.10.1: an rx.SharedState with an rx.LocalStorage var, as the example in Reflex's docs has it, to remember the name
# of the room. Joining the room gives the tab the room's value of this var in place of its own, so the browser forgets the
# name as it joins; and a tab that loads its page gives the room, and so all others' browsers, what is stored in its own.
#
# Guess before the run: what is stored in a browser is the tab's own, also in a room.
#
# _patch_state() (reflex/istate/shared.py) puts the room's state in the place of the tab's and sends all its vars, and the
# page stores what it is sent. At a load _apply_client_storage_vars() (reflex/state.py) sets the vars of that state.
#
# Seen, of what is sent of the var `name` by events of the tabs "one" and "two":
#   one joins as 'tea': one ''
#   two joins as 'tea': one '', two ''
#   one calls it 'den': one 'den', two 'den'
#   two loads its page, with 'old' stored: one 'old', two 'old'
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

sent = {}


class Room(rx.SharedState):
    name: str = rx.LocalStorage()

    @rx.event
    async def join(self):
        self.name = "tea"
        await self._link_to(self.name)

    @rx.event
    def rename(self):
        self.name = "den"


async def emit_update(update, token):
    for changes in update.delta.values():
        sent.update((token, value) for name, value in changes.items() if name.startswith("name_"))


async def main():
    app = rx.App()
    page = app.event_namespace
    page.emit_update = emit_update
    app._state_manager = manager = StateManagerMemory()
    processor = BaseStateEventProcessor(middleware=app)
    with app.set_contexts():
        async with processor.configure(state_manager=manager, event_namespace=page):
            stored = {"vars": {f"{Room.get_full_name()}.name_rx_state_": "old"}}
            load = rx.State.hydrate_and_load
            for tab, what, handler, payload, expected in [
                ("one", "joins as 'tea'", Room.join, {}, "one ''"),
                ("two", "joins as 'tea'", Room.join, {}, "one '', two ''"),
                ("one", "calls it 'den'", Room.rename, {}, "one 'den', two 'den'"),
                ("two", "loads its page, with 'old' stored", load, stored, "one 'old', two 'old'"),
            ]:
                sent.clear()
                await page._token_manager.link_token_to_sid(tab, tab)
                about = {"token": tab, "sid": tab, "pathname": "/", "query": {}, "headers": {}}
                name = Event.from_event_type(handler)[0].name
                await (await processor.enqueue(tab, Event(name=name, payload=payload, router_data=about)))
                await asyncio.sleep(0.5)
                result = ", ".join(f"{who} {value!r}" for who, value in sorted(sent.items()))
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
