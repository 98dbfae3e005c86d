#!/bin/sh
# Django 5.2.19 and 6.1.3: a RemoteUserMiddleware with a header of its own, such as
# header = "HTTP_X_FORWARDED_USER", signs in a user under WSGI. Under ASGI Django 5.2.19 signs in
# nobody, and nothing is logged. Needs Python 3.12 or newer.
#
# Guess before the run: the same user under both.
#
# The asynchronous half of 5.2 looks for the name with "HTTP_" before it once more. Written as
# header = "X_FORWARDED_USER" it works there, and then under WSGI no more.
#
# Seen:
#   Django 5.2.19: WSGI ada, ASGI nobody
#   Django 6.1.3: WSGI ada, ASGI ada
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "finding.ForwardedUser",
    ],
    ROOT_URLCONF="finding",
    SECRET_KEY="not a secret",
)
sys.modules["finding"] = sys.modules["__main__"]
django.setup()

from django.contrib.auth.middleware import RemoteUserMiddleware
from django.core.management import call_command
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import path


class ForwardedUser(RemoteUserMiddleware):
    header = "HTTP_X_FORWARDED_USER"


def under_wsgi(request):
    return HttpResponse(request.user.get_username() or "nobody")


async def under_asgi(request):
    user = await request.auser()
    return HttpResponse(user.get_username() or "nobody")


urlpatterns = [path("wsgi", under_wsgi), path("asgi", under_asgi)]
call_command("migrate", verbosity=0)
headers = {"X-Forwarded-User": "ada"}
seen = (
    Client().get("/wsgi", headers=headers).text,
    asyncio.run(AsyncClient().get("/asgi", headers=headers)).text,
)
print(f"Django {django.__version__}: WSGI {seen[0]}, ASGI {seen[1]}")
expected = ("ada", "nobody" if django.VERSION < (6,) else "ada")
if seen != expected:
    raise SystemExit(f"CHANGED: it was {expected}.")
PYTHON

for version in 5.2.19 6.1.3; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check \
        "Django==$version" asgiref==3.13.0
    "$folder/$version/bin/python" "$folder/finding.py" "$folder/$version.sqlite3"
done
