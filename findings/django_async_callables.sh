#!/bin/sh
# Django 6.1.3: `async def` functions where Django takes a callable. on_commit() takes one, calls it and throws its coroutine
# away: what was to happen after the commit never does, with a RuntimeWarning at most, also with robust=True.
# `await cache.aget_or_set(key, function)` tries to store the coroutine, a TypeError of pickle; where the
# cache does not pickle, it is given back. Needs Python 3.12 or newer.
#
# Guess before the run: on_commit() refuses it with a TypeError, as it does what is not callable; aget_or_set() awaits it.
#
# BaseDatabaseWrapper.on_commit() (django/db/backends/base/base.py) asks callable() and no more; aget_or_set()
# (django/core/cache/backends/base.py) calls `default` without an await. Signals, by contrast, run async receivers.
#
# Seen:
#   on_commit(): nothing raised, not run, never awaited
#   aget_or_set(), local memory: TypeError, cannot pickle 'coroutine' object
#   aget_or_set(), dummy: a coroutine
#   post_save's receiver: ran
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import gc
import sys
import warnings

import django
from django.conf import settings

settings.configure(
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "dummy": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
    },
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
)
django.setup()

from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.core.cache import caches
from django.core.management import call_command
from django.db import transaction
from django.db.models.signals import post_save

ran = []


async def tell():
    ran.append("tell")


async def receiver(**arguments):
    ran.append("receiver")


async def compute():
    return 5


@sync_to_async
def save():
    with transaction.atomic():
        Group.objects.create(name="staff")
        transaction.on_commit(tell)


async def stored(name):
    try:
        value = await caches[name].aget_or_set("answer", compute)
    except TypeError as error:
        return f"TypeError, {error}"
    return f"a {type(value).__name__}"


async def seen():
    post_save.connect(receiver, sender=Group)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await save()
        gc.collect()
    said = "never awaited" if any("tell" in str(one.message) for one in caught) else "nothing"
    return {
        "on_commit()": f"nothing raised, {'ran' if 'tell' in ran else 'not run'}, {said}",
        "aget_or_set(), local memory": await stored("default"),
        "aget_or_set(), dummy": await stored("dummy"),
        "post_save's receiver": "ran" if "receiver" in ran else "not run",
    }


warnings.simplefilter("ignore")
call_command("migrate", verbosity=0)
print(f"Django {django.__version__}")
for what, result in asyncio.run(seen()).items():
    print(f"  {what}: {result}")
    expected = {
        "on_commit()": "nothing raised, not run, never awaited",
        "aget_or_set(), local memory": "TypeError, cannot pickle 'coroutine' object",
        "aget_or_set(), dummy": "a coroutine",
        "post_save's receiver": "ran",
    }[what]
    if result != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Django==6.1.3
"$folder/venv/bin/python" "$folder/finding.py" "$folder/db.sqlite3"
