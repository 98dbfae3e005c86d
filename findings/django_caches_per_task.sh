#!/bin/sh
# Django 5.2.19 and 6.1.3 with asgiref 3.13.0: `caches["default"]` is another object in each asyncio
# task, unless it was used before the tasks were started. Needs Python 3.12 or newer.
#
# `caches` keeps its objects in asgiref's Local, which is one per context, and each task has a copy
# of its own of the context it was started in. A server starts a task for each request, so with
# django.core.cache.backends.redis.RedisCache, whose pool belongs to the object, each request opens
# a TCP connection of its own.
#
# Seen, with each version:
#   5 tasks, nothing used before: 5 cache objects
#   5 tasks, used before: 1 cache object
#   one task, used 5 times: 1 cache object
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio

import django
from django.conf import settings
from django.core.cache import caches

BACKEND = "django.core.cache.backends.locmem.LocMemCache"
settings.configure(CACHES={"default": {"BACKEND": BACKEND}})

TASKS = 5


async def use():
    # The object, not its id(): one that is held by nobody makes room for the next at its address.
    return caches["default"]


async def in_tasks():
    return await asyncio.gather(*(asyncio.create_task(use()) for _ in range(TASKS)))


async def in_tasks_after_use():
    await use()
    return await in_tasks()


async def in_one_task():
    return [await use() for _ in range(TASKS)]


def check(what, scenario, expected):
    found = len({id(cache) for cache in asyncio.run(scenario())})
    print(f"  {what}: {found} cache object{'s' if found > 1 else ''}")
    if found != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")


print(f"Django {django.__version__}")
check(f"{TASKS} tasks, nothing used before", in_tasks, TASKS)
check(f"{TASKS} tasks, used before", in_tasks_after_use, 1)
check(f"one task, used {TASKS} times", in_one_task, 1)
PYTHON

for version in 5.2.19 6.1.3; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check \
        "Django==$version" asgiref==3.13.0
    "$folder/$version/bin/python" "$folder/finding.py"
done
