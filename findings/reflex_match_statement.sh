#!/bin/sh
# Reflex 0.10.1: Python's `match` finds no list and no dict in a var of a state. `case [first, *_]` and
# `case {"kind": kind}` are passed over, `case list()` and `case dict()` are not.
#
# Guess before the run: as for the list and the dict, since isinstance() says that they are.
#
# What a handler reads is a MutableProxy around the value. Whether a pattern with brackets or braces may fit,
# Python asks of the flags Py_TPFLAGS_SEQUENCE and Py_TPFLAGS_MAPPING of the object's type, which the proxy has
# not; `case list()` asks isinstance(). heapq, and other C code that wants a list itself, refuses it.
#
# Seen:
#   [first, *_]: no case
#   {"kind": kind}: no case
#   [first, *_] of list(self.rows): the case
#   list(): the case
#   isinstance(self.rows, list): the case
#   heapq.heappush(self.queue, 1): TypeError
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import heapq
from importlib.metadata import version

import reflex as rx


class Shop(rx.State):
    rows: list[int] = [1, 2]
    answer: dict[str, str] = {"kind": "paid"}
    queue: list[int] = [2]


def first_of(value):
    match value:
        case [_, *_]:
            return "the case"
    return "no case"


def kind_of(value):
    match value:
        case {"kind": _}:
            return "the case"
    return "no case"


def list_itself(value):
    match value:
        case list():
            return "the case"
    return "no case"


def pushed(value):
    try:
        heapq.heappush(value, 1)
    except TypeError:
        return "TypeError"
    return "pushed"


state = Shop(_reflex_internal_init=True)
print(f"Reflex {version('reflex')}")
for what, result, expected in [
    ("[first, *_]", first_of(state.rows), "no case"),
    ('{"kind": kind}', kind_of(state.answer), "no case"),
    ("[first, *_] of list(self.rows)", first_of(list(state.rows)), "the case"),
    ("list()", list_itself(state.rows), "the case"),
    (
        "isinstance(self.rows, list)",
        "the case" if isinstance(state.rows, list) else "no case",
        "the case",
    ),
    ("heapq.heappush(self.queue, 1)", pushed(state.queue), "TypeError"),
]:
    print(f"  {what}: {result}")
    if result != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
