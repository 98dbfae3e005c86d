#!/bin/sh
# Django 6.1.3: request.user and `await request.auser()` with packages that change request.user in a middleware. While
# django-impersonate 1.9.5 has an administrator see the site as somebody else, auser() is still the administrator, so
# an async view shows the administrator's own pages. With django-hijack 3.7.9 auser() has no is_hijacked. Needs
# Python 3.12 or newer.
#
# Guess before the run: auser() is request.user, awaited.
#
# AuthenticationMiddleware (django/contrib/auth/middleware.py) sets the two beside each other, each with a query of its own.
# impersonate/middleware.py and hijack/middleware.py replace or adorn request.user alone.
#
# Seen, of request.user and of auser():
#   impersonate: ada, root
#   hijack: ada with is_hijacked, ada
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
    INSTALLED_APPS=[
        *[f"django.contrib.{name}" for name in ("auth", "contenttypes", "sessions")],
        *["hijack", "impersonate"],
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "hijack.middleware.HijackUserMiddleware",
        "impersonate.middleware.ImpersonateMiddleware",
    ],
    ROOT_URLCONF="finding",
    SECRET_KEY="of no site",
)
sys.modules["finding"] = sys.modules["__main__"]
django.setup()

from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import include, path


def described(user):
    return user.username + (" with is_hijacked" if getattr(user, "is_hijacked", False) else "")


async def who(request):
    user = await sync_to_async(described)(request.user)
    return HttpResponse(f"{user}, {described(await request.auser())}", content_type="text/plain")


urlpatterns = [
    path("who", who),
    path("hijack/", include("hijack.urls")),
    path("impersonate/", include("impersonate.urls")),
]


async def main(root, ada):
    client = AsyncClient()
    await client.aforce_login(root)
    await client.get(f"/impersonate/{ada.pk}/")
    impersonate = (await client.get("/who")).text
    await client.get("/impersonate/stop/")
    await client.post("/hijack/acquire/", {"user_pk": ada.pk})
    hijack = (await client.get("/who")).text
    for what, result, expected in [
        ("impersonate", impersonate, "ada, root"),
        ("hijack", hijack, "ada with is_hijacked, ada"),
    ]:
        print(f"  {what}: {result}")
        if result != expected:
            raise SystemExit(f"  CHANGED: it was {expected}.")


call_command("migrate", verbosity=0)
print(f"Django {django.__version__}")
asyncio.run(main(User.objects.create_superuser("root"), User.objects.create_user("ada")))
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    Django==6.1.3 django-hijack==3.7.9 django-impersonate==1.9.5
"$folder/venv/bin/python" "$folder/finding.py" "$folder/db.sqlite3"
