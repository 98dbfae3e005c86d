#!/bin/sh
# Django 5.2.19: after `await alogin(request, user)` request.user is that user and `await request.auser()` still
# nobody; after alogout() auser() is still who has left. And aupdate_session_auth_hash(), after a change of
# password, is a SynchronousOnlyOperation in an async view that has not read request.user. 6.1.3 does as guessed.
# Needs Python 3.12 or newer.
#
# Guess before the run: auser() and user are the same one, before and after; the session outlives the change.
#
# alogin() and alogout() of 5.2 (django/contrib/auth/__init__.py) set request.user alone, while auser() keeps
# whom it found first. aupdate_session_auth_hash() gives the session a new key, then compares with
# request.user, which queries on the event loop: the new hash is not stored, so the session is over.
#
# Seen:
#   Django 5.2.19: after alogin user ada, auser nobody; after alogout user nobody, auser ada;
#     hash SynchronousOnlyOperation
#   Django 6.1.3: after alogin user ada, auser ada; after alogout user nobody, auser nobody; hash stored
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
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF="finding",
    SECRET_KEY="of no site",
)
sys.modules["finding"] = sys.modules["__main__"]
django.setup()

from django.contrib.auth import alogin, alogout, aupdate_session_auth_hash
from django.contrib.auth.models import User
from django.core.exceptions import SynchronousOnlyOperation
from django.core.management import call_command
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import path


async def names(request):
    auser = await request.auser()
    return f"user {request.user.get_username() or 'nobody'}, auser {auser.get_username() or 'nobody'}"


async def sign_in(request):
    await request.auser()
    await alogin(request, await User.objects.aget())
    return HttpResponse(await names(request))


async def sign_out(request):
    await request.auser()
    await alogout(request)
    return HttpResponse(await names(request))


async def change_password(request):
    user = await request.auser()
    user.set_password("new")
    await user.asave()
    try:
        await aupdate_session_auth_hash(request, user)
    except SynchronousOnlyOperation:
        return HttpResponse("SynchronousOnlyOperation")
    return HttpResponse("stored")


urlpatterns = [path("in", sign_in), path("out", sign_out), path("password", change_password)]


async def visit():
    client = AsyncClient()
    return [(await client.get(where)).text for where in ["/in", "/password", "/in", "/out"]]


call_command("migrate", verbosity=0)
User.objects.create_user("ada")
signed_in, stored, _, signed_out = asyncio.run(visit())
result = f"after alogin {signed_in}; after alogout {signed_out}; hash {stored}"
print(f"Django {django.__version__}: {result}")
old = django.VERSION < (6, 1)
expected = (
    f"after alogin user ada, auser {'nobody' if old else 'ada'};"
    f" after alogout user nobody, auser {'ada' if old else 'nobody'};"
    f" hash {'SynchronousOnlyOperation' if old else 'stored'}"
)
if result != expected:
    raise SystemExit(f"CHANGED: it was {expected}.")
PYTHON

for version in 5.2.19 6.1.3; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "Django==$version"
    "$folder/$version/bin/python" "$folder/finding.py" "$folder/$version.sqlite3"
done
