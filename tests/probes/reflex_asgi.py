"""Make the ASGI app of the Reflex app in the current directory; print what that changed."""

import json
import os
import sys
from pathlib import Path

sys.path[:0] = [os.getcwd(), str(Path(__file__).parents[2])]
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

from tiny import app

from rxbridge.events import reflex_asgi

before = dict(os.environ)
application = reflex_asgi(app)
after = dict(os.environ)

changed = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
print(json.dumps({"callable": callable(application), "changed": changed}))
