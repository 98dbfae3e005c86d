#!/bin/sh
# Django 6.1.3's tasks with the backend it comes with, ImmediateBackend: enqueue() in async code raises nothing and
# the task does not run to its end, be it an async one or one that queries; its result says FAILED. `await
# aenqueue()` runs both. Needs Python 3.12 or newer.
#
# Guess before the run: enqueue() raises SynchronousOnlyOperation, as each of Django's synchronous methods that
# needs a thread; or it runs the async one.
#
# ImmediateBackend._execute_task() (django/tasks/backends/immediate.py) calls the task where it is enqueued, an async
# one by async_to_sync(), and keeps what is raised, be it of the task or of where it is called, in
# result.errors.
#
# Seen:
#   an async task: enqueue() FAILED by RuntimeError, aenqueue() SUCCESSFUL
#   a task that counts rows: enqueue() FAILED by SynchronousOnlyOperation, aenqueue() SUCCESSFUL
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys
import warnings

warnings.simplefilter("ignore")  # Of the coroutine that nobody awaits.

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    LOGGING_CONFIG=None,
)
django.setup()

from django.contrib.auth.models import Group
from django.core.management import call_command
from django.tasks import task


@task
async def greet():
    return "hello"


@task
def count():
    return Group.objects.count()


def status(result):
    by = [error.exception_class_path.rpartition(".")[2] for error in result.errors]
    return f"{result.status} by {by[0]}" if by else str(result.status)


async def both(a_task):
    enqueued = a_task.enqueue()
    return f"enqueue() {status(enqueued)}, aenqueue() {status(await a_task.aenqueue())}"


call_command("migrate", verbosity=0)
print(f"Django {django.__version__}")
for what, a_task, error in [
    ("an async task", greet, "RuntimeError"),
    ("a task that counts rows", count, "SynchronousOnlyOperation"),
]:
    result = asyncio.run(both(a_task))
    print(f"  {what}: {result}")
    if result != f"enqueue() FAILED by {error}, aenqueue() SUCCESSFUL":
        raise SystemExit(f"  CHANGED: enqueue() failed by {error}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Django==6.1.3
"$folder/venv/bin/python" "$folder/finding.py" "$folder/db.sqlite3"
