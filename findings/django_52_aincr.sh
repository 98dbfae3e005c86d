#!/bin/sh
# Django 5.2.19: `await cache.aincr(key)` is no cache.incr(key). Of 50 at once 49 are lost, and the key gets the
# cache's default timeout in place of its own. Django 6.0.10 is alike; 6.1.3 counts to 50 and keeps the timeout.
# Needs Python 3.12 or newer.
#
# Guess before the run: incr() on a thread, so 50, and the timeout that the key had.
#
# BaseCache.aincr() in 5.2's django/core/cache/backends/base.py awaits aget(), adds, and awaits aset(), and no
# backend of Django's has one of its own; the redis one has an incr() by INCRBY, and local memory one under
# a lock. A counter of events a minute is then renewed by each event. aget_many(), aset_many() and
# adelete_many() are written likewise: a call of the backend for each key.
#
# Seen:
#   Django 5.2.19: 50 incr() 50, 50 aincr() 1; timeout after incr() 1000 s, after aincr() 300 s
#   Django 6.0.10: 50 incr() 50, 50 aincr() 1; timeout after incr() 1000 s, after aincr() 300 s
#   Django 6.1.3: 50 incr() 50, 50 aincr() 50; timeout after incr() 1000 s, after aincr() 1000 s
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import time

import django
from django.conf import settings

settings.configure(
    CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
)

from django.core.cache import cache

CALLS = 50


def timeout():
    return round(cache._expire_info[cache.make_key("clicks")] - time.time(), -1)


async def count():
    await asyncio.gather(*(cache.aincr("clicks") for _ in range(CALLS)))


seen = []
for increments in [lambda: [cache.incr("clicks") for _ in range(CALLS)], lambda: asyncio.run(count())]:
    cache.set("clicks", 0, timeout=1000)
    increments()
    seen.append((cache.get("clicks"), timeout()))
(plain, plain_timeout), (asynchronous, asynchronous_timeout) = seen
print(
    f"Django {django.__version__}: {CALLS} incr() {plain}, {CALLS} aincr() {asynchronous}; timeout"
    f" after incr() {plain_timeout:.0f} s, after aincr() {asynchronous_timeout:.0f} s"
)
if (plain, plain_timeout) != (CALLS, 1000):
    raise SystemExit("CHANGED: incr() counted each call and kept the timeout.")
if django.VERSION < (6, 1):
    if asynchronous == CALLS or asynchronous_timeout != 300:
        raise SystemExit("CHANGED: aincr() lost calls and the timeout.")
elif seen[0] != seen[1]:
    raise SystemExit("CHANGED: aincr() counted each call and kept the timeout.")
PYTHON

for version in 5.2.19 6.0.10 6.1.3; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "Django==$version"
    "$folder/$version/bin/python" "$folder/finding.py"
done
