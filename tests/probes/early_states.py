"""Serve states that were imported before, or after, the configuration; print what they are."""

import asyncio
import json
import os
import sys
from pathlib import Path

sys.path[:0] = [os.getcwd(), str(Path(__file__).parents[2])]
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

import reflex as rx

if sys.argv[1] == "after":
    rx.config.get_config()

from early import Form, app

from rxbridge.events import reflex_asgi
from rxbridge.events.reflex import state_schema
from rxbridge.testing import EventClient


async def test() -> str:
    async with EventClient(app) as tab:
        await tab.fire(Form.set_name("Ada"))
        return str((await tab.state(Form)).name)


had = "set_name" in Form.event_handlers
if sys.argv[2] == "served":
    reflex_asgi(app)
    schema, name = state_schema(app), asyncio.run(test())
else:
    name, schema = asyncio.run(test()), state_schema(app)
print(json.dumps({"had": had, "name": name, "schema": schema}))
