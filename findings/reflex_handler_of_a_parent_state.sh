#!/bin/sh
# Reflex 0.10.1: a handler that a state inherits from another, `Products.show` where Listing has show(), runs as Listing:
# what Products overrides is not called, and vars of Products cannot be read. So a base class with a hook to
# fill in does not work. The same as a mixin (`class Listing(rx.State, mixin=True)`) does as Python has it.
#
# Guess before the run: self is the Products, as in Python.
#
# A subclass of a state is a part of it (reflex/state.py): the handler's name is the parent's, of which each tab has one,
# with the children as its substates. Products.show and Prices.show are one and the same event. A mixin's handlers are
# copied into each class.
#
# Seen, of show(), which says what self is and calls self.title(), and of its event:
#   Products.show: Listing, 'a listing', event of Listing
#   Prices.show: Listing, 'a listing', event of Listing
#   Orders.show, of a mixin: Orders, 'the orders', event of Orders
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

seen = []


class Listing(rx.State):
    def title(self):
        return "a listing"

    @rx.event
    def show(self):
        seen.append(f"{type(self).__name__}, {self.title()!r}")


class Products(Listing):
    def title(self):
        return "the products"


class Prices(Listing):
    def title(self):
        return "the prices"


class Mixin(rx.State, mixin=True):
    def title(self):
        return "a listing"

    @rx.event
    def show(self):
        seen.append(f"{type(self).__name__}, {self.title()!r}")


class Orders(Mixin, rx.State):
    def title(self):
        return "the orders"


class Page:
    async def emit_update(self, update, token):
        pass


TAB = {"token": "tab", "sid": "tab", "pathname": "/", "query": {}, "headers": {}}


async def main():
    app = rx.App()
    processor = BaseStateEventProcessor(middleware=app)
    with app.set_contexts():
        async with processor.configure(state_manager=StateManagerMemory(), event_namespace=Page()):
            for what, handler, expected in [
                ("Products.show", Products.show, "Listing, 'a listing', event of Listing"),
                ("Prices.show", Prices.show, "Listing, 'a listing', event of Listing"),
                ("Orders.show, of a mixin", Orders.show, "Orders, 'the orders', event of Orders"),
            ]:
                name = Event.from_event_type(handler)[0].name
                await (await processor.enqueue("tab", Event(name=name, router_data=TAB)))
                owner = name.split(".")[-2].split("_")[-1].title()
                result = f"{seen[-1]}, event of {owner}"
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
