#!/bin/sh
# Django 6.1.3: what a project's manager does in a create() of its own is left out by `await Model.objects.acreate()`, and what
# it does in create_user() by acreate_user(). So a row made in async code lacks what the manager sets, and nothing
# is raised. A create() of a QuerySet (QuerySet.as_manager()) is heeded, and so is a model's save(). Needs Python
# 3.12 or newer.
#
# Guess before the run: acreate() goes through create(), as Django's docs say that it is its asynchronous version.
#
# Manager.acreate() is made from QuerySet.acreate() (BaseManager._get_queryset_methods() in django/db/models/manager.py) and
# calls create() of the QuerySet, not of the manager. UserManager.acreate_user() has code of its own. The same goes
# for get(), get_or_create(), bulk_create() and all others that a manager takes from its QuerySet.
#
# Seen, of what ran:
#   create() of a manager: create() yes, acreate() no
#   get_or_create() of a manager: get_or_create() yes, aget_or_create() no
#   create_user() of a manager: create_user() yes, acreate_user() no
#   create() of a QuerySet: create() yes, acreate() yes
#   save() of a model: create() yes, acreate() yes
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys
from uuid import uuid4

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
)
django.setup()

from django.contrib.auth.models import Group, User, UserManager
from django.core.management import call_command
from django.db import models

ran = []


class OwnManager(models.Manager):
    def create(self, **values):
        ran.append("create() of a manager")
        return super().create(**values)

    def get_or_create(self, **values):
        ran.append("get_or_create() of a manager")
        return super().get_or_create(**values)


class OwnQuerySet(models.QuerySet):
    def create(self, **values):
        ran.append("create() of a QuerySet")
        return super().create(**values)


class OwnUserManager(UserManager):
    def create_user(self, *arguments, **values):
        ran.append("create_user() of a manager")
        return super().create_user(*arguments, **values)


class WithManager(Group):
    objects = OwnManager()

    class Meta:
        app_label, proxy = "auth", True

    def save(self, *arguments, **options):
        ran.append("save() of a model")
        super().save(*arguments, **options)


class WithQuerySet(Group):
    objects = OwnQuerySet.as_manager()

    class Meta:
        app_label, proxy = "auth", True


class Person(User):
    objects = OwnUserManager()

    class Meta:
        app_label, proxy = "auth", True


call_command("migrate", verbosity=0)
print(f"Django {django.__version__}")
for what, manager, method, field, expected in [
    ("create() of a manager", WithManager.objects, "create", "name", "no"),
    ("get_or_create() of a manager", WithManager.objects, "get_or_create", "name", "no"),
    ("create_user() of a manager", Person.objects, "create_user", "username", "no"),
    ("create() of a QuerySet", WithQuerySet.objects, "create", "name", "yes"),
    ("save() of a model", WithManager.objects, "create", "name", "yes"),
]:
    seen = []
    for name in (method, f"a{method}"):
        ran.clear()
        made = getattr(manager, name)(**{field: uuid4().hex})
        if name != method:
            asyncio.run(made)
        seen.append(f"{name}() {'yes' if what in ran else 'no'}")
    print(f"  {what}: {', '.join(seen)}")
    if seen != [f"{method}() yes", f"a{method}() {expected}"]:
        raise SystemExit(f"  CHANGED: a{method}() had it: {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Django==6.1.3
"$folder/venv/bin/python" "$folder/finding.py" "$folder/db.sqlite3"
