#!/bin/sh
# Channels 4.3.2 below Starlette 1.10.0: with Starlette's SessionMiddleware somewhere above, as in an app that mounts
# Django's WebSockets, AuthMiddlewareStack finds nobody, whoever is signed in to Django, and says nothing. The
# session that a consumer is given is Starlette's. Needs Python 3.12 or newer.
#
# Guess before the run: who is signed in; the two have cookies of their own, "session" and "sessionid".
#
# Both keep their session in scope["session"], and Channels' InstanceSessionWrapper (channels/sessions.py) leaves one that
# is there as it is. AuthMiddleware then looks for Django's keys in Starlette's.
#
# Seen:
#   Channels alone: ada, session LazyObject
#   below Starlette's SessionMiddleware: AnonymousUser, session Session
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}},
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions"],
    SECRET_KEY="of no site",
)
django.setup()

from channels.auth import AuthMiddlewareStack
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount

seen = []


async def consumer(scope, receive, send):
    seen.append(f"{scope['user']}, session {type(scope['session']).__name__}")


async def connect(application, cookie):
    scope = {"type": "websocket", "path": "/ws", "query_string": b"", "headers": [(b"cookie", cookie)]}
    await application(scope, None, None)


call_command("migrate", verbosity=0)
client = Client()
client.force_login(User.objects.create_user("ada"))
cookie = f"sessionid={client.cookies['sessionid'].value}".encode()
channels = AuthMiddlewareStack(consumer)
middleware = [Middleware(SessionMiddleware, secret_key="of no site")]
starlette = Starlette(routes=[Mount("/", channels)], middleware=middleware)
print(f"Channels {version('channels')}, Starlette {version('starlette')}, Django {django.__version__}")
for what, application, expected in [
    ("Channels alone", channels, "ada, session LazyObject"),
    ("below Starlette's SessionMiddleware", starlette, "AnonymousUser, session Session"),
]:
    asyncio.run(connect(application, cookie))
    print(f"  {what}: {seen[-1]}")
    if seen[-1] != expected:
        raise SystemExit(f"  CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    Django==6.1.3 channels==4.3.2 starlette==1.10.0 itsdangerous==2.2.0
"$folder/venv/bin/python" "$folder/finding.py" "$folder/db.sqlite3"
