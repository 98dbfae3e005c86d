#!/bin/sh
# Django 6.1.3: what a project's manager does in a create() of its own is left out by `await Model.objects.acreate()`, and
# what it does in create_user() by acreate_user(). So a row made in async code lacks what the manager sets, and
# nothing is raised. A create() of a QuerySet (QuerySet.as_manager()) is heeded. Needs Python 3.12 or newer.
#
# Guess before the run: acreate() goes through create(), as Django's docs say that it is its asynchronous version.
#
# Manager.acreate() is made from QuerySet.acreate() (BaseManager._get_queryset_methods() in django/db/models/manager.py) and
# calls create() of the QuerySet, not of the manager; so do get(), get_or_create() and all others that a manager
# takes from its QuerySet. UserManager.acreate_user() has code of its own.
#
# Seen, of whether the project's own method ran:
#   create() of a manager: by create() yes, by acreate() no
#   create_user() of a manager: by create_user() yes, by acreate_user() no
#   create() of a QuerySet: by create() yes, by acreate() yes
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

from django.contrib.auth.models import User, UserManager
from django.core.management import call_command
from django.db import models

ran = []


class OwnManager(UserManager):
    def create(self, **values):
        ran.append("create")
        return super().create(**values)

    def create_user(self, *arguments, **values):
        ran.append("create_user")
        return super().create_user(*arguments, **values)


class OwnQuerySet(models.QuerySet):
    def create(self, **values):
        ran.append("create")
        return super().create(**values)


class Person(User):
    people = OwnManager()
    rows = OwnQuerySet.as_manager()

    class Meta:
        app_label, proxy = "auth", True


call_command("migrate", verbosity=0)
print(f"Django {django.__version__}")
for where, manager, method, expected in [
    ("a manager", Person.people, "create", "no"),
    ("a manager", Person.people, "create_user", "no"),
    ("a QuerySet", Person.rows, "create", "yes"),
]:
    seen = []
    for name in (method, f"a{method}"):
        ran.clear()
        made = getattr(manager, name)(username=f"{name} by {where}")
        if name != method:
            asyncio.run(made)
        seen.append(f"by {name}() {'yes' if method in ran else 'no'}")
    print(f"  {method}() of {where}: {', '.join(seen)}")
    if seen != [f"by {method}() yes", f"by a{method}() {expected}"]:
        raise SystemExit(f"  CHANGED: by a{method}() it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Django==6.1.3
"$folder/venv/bin/python" "$folder/finding.py" "$folder/db.sqlite3"
