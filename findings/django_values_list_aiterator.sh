#!/bin/sh
# Django 5.2.19 and 6.1.3: `async for row in queryset.values_list("name").aiterator()` raises
# SynchronousOnlyOperation. The same without aiterator(), with flat=True or named=True, with values() or with
# objects of the model works. Needs Python 3.12 or newer.
#
# Guess before the run: the same rows in each of them.
#
# BaseIterable._async_generator() in django/db/models/query.py calls the iterable's __iter__() on the event loop,
# trusting that a generator does nothing yet. That of ValuesListIterable is none: it returns what the
# compiler's results_iter() gives, which has run the query by then.
#
# Seen, with each version:
#   values_list("name"): 3 rows
#   values_list("name").aiterator(): SynchronousOnlyOperation
#   values_list("name", named=True).aiterator(): 3 rows
#   values_list("name", flat=True).aiterator(): 3 rows
#   values("name").aiterator(): 3 rows
#   aiterator(): 3 rows
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
)
django.setup()

from django.contrib.auth.models import Group
from django.core.exceptions import SynchronousOnlyOperation
from django.core.management import call_command


async def read(rows):
    try:
        return f"{len([row async for row in rows])} rows"
    except SynchronousOnlyOperation:
        return "SynchronousOnlyOperation"


call_command("migrate", verbosity=0)
Group.objects.bulk_create([Group(name="ada"), Group(name="bob"), Group(name="cid")])
groups = Group.objects.all()
print(f"Django {django.__version__}")
for what, rows, expected in [
    ('values_list("name")', groups.values_list("name"), "3 rows"),
    (
        'values_list("name").aiterator()',
        groups.values_list("name").aiterator(),
        "SynchronousOnlyOperation",
    ),
    (
        'values_list("name", named=True).aiterator()',
        groups.values_list("name", named=True).aiterator(),
        "3 rows",
    ),
    (
        'values_list("name", flat=True).aiterator()',
        groups.values_list("name", flat=True).aiterator(),
        "3 rows",
    ),
    ('values("name").aiterator()', groups.values("name").aiterator(), "3 rows"),
    ("aiterator()", groups.aiterator(), "3 rows"),
]:
    result = asyncio.run(read(rows))
    print(f"  {what}: {result}")
    if result != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

for version in 5.2.19 6.1.3; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "Django==$version"
    "$folder/$version/bin/python" "$folder/finding.py" "$folder/$version.sqlite3"
done
