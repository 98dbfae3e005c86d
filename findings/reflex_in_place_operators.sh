#!/bin/sh
# Reflex 0.10.1: an operator that changes a list, dict or set in place, on a name of the handler's own, is not
# noticed: the var has changed on the server and the page is not told. Its methods and items are noticed.
#
# Guess before the run: noticed alike, as `basket.append(…)` and `basket[…] = …` are.
#
#     basket = self.basket
#     basket += ["tea"]                # kept, not sent
#     for row in self.rows:
#         row |= {"paid": True}        # kept, not sent
#     for row in reversed(self.rows):
#         row["paid"] = True           # kept, not sent
#
# MutableProxy (reflex/istate/proxy.py) has no __iadd__, __ior__, __isub__ or __reversed__ of its own; those of
# wrapt's ObjectProxy, its base, work on the wrapped object. `self.basket += […]` is noticed, as it assigns the
# attribute of the state afterwards.
#
# Seen:
#   basket.append(x): changed, sent
#   self.basket += [x]: changed, sent
#   basket += [x]: changed, not sent
#   basket *= 2: changed, not sent
#   prices |= {...}: changed, not sent
#   kinds -= {...}: changed, not sent
#   for row in self.rows: row["paid"] = True: changed, sent
#   for row in self.rows: row |= {...}: changed, not sent
#   for row in reversed(self.rows): row["paid"] = True: changed, not sent
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import copy
from importlib.metadata import version

import reflex as rx


class Shop(rx.State):
    basket: list[str] = ["milk"]
    prices: dict[str, int] = {"milk": 1}
    kinds: set[str] = {"food", "drink"}
    rows: list[dict] = [{"paid": False}]


def append(self):
    basket = self.basket
    basket.append("tea")


def add_to_self(self):
    self.basket += ["tea"]


def add_to_name(self):
    basket = self.basket
    basket += ["tea"]


def repeat(self):
    basket = self.basket
    basket *= 2


def merge(self):
    prices = self.prices
    prices |= {"tea": 2}


def take_away(self):
    kinds = self.kinds
    kinds -= {"drink"}


def item_of_each(self):
    for row in self.rows:
        row["paid"] = True


def merge_into_each(self):
    for row in self.rows:
        row |= {"paid": True}


def item_of_each_backwards(self):
    for row in reversed(self.rows):
        row["paid"] = True


def outcome(handler):
    state = Shop(_reflex_internal_init=True)
    state.dirty_vars.clear()
    before = {name: copy.deepcopy(getattr(state, name)) for name in Shop.base_vars}
    handler(state)
    sent = bool(state.dirty_vars)
    changed = any(getattr(state, name) != value for name, value in before.items())
    return f"{'changed' if changed else 'unchanged'}, {'sent' if sent else 'not sent'}"


print(f"Reflex {version('reflex')}")
for what, handler, expected in [
    ("basket.append(x)", append, "changed, sent"),
    ("self.basket += [x]", add_to_self, "changed, sent"),
    ("basket += [x]", add_to_name, "changed, not sent"),
    ("basket *= 2", repeat, "changed, not sent"),
    ("prices |= {...}", merge, "changed, not sent"),
    ("kinds -= {...}", take_away, "changed, not sent"),
    ('for row in self.rows: row["paid"] = True', item_of_each, "changed, sent"),
    ("for row in self.rows: row |= {...}", merge_into_each, "changed, not sent"),
    (
        'for row in reversed(self.rows): row["paid"] = True',
        item_of_each_backwards,
        "changed, not sent",
    ),
]:
    result = outcome(handler)
    print(f"  {what}: {result}")
    if result != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
