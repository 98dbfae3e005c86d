#!/bin/sh
# django-waffle 5.0.0 with Django 6.1.3: waffle.switch_is_active() in an async view raises SynchronousOnlyOperation as long
# as the cache does not have the switch. A plain view that reads it puts it there, and the async one works, until
# somebody saves the switch in the admin: then each async request fails, until the next plain one. Needs
# Python 3.12 or newer.
#
# Guess before the run: it works always, or raises always.
#
# BaseSwitch.get() (waffle/models.py) asks the cache and then the database, the latter on the event loop, where Django refuses;
# a save empties the cache. A request that raises fills nothing. sync_to_async() around the call is well.
#
# Seen:
#   async view: SynchronousOnlyOperation
#   plain view: on
#   async view: on
#   async view, the switch saved anew: SynchronousOnlyOperation
#   async view, by sync_to_async: on
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
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "waffle"],
    ROOT_URLCONF="finding",
    SECRET_KEY="of no site",
)
sys.modules["finding"] = sys.modules["__main__"]
django.setup()

import waffle
from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.core.management import call_command
from django.http import HttpResponse
from django.test import AsyncClient
from django.urls import path
from waffle.models import Switch


def answer():
    return HttpResponse("on" if waffle.switch_is_active("checkout") else "off")


def plain(request):
    return answer()


async def asynchronous(request):
    return answer()


async def on_a_thread(request):
    return await sync_to_async(answer)()


urlpatterns = [path("plain", plain), path("async", asynchronous), path("thread", on_a_thread)]


async def get(address):
    try:
        return (await AsyncClient().get(address)).text
    except SynchronousOnlyOperation as error:
        return type(error).__name__


async def main():
    switch = await Switch.objects.acreate(name="checkout", active=True)
    for what, address, expected in [
        ("async view", "/async", "SynchronousOnlyOperation"),
        ("plain view", "/plain", "on"),
        ("async view", "/async", "on"),
        ("async view, the switch saved anew", "/async", "SynchronousOnlyOperation"),
        ("async view, by sync_to_async", "/thread", "on"),
    ]:
        if what.endswith("anew"):
            await switch.asave()
        result = await get(address)
        print(f"  {what}: {result}")
        if result != expected:
            raise SystemExit(f"  CHANGED: it was {expected}.")


call_command("migrate", verbosity=0)
print(f"django-waffle {version('django-waffle')}, Django {django.__version__}")
asyncio.run(main())
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Django==6.1.3 django-waffle==5.0.0
"$folder/venv/bin/python" "$folder/finding.py" "$folder/db.sqlite3"
