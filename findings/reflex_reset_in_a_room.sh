#!/bin/sh
# Reflex 0.10.1: self.reset() in a handler of an rx.SharedState, as at the end of a game. The tab that did it is shown the
# defaults; the others in the room keep the old values, and are not told of what that tab does after it either, until
# they have an event of the room themselves. Assigning the defaults one by one is told to all.
#
# Guess before the run: a reset is told to the whole room, as any other change.
#
# Who is in the room is kept in a var of the room, _linked_from (reflex/istate/shared.py), and reset() sets this back, too,
# before _modify_linked_states() reads from it whom to tell. Reflex's docs say of a reset only that _linked_from may then
# name tabs that are no longer in the room.
#
# Seen, of the score that the tabs "one" and "two" are sent:
#   one joins: one 0
#   two joins: one 0, two 0
#   one adds: one 1, two 1
#   one resets: one 0
#   one adds: one 1
#   two adds: one 2, two 2
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
    score: int = 0

    @rx.event
    async def join(self):
        await self._link_to("room")

    @rx.event
    def add(self):
        self.score += 1

    @rx.event
    def start_anew(self):
        self.reset()


async def emit_update(update, token):
    for changes in update.delta.values():
        sent.update((token, value) for name, value in changes.items() if name.startswith("score"))


async def main():
    app = rx.App()
    page = app.event_namespace
    page.emit_update = emit_update
    app._state_manager = manager = StateManagerMemory()
    processor = BaseStateEventProcessor(middleware=app)
    with app.set_contexts():
        async with processor.configure(state_manager=manager, event_namespace=page):
            for tab, what, handler, expected in [
                ("one", "joins", Room.join, "one 0"),
                ("two", "joins", Room.join, "one 0, two 0"),
                ("one", "adds", Room.add, "one 1, two 1"),
                ("one", "resets", Room.start_anew, "one 0"),
                ("one", "adds", Room.add, "one 1"),
                ("two", "adds", Room.add, "one 2, two 2"),
            ]:
                sent.clear()
                await page._token_manager.link_token_to_sid(tab, tab)
                about = {"token": tab, "sid": tab, "pathname": "/", "query": {}, "headers": {}}
                name = Event.from_event_type(handler)[0].name
                await (await processor.enqueue(tab, Event(name=name, router_data=about)))
                await asyncio.sleep(0.5)
                result = ", ".join(f"{who} {score}" for who, score in sorted(sent.items()))
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
