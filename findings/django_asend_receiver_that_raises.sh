#!/bin/sh
# Django 6.1.3: `await signal.asend()`, and send(), with two async receivers of which one raises. The other is cancelled in
# the middle of its work, so what it did not write yet is not written. In Django 5.2.19 it runs on to its end, after
# asend() has raised. Two that raise in 6.1.3 come as an ExceptionGroup, which `except ValueError` does not catch;
# in 5.2.19 as the first. asend_robust() has all end in both. Needs Python 3.12 or newer.
#
# Guess before the run: the exception is raised and the other receiver ends, as the docs say that they run concurrently.
#
# Since Django 6.1 async receivers run in an asyncio.TaskGroup, which cancels the rest; before by asyncio.gather(), which
# does not (_run_parallel() in 6.1's django/dispatch/dispatcher.py).
#
# Seen, of an order's signal with receivers that write an invoice (0.2 s) and that fail at once:
#   Django 5.2.19: one fails: LookupError, invoice written; both fail: LookupError; asend_robust(): invoice written
#   Django 6.0.10: one fails: LookupError, invoice written; both fail: LookupError; asend_robust(): invoice written
#   Django 6.1.3: one fails: LookupError, no invoice; both fail: ExceptionGroup; asend_robust(): invoice written
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import logging

import django
from django.dispatch import Signal

logging.disable()
written = []


async def write(**arguments):
    await asyncio.sleep(0.2)
    written.append("invoice")


async def fail(**arguments):
    raise LookupError


async def also_fail(**arguments):
    raise ValueError


async def sent(*receivers, robust=False):
    signal = Signal()
    for receiver in receivers:
        signal.connect(receiver, weak=False)
    written.clear()
    raised = ""
    try:
        await (signal.asend_robust if robust else signal.asend)(None)
    except Exception as error:
        raised = f"{type(error).__name__}, "
    await asyncio.sleep(0.5)
    return raised + ("invoice written" if written else "no invoice")


async def seen():
    one = await sent(write, fail)
    both = (await sent(fail, also_fail)).partition(",")[0]
    robust = await sent(write, fail, robust=True)
    return f"one fails: {one}; both fail: {both}; asend_robust(): {robust}"


result = asyncio.run(seen())
print(f"Django {django.__version__}: {result}")
if django.VERSION < (6, 1):
    expected = "one fails: LookupError, invoice written; both fail: LookupError; asend_robust(): invoice written"
else:
    expected = "one fails: LookupError, no invoice; both fail: ExceptionGroup; asend_robust(): invoice written"
if result != expected:
    raise SystemExit(f"CHANGED: it was {expected}.")
PYTHON

for version in 5.2.19 6.0.10 6.1.3; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "Django==$version"
    "$folder/$version/bin/python" "$folder/finding.py"
done
