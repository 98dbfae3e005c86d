#!/bin/sh
# Django 5.2.19 and 6.1.3: `with self.assertNumQueries(1):` in an async test of a TestCase raises
# SynchronousOnlyOperation, whatever is awaited in it. captureOnCommitCallbacks(execute=True) raises nothing there, has no
# callback and runs none. Needs Python 3.12 or newer.
#
# Guess before the run: both do as in a plain test, as an async test's queries run in the test's own transaction.
#
# CaptureQueriesContext.__enter__() (django/test/utils.py) calls connection.ensure_connection(), which Django refuses
# on a thread with a running event loop. captureOnCommitCallbacks() (django/test/testcases.py) reads the connection's
# list alone: `connections` is a Local with thread_critical, so the loop's thread has a connection object of its own,
# and it is not the one whose queries run.
#
# Seen, with each version:
#   assertNumQueries in an async test: SynchronousOnlyOperation
#   captureOnCommitCallbacks in an async test: 0 callbacks, 0 run
#   both around async_to_sync() in a plain test: 1 query, 1 callback, 1 run
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import sys
import unittest

import django
from django.conf import settings

settings.configure(
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": ":memory:",
            "TEST": {"NAME": sys.argv[1]},
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
)
django.setup()

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Group
from django.core.exceptions import SynchronousOnlyOperation
from django.db import transaction
from django.test import TestCase
from django.test.runner import DiscoverRunner

seen, mails = {}, []


async def count():
    return await Group.objects.acount()


@sync_to_async
def buy():
    with transaction.atomic():
        transaction.on_commit(lambda: mails.append("thank you"))


class Tests(TestCase):
    async def test_async_callbacks(self):
        mails.clear()
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            await buy()
        seen["captureOnCommitCallbacks in an async test"] = f"{len(callbacks)} callbacks, {len(mails)} run"

    async def test_async(self):
        try:
            with self.assertNumQueries(1):
                await count()
        except SynchronousOnlyOperation as error:
            seen["assertNumQueries in an async test"] = type(error).__name__

    def test_plain(self):
        with self.assertNumQueries(1):
            async_to_sync(count)()
        mails.clear()
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            async_to_sync(buy)()
        seen["both around async_to_sync() in a plain test"] = (
            f"1 query, {len(callbacks)} callback, {len(mails)} run"
        )


runner = DiscoverRunner(verbosity=0, interactive=False)
databases = runner.setup_databases()
result = unittest.TestResult()
unittest.defaultTestLoader.loadTestsFromTestCase(Tests).run(result)
runner.teardown_databases(databases)
print(f"Django {django.__version__}")
for what, happened in seen.items():
    print(f"  {what}: {happened}")
expected = {
    "assertNumQueries in an async test": "SynchronousOnlyOperation",
    "captureOnCommitCallbacks in an async test": "0 callbacks, 0 run",
    "both around async_to_sync() in a plain test": "1 query, 1 callback, 1 run",
}
if seen != expected or not result.wasSuccessful():
    raise SystemExit(f"  CHANGED: {result.errors or result.failures or expected}")
PYTHON

for version in 5.2.19 6.1.3; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "Django==$version"
    "$folder/$version/bin/python" "$folder/finding.py" "$folder/$version.sqlite3"
done
