#!/bin/sh
# Django 6.1.3, django-scopes 2.1.0 and django-reversion 6.4.0: @translation.override("de"), @timezone.override(…),
# @scope(…) and @create_revision() on an `async def` are not in force while it runs, and nothing is raised: the page
# is in the site's language, and a save is in no revision. From Python 3.15 on the first three are in force,
# create_revision() is not. `with` in the function's body works everywhere. Needs Python 3.12 or newer.
#
# Guess before the run: in force, as on a `def`.
#
# The first three are contextlib.ContextDecorator, which before Python 3.15 enters, calls the function, which for an
# `async def` only makes a coroutine, and leaves before it is awaited. reversion writes the same by itself
# (_ContextWrapper in reversion/revisions.py).
#
# Seen, with Python 3.13.0:
#   translation.override: def de, async def en, with in an async def de
#   timezone.override: def Asia/Tokyo, async def UTC, with in an async def Asia/Tokyo
#   scope: def 1, async def None, with in an async def 1
#   create_revision: def True, async def False, with in an async def True
# with Python 3.15.2 the same but for:
#   translation.override: def de, async def de, with in an async def de
#   timezone.override: def Asia/Tokyo, async def Asia/Tokyo, with in an async def Asia/Tokyo
#   scope: def 1, async def 1, with in an async def 1
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import platform
import sys

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "reversion"],
    LANGUAGE_CODE="en",
    TIME_ZONE="UTC",
)
django.setup()

from django.utils import timezone, translation
from django_scopes import get_scope, scope
from reversion import create_revision, is_active


def outcomes(manager, read):
    @manager()
    def plain():
        return read()

    @manager()
    async def decorated():
        return read()

    async def within():
        with manager():
            return read()

    return str(plain()), str(asyncio.run(decorated())), str(asyncio.run(within()))


print(f"Python {platform.python_version()}, Django {django.__version__}")
for what, manager, read, inside, outside in [
    ("translation.override", lambda: translation.override("de"), translation.get_language, "de", "en"),
    (
        "timezone.override",
        lambda: timezone.override("Asia/Tokyo"),
        timezone.get_current_timezone_name,
        "Asia/Tokyo",
        "UTC",
    ),
    ("scope", lambda: scope(tenant=1), lambda: get_scope().get("tenant"), "1", "None"),
    ("create_revision", lambda: create_revision(atomic=False), is_active, "True", "False"),
]:
    plain, decorated, within = outcomes(manager, read)
    print(f"  {what}: def {plain}, async def {decorated}, with in an async def {within}")
    by_contextlib = what != "create_revision" and sys.version_info >= (3, 15)
    expected = (inside, inside if by_contextlib else outside, inside)
    if (plain, decorated, within) != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    Django==6.1.3 django-scopes==2.1.0 django-reversion==6.4.0
"$folder/venv/bin/python" "$folder/finding.py" "$folder/db.sqlite3"
