#!/bin/sh
# Reflex 0.10.1: a handler that sets a var its state does not have, by a slip of the pen, is a SetUndefinedStateVarError in
# development. With REFLEX_ENV_MODE=prod, which `reflex run --env prod` sets, nothing is raised or logged: the value is a
# plain attribute of the state, and the page is sent nothing.
#
# Guess before the run: the error in both.
#
# The __setattr__() of BaseState that looks is defined only where reflex/state.py is imported outside the prod mode.
#
# Seen, of `self.cuont = 5` for a var `count`:
#   dev: SetUndefinedStateVarError, sent nothing
#   prod: nothing raised, sent nothing
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import os

import reflex as rx
from reflex.istate.manager.memory import StateManagerMemory
from reflex_base.event import Event
from reflex_base.event.processor.base_state_processor import BaseStateEventProcessor

raised, sent = [], []


class Shop(rx.State):
    count: int = 0

    @rx.event
    def change(self):
        self.cuont = 5


class Page:
    async def emit_update(self, update, token):
        for changes in update.delta.values():
            sent.extend(name for name in changes if name.startswith(("count", "cuont")))


TAB = {"token": "tab", "sid": "tab", "pathname": "/", "query": {}, "headers": {}}


async def main():
    app = rx.App()
    processor = BaseStateEventProcessor(
        middleware=app, backend_exception_handler=lambda error: raised.append(type(error).__name__)
    )
    with app.set_contexts():
        async with processor.configure(state_manager=StateManagerMemory(), event_namespace=Page()):
            for handler in (rx.State.hydrate, Shop.change):
                sent.clear()
                name = Event.from_event_type(handler)[0].name
                await asyncio.wait([await processor.enqueue("tab", Event(name=name, router_data=TAB))])


asyncio.run(main())
mode = os.environ["REFLEX_ENV_MODE"]
result = f"{', '.join(raised) or 'nothing raised'}, sent {', '.join(sent) or 'nothing'}"
print(f"  {mode}: {result}")
expected = {"dev": "SetUndefinedStateVarError, sent nothing", "prod": "nothing raised, sent nothing"}[mode]
if result != expected:
    raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1
cd "$folder"
for mode in dev prod; do
    REFLEX_ENV_MODE=$mode REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
done
