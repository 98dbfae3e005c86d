#!/bin/sh
# Reflex 0.10.1 with Django 6.1.3: a list var of a state cannot be given to a lookup of Django's, as in
# filter(id__in=self.chosen): it is a TypeError. A set var can, and list(self.chosen) can. Needs Python
# 3.12 or newer.
#
# Guess before the run: the rows, as with the list itself; isinstance(self.chosen, list) is true.
#
# What a handler reads is Reflex's MutableProxy around the list. Django's Query.resolve_lookup_value() makes
# of a list or tuple another one of type(value), and that is the proxy's class, which wants a state too.
# So it is for each lookup that takes a list: __in, __range, and those of fields of a package.
#
# Seen:
#   isinstance(self.chosen, list): True
#   id__in=self.chosen: TypeError, __new__() missing 2 required positional arguments
#   id__range=self.bounds: TypeError, __new__() missing 2 required positional arguments
#   id__in=list(self.chosen): 2 rows
#   id__in=self.kinds, a set: 2 rows
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import sys
from importlib.metadata import version

import django
import reflex as rx
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
)
django.setup()

from django.contrib.auth.models import Group
from django.core.management import call_command


class Groups(rx.State):
    chosen: list[int] = [1, 2]
    bounds: list[int] = [1, 2]
    kinds: set[int] = {1, 2}


def found(**lookup):
    try:
        return f"{len(Group.objects.filter(**lookup))} rows"
    except TypeError as error:
        return f"TypeError, {str(error).partition('.')[2].partition(':')[0]}"


call_command("migrate", verbosity=0)
Group.objects.bulk_create([Group(name="ada"), Group(name="bob"), Group(name="cid")])
state = Groups(_reflex_internal_init=True)
refused = "TypeError, __new__() missing 2 required positional arguments"
seen = [
    ("isinstance(self.chosen, list)", str(isinstance(state.chosen, list)), "True"),
    ("id__in=self.chosen", found(id__in=state.chosen), refused),
    ("id__range=self.bounds", found(id__range=state.bounds), refused),
    ("id__in=list(self.chosen)", found(id__in=list(state.chosen)), "2 rows"),
    ("id__in=self.kinds, a set", found(id__in=state.kinds), "2 rows"),
]
print(f"Reflex {version('reflex')}, Django {django.__version__}")
for what, result, expected in seen:
    print(f"  {what}: {result}")
    if result != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Django==6.1.3 reflex==0.10.1
cd "$folder"
REFLEX_TELEMETRY_ENABLED=false venv/bin/python finding.py "$folder/db.sqlite3"
