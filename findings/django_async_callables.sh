#!/bin/sh
# Django 6.1.3: `async def` functions where Django takes a callable. `await cache.aget_or_set(key, function)` calls it and
# tries to store its coroutine, a TypeError of pickle. on_commit() calls it and throws the coroutine away: what was
# to happen after the commit never does, with a RuntimeWarning at most. A signal awaits an async receiver. Needs
# Python 3.12 or newer.
#
# Guess before the run: aget_or_set() awaits it; on_commit() refuses it with a TypeError, as it does what is not callable.
#
# aget_or_set() (django/core/cache/backends/base.py) calls `default` without an await; BaseDatabaseWrapper.on_commit()
# (django/db/backends/base/base.py) asks callable() and no more.
#
# Seen:
#   aget_or_set(): TypeError, cannot pickle 'coroutine' object
#   on_commit(): nothing raised, not run
#   a signal's receiver: nothing raised, ran
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import warnings

import django
from django.conf import settings

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()

from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.db import transaction
from django.dispatch import Signal

warnings.simplefilter("ignore")
ran = []
saved = Signal()


async def note(**arguments):
    ran.append("note")


@sync_to_async
def commit():
    with transaction.atomic():
        transaction.on_commit(note)


async def seen(made):
    ran.clear()
    try:
        await made
    except TypeError as error:
        return f"TypeError, {error}"
    return f"nothing raised, {'ran' if ran else 'not run'}"


async def main():
    saved.connect(note)
    for what, made, expected in [
        ("aget_or_set()", cache.aget_or_set("answer", note), "TypeError, cannot pickle 'coroutine' object"),
        ("on_commit()", commit(), "nothing raised, not run"),
        ("a signal's receiver", saved.asend(None), "nothing raised, ran"),
    ]:
        result = await seen(made)
        print(f"  {what}: {result}")
        if result != expected:
            raise SystemExit(f"  CHANGED: it was {expected}.")


print(f"Django {django.__version__}")
asyncio.run(main())
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Django==6.1.3
"$folder/venv/bin/python" "$folder/finding.py"
