#!/bin/sh
# Reflex 0.10.1: what a computed var depends on is read from its code, through methods, properties, comprehensions, lambdas
# and other states. Not found, without a word: what is read by super(), by getattr() with the name written out, and inside
# a function that is given the state. Such a var keeps its first value. deps=["price"] tells Reflex.
#
# Guess before the run: found in each of these, or a warning, as there is where the analysis fails.
#
# DependencyTracker (reflex_base/vars/dep_tracking.py) follows `self` and names for it in the bytecode of one function and
# of what self.name is; super() and a call's argument are neither.
#
# Seen, of what each finds of `price`, that it reads by way of tax():
#   self.tax(): found
#   self.tax_property: found
#   sum(self.price for ...): found
#   (lambda: self.price)(): found
#   super().tax(): not found
#   getattr(self, "price"): not found
#   inner(self), a function within: not found
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
from importlib.metadata import version

import reflex as rx

EXPECTED = {
    "self.tax()": "found",
    "self.tax_property": "found",
    "sum(self.price for ...)": "found",
    "(lambda: self.price)()": "found",
    "super().tax()": "not found",
    'getattr(self, "price")': "not found",
    "inner(self), a function within": "not found",
}


class Taxed(rx.State, mixin=True):
    price: int = 0

    def tax(self):
        return self.price


class Total(Taxed, rx.State):
    @property
    def tax_property(self):
        return self.price

    @rx.var
    def var_0(self) -> int:
        return self.tax()

    @rx.var
    def var_1(self) -> int:
        return self.tax_property

    @rx.var
    def var_2(self) -> int:
        return sum(self.price for _ in range(2))

    @rx.var
    def var_3(self) -> int:
        return (lambda: self.price)()

    @rx.var
    def var_4(self) -> int:
        return super().tax()

    @rx.var
    def var_5(self) -> int:
        return getattr(self, "price")

    @rx.var
    def var_6(self) -> int:
        def inner(state):
            return state.price

        return inner(self)


print(f"Reflex {version('reflex')}")
state = Total(_reflex_internal_init=True)
for number, (how, expected) in enumerate(EXPECTED.items()):
    state.price = 1
    getattr(state, f"var_{number}")
    state.price = 2
    result = "found" if getattr(state, f"var_{number}") == (4 if number == 2 else 2) else "not found"
    print(f"  {how}: {result}")
    if result != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
