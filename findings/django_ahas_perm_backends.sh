#!/bin/sh
# django-guardian 3.5.2 and rules 3.5 on Django 5.2.19 and 6.1.3: a permission that user.has_perm() grants is
# refused by `await user.ahas_perm()`. Nothing is raised or logged. Needs Python 3.12 or newer.
#
# Guess before the run: the same answer, as Django's asynchronous methods call the synchronous one of a
# backend that has none of its own.
#
# _auser_has_perm() in django/contrib/auth/models.py leaves out each backend without an ahas_perm(). Both
# packages have a backend that is no subclass of Django's BaseBackend and has only has_perm(). A subclass that
# writes its own has_perm() and nothing else is asked, but by its get_all_permissions().
#
# Seen, with each version:
#   guardian: has_perm True, ahas_perm False
#   rules: has_perm True, ahas_perm False
#   a ModelBackend with a has_perm() of its own: has_perm True, ahas_perm False
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys

import django
from django.conf import settings

settings.configure(
    AUTHENTICATION_BACKENDS=[
        "finding.Backend",
        "guardian.backends.ObjectPermissionBackend",
        "rules.permissions.ObjectPermissionBackend",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "guardian"],
)
sys.modules["finding"] = sys.modules["__main__"]
django.setup()

import rules
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from guardian.shortcuts import assign_perm


class Backend(ModelBackend):
    def has_perm(self, user, perm, obj=None):
        return perm == "shop.open" or super().has_perm(user, perm, obj)


call_command("migrate", verbosity=0)
ada = User.objects.create_user("ada")
group = Group.objects.create(name="readers")
assign_perm("change_group", ada, group)
rules.add_perm("shop.enter", rules.always_allow)
print(f"Django {django.__version__}")
for what, perm, obj in [
    ("guardian", "auth.change_group", group),
    ("rules", "shop.enter", None),
    ("a ModelBackend with a has_perm() of its own", "shop.open", None),
]:
    seen = ada.has_perm(perm, obj), asyncio.run(ada.ahas_perm(perm, obj))
    print(f"  {what}: has_perm {seen[0]}, ahas_perm {seen[1]}")
    if seen != (True, False):
        raise SystemExit("  CHANGED: it was True and False.")
PYTHON

for version in 5.2.19 6.1.3; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check \
        "Django==$version" django-guardian==3.5.2 rules==3.5
    "$folder/$version/bin/python" "$folder/finding.py" "$folder/$version.sqlite3"
done
