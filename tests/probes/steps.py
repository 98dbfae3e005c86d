"""Print the calls that one event makes, as JSON: file, function and how often.

The argument is a directory for the database.
The event is one of a browser that is signed in; its handler is not async and reads ``self.user``.
What a socket adds is left out (the handshake, the revoker, the hand-off), and so are mirrors.
"""

import asyncio
import json
import os
import sys
import threading
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["RXBRIDGE_TEST_DB"] = f"{sys.argv[1]}/db.sqlite3"
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

import reflex as rx
from django.contrib.auth.models import User
from django.core.management import call_command

import rxbridge
from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import EventBridge
from rxbridge.events.threads import worker
from rxbridge.state import AppState
from rxbridge.testing import EventClient

HOUSE = Path(rxbridge.__file__).parent
OF_THE_TEST = ("testing/", "events/reflex/local.py", "events/_test_context.py")

calls: Counter[tuple[str, str]] = Counter()
frames: set[object] = set()
"""Those called so far: a coroutine is called once, and resumed often."""


def note(frame, event, _):
    """Count a call of one of the house's functions; frames are kept, so that each is another."""
    code = frame.f_code
    if event != "call" or frame in frames or not code.co_filename.startswith(f"{HOUSE}/"):
        return
    frames.add(frame)
    file = code.co_filename.removeprefix(f"{HOUSE}/")
    if not file.startswith(OF_THE_TEST) and not code.co_name.startswith("<"):
        calls[file, code.co_qualname] += 1


class Reader(AppState, rx.State):
    name: str = ""

    @rx.event
    def read(self):
        self.name = self.user.get_username()


async def main():
    user = await User.objects.acreate(username="ada")
    async with EventClient(app, user=user) as tab:
        await tab.load("/")
        await tab.fire(Reader.read)
        calls.clear()
        await tab.fire(Reader.read)
        counted = sorted(calls.items())
    print(json.dumps([[*called, times] for called, times in counted]))


worker.LINGER = 60  # On a slow machine a thread would be cleaned meanwhile.
app = rx.App()
app.add_page(rx.fragment, route="/")
app.add_middleware(EventBridge(ConnectionRegistry()))
call_command("migrate", verbosity=0)
threading.setprofile(note)
sys.setprofile(note)
asyncio.run(main())
sys.setprofile(None)
