#!/bin/sh
# django-user-sessions 2.0.0 on Django 6.1.3: a session that was signed in to by Django's alogin() has
# no user in its row, so it is in nobody's list of devices and "log out my other devices" leaves it.
#
# Guess before the run: the same row as after login().
#
# The engine notes the user in __setitem__ of its SessionStore; alogin() sets the key by aset(), which
# writes past it.
#
# Seen:
#   login(): user 1, alogin(): user None
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys
import warnings

warnings.simplefilter("ignore")  # The package imports pkg_resources.

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "user_sessions"],
    SECRET_KEY="not a secret",
    SESSION_ENGINE="user_sessions.backends.db",
)
django.setup()

from django.contrib.auth import alogin, login
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpRequest
from user_sessions.backends.db import SessionStore
from user_sessions.models import Session


def row_after(sign_in):
    request = HttpRequest()
    request.session = SessionStore()
    sign_in(request)
    request.session.save()
    return Session.objects.get(pk=request.session.session_key).user_id


call_command("migrate", verbosity=0)
ada = User.objects.create_user("ada")
seen = (
    row_after(lambda request: login(request, ada)),
    row_after(lambda request: asyncio.run(alogin(request, ada))),
)
print(f"login(): user {seen[0]}, alogin(): user {seen[1]}")
if seen != (ada.pk, None):
    raise SystemExit("CHANGED: it was 1 and None.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    Django==6.1.3 django-user-sessions==2.0.0 "setuptools==80.10.2"
"$folder/venv/bin/python" "$folder/finding.py" "$folder/db.sqlite3"
