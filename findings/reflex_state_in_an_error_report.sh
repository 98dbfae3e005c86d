#!/bin/sh
# Reflex 0.10.1 with Django 6.1.3: where an error report of Django's shows a state, all of its computed
# vars are computed, and the coroutine of each async one is made and never awaited.
#
# A report prints every local variable of every frame, of which `self` of a handler is one. Reflex's
# repr() of a state is that of its dict(), which reads each var, the async ones as well. So a page
# under DEBUG, and a mail to ADMINS, runs what the vars run, queries too, and ends in a RuntimeWarning.
#
# Seen:
#   computed by the report: plain once or more, async never
#   RuntimeWarning: coroutine '...' was never awaited
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import gc
import sys
import warnings
from importlib.metadata import version

import django
import reflex as rx
from django.conf import settings
from django.views.debug import ExceptionReporter

settings.configure(DEBUG=True, SECRET_KEY="of no site")
django.setup()
computed = []


class Basket(rx.State):
    count: int = 0

    @rx.var(cache=False)
    def total(self) -> int:
        computed.append("plain")
        return self.count

    @rx.var(cache=False)
    async def offers(self) -> int:
        computed.append("async")
        return self.count

    def add(self):
        raise LookupError("no such product")


print(f"Reflex {version('reflex')}, Django {django.__version__}")
state = Basket(_reflex_internal_init=True)
computed.clear()
try:
    state.add()
except LookupError:
    reporter = ExceptionReporter(None, *sys.exc_info())
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    reporter.get_traceback_data()
    gc.collect()
never = [str(each.message) for each in warned if "was never awaited" in str(each.message)]
print(f"  computed by the report: plain {computed.count('plain')} times, async {computed.count('async')}")
print(f"  {never[0] if never else 'no coroutine was left'}")
if "plain" not in computed or "async" in computed or not never:
    raise SystemExit("  CHANGED.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    "Django==6.1.3" "reflex==0.10.1"
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py
