#!/bin/sh
# Reflex 0.10.1: what a handler's parameter is given by the browser, by its annotation. int, float, date, datetime,
# UUID, an Enum, `set` and a dataclass are made as annotated. Decimal, set[int], list of a dataclass, the fields
# of a dataclass and text for a bool stay what JSON has, without a word.
#
# Guess before the run: each as annotated, or an error.
#
# _transform_event_arg() in reflex_base/event/processor/base_state_processor.py looks for the annotation itself, so for
# `set` and not for set[int], asks Reflex's deserializers, which know no Decimal, and looks into nothing.
#
# Seen:
#   int: 5
#   date: datetime.date(2026, 1, 2)
#   Decimal: '1.50'
#   bool: 'false'
#   set: {1, 2}
#   set[int]: [1, 2, 2]
#   Line: Line(price='1', day='2026-01-02')
#   list[Line]: [{'price': 1, 'day': None}]
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import datetime
from dataclasses import dataclass
from decimal import Decimal
from importlib.metadata import version

import reflex as rx
from reflex_base.event import Event
from reflex_base.event.processor.base_state_processor import BaseStateEventProcessor

taken = []


@dataclass
class Line:
    price: int
    day: datetime.date | None


class Shop(rx.State):
    @rx.event
    def whole(self, value: int):
        taken.append(value)

    @rx.event
    def day(self, value: datetime.date):
        taken.append(value)

    @rx.event
    def price(self, value: Decimal):
        taken.append(value)

    @rx.event
    def paid(self, value: bool):
        taken.append(value)

    @rx.event
    def bare_set(self, value: set):
        taken.append(value)

    @rx.event
    def numbers(self, value: set[int]):
        taken.append(value)

    @rx.event
    def line(self, value: Line):
        taken.append(value)

    @rx.event
    def lines(self, value: list[Line]):
        taken.append(value)


CASES = [
    ("int", Shop.whole, "5", "5"),
    ("date", Shop.day, "2026-01-02", "datetime.date(2026, 1, 2)"),
    ("Decimal", Shop.price, "1.50", "'1.50'"),
    ("bool", Shop.paid, "false", "'false'"),
    ("set", Shop.bare_set, [1, 2, 2], "{1, 2}"),
    ("set[int]", Shop.numbers, [1, 2, 2], "[1, 2, 2]"),
    (
        "Line",
        Shop.line,
        {"price": "1", "day": "2026-01-02"},
        "Line(price='1', day='2026-01-02')",
    ),
    ("list[Line]", Shop.lines, [{"price": 1, "day": None}], "[{'price': 1, 'day': None}]"),
]


async def main():
    app = rx.App()
    processor = BaseStateEventProcessor(middleware=app)
    with app.set_contexts():
        async with processor.configure():
            for what, handler, value, expected in CASES:
                name = Event.from_event_type(handler("x"))[0].name
                await (await processor.enqueue("tab", Event(name=name, payload={"value": value})))
                result = repr(taken.pop())
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
