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
# Seen, of a var that reads `price` in this way, once price has changed from 1 to 2:
#   self.tax(): 2
#   sum(self.price for ...): 2
#   super().tax(): 1
#   getattr(self, "price"): 1
#   inner(self), a function within: 1
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
from importlib.metadata import version

import reflex as rx


class Taxed(rx.State, mixin=True):
    price: int = 0

    def tax(self):
        return self.price


class Total(Taxed, rx.State):
    @rx.var
    def by_method(self) -> int:
        return self.tax()

    @rx.var
    def by_comprehension(self) -> int:
        return sum(self.price for _ in range(1))

    @rx.var
    def by_super(self) -> int:
        return super().tax()

    @rx.var
    def by_getattr(self) -> int:
        return getattr(self, "price")

    @rx.var
    def by_function(self) -> int:
        def inner(state):
            return state.price

        return inner(self)


print(f"Reflex {version('reflex')}")
state = Total(_reflex_internal_init=True)
for how, var, expected in [
    ("self.tax()", "by_method", 2),
    ("sum(self.price for ...)", "by_comprehension", 2),
    ("super().tax()", "by_super", 1),
    ('getattr(self, "price")', "by_getattr", 1),
    ("inner(self), a function within", "by_function", 1),
]:
    state.price = 1
    getattr(state, var)
    state.price = 2
    result = getattr(state, var)
    print(f"  {how}: {result}")
    if result != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
