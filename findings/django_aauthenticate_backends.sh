#!/bin/sh
# django-allauth 65.22.1, django-sesame 3.2.5 and django-guardian 3.5.2 on Django 6.1.3: what authenticate()
# says and what `await aauthenticate()` says. With the right e-mail address and password, and with a right
# token, the asynchronous one finds nobody; with guardian's backend in the list, a wrong password is an
# AttributeError. Needs Python 3.12 or newer.
#
# Guess before the run: the same user, or None, from both.
#
# aauthenticate() calls each backend's aauthenticate(). Those of allauth and sesame are subclasses of Django's
# ModelBackend and write authenticate() alone, so ModelBackend's is called, which knows nothing of e-mail
# addresses and tokens. guardian's is no subclass of anything and has none; it is reached when those before
# it in the list have found nobody, so a right password works.
#
# Seen:
#   allauth, e-mail address and password: authenticate ada, aauthenticate None
#   sesame, token: authenticate ada, aauthenticate None
#   guardian after ModelBackend, right password: authenticate ada, aauthenticate ada
#   guardian after ModelBackend, wrong password: authenticate None, aauthenticate AttributeError
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys

import django
from django.conf import settings

settings.configure(
    ACCOUNT_LOGIN_METHODS={"email"},
    ACCOUNT_SIGNUP_FIELDS=["email*", "password1*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "django.contrib.messages",
        "allauth",
        "allauth.account",
        "guardian",
    ],
    MIDDLEWARE=["allauth.account.middleware.AccountMiddleware"],
    SECRET_KEY="of no site",
)
django.setup()

from allauth.core.context import request_context
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import RequestFactory, override_settings
from sesame.utils import get_token

DJANGO = "django.contrib.auth.backends.ModelBackend"
ALLAUTH = "allauth.account.auth_backends.AuthenticationBackend"
SESAME = "sesame.backends.ModelBackend"
GUARDIAN = "guardian.backends.ObjectPermissionBackend"


def both(**credentials):
    request = RequestFactory().get("/")
    with request_context(request):
        found = authenticate(request, **credentials)
        try:
            found_async = asyncio.run(aauthenticate(request, **credentials))
        except AttributeError:
            found_async = "AttributeError"
    return f"authenticate {found}, aauthenticate {found_async}"


call_command("migrate", verbosity=0)
ada = User.objects.create_user("ada", email="ada@example.com", password="right")
print(f"Django {django.__version__}")
for what, backends, credentials, expected in [
    (
        "allauth, e-mail address and password",
        [ALLAUTH],
        {"email": "ada@example.com", "password": "right"},
        "authenticate ada, aauthenticate None",
    ),
    (
        "sesame, token",
        [DJANGO, SESAME],
        {"sesame": get_token(ada)},
        "authenticate ada, aauthenticate None",
    ),
    (
        "guardian after ModelBackend, right password",
        [DJANGO, GUARDIAN],
        {"username": "ada", "password": "right"},
        "authenticate ada, aauthenticate ada",
    ),
    (
        "guardian after ModelBackend, wrong password",
        [DJANGO, GUARDIAN],
        {"username": "ada", "password": "wrong"},
        "authenticate None, aauthenticate AttributeError",
    ),
]:
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        result = both(**credentials)
    print(f"  {what}: {result}")
    if result != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    Django==6.1.3 django-allauth==65.22.1 django-sesame==3.2.5 django-guardian==3.5.2
"$folder/venv/bin/python" "$folder/finding.py" "$folder/db.sqlite3"
