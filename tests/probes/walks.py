"""Print the walks of ``docs/architecture.md`` as they are: file and function, in order, as JSON.

The argument is a directory for the database. Each walk is made once before it is written down.
"""

import asyncio
import json
import os
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ["RXBRIDGE_TEST_DB"] = f"{sys.argv[1]}/db.sqlite3"
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django

django.setup()

import httpx
import reflex as rx
from django.contrib.auth import alogin
from django.contrib.auth.models import User
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.test import AsyncClient
from reflex_base.utils.format import format_event_handler

import rxbridge
from rxbridge.asgi import (
    REFLEX_PREFIXES,
    ConnectionRegistry,
    LifespanGroup,
    OriginGuard,
    PrefixRouter,
)
from rxbridge.events import EventBridge, Sessions, login_required, reflex_asgi
from rxbridge.state import AppState
from rxbridge.testing import RawClient

HOUSE = Path(rxbridge.__file__).parent
steps: dict[tuple[str, str], None] = {}


def note(frame, event, _):
    """Write down a function of the house when it is first called."""
    code = frame.f_code
    if event == "call" and code.co_filename.startswith(f"{HOUSE}/"):
        file = code.co_filename.removeprefix(f"{HOUSE}/")
        if not file.startswith("testing/") and file != "events/_test_context.py":
            steps.setdefault((file, code.co_qualname))


class Walked(AppState, rx.State):
    name: str = ""
    count: int = 0

    @rx.event
    @login_required
    def read(self):
        self.name = self.user.get_username()

    @rx.event
    async def enter(self):
        await alogin(self.request, await User.objects.aget(username="ada"))

    @rx.event
    @login_required
    async def upload(self, files: list[rx.UploadFile]):
        self.count = len(await files[0].read())

    @rx.event(background=True)
    async def work(self):
        async with self:
            self.name = self.user.get_username()


def application():
    """Return what the README's ``asgi.py`` makes, without pages."""
    connections = ConnectionRegistry()
    sessions = Sessions(connections)
    app = rx.App()
    page = rx.upload(rx.text(Walked.name, Walked.count))  # Now, or Reflex has no /_upload.
    app.add_page(lambda: page, route="/")
    app.add_middleware(EventBridge(connections, sessions=sessions))
    reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
    return PrefixRouter(
        dict.fromkeys(REFLEX_PREFIXES, reflex) | {sessions.path: sessions},
        default=connections.identify_browsers(get_asgi_application()),
        lifespan=LifespanGroup(sessions, reflex),
    )


async def walk(raw, cookies):
    """Go all the ways; return each, with the session that the last one has signed in."""
    found = {}

    def done(name):
        found[name] = list(steps)
        steps.clear()

    steps.clear()
    async with raw.connect(cookies=cookies) as socket:
        done("handshake")
        await socket.send(format_event_handler(Walked.read))
        done("event")
        await socket.send(format_event_handler(Walked.work))
        done("background task")
        answer = await raw.upload(
            format_event_handler(Walked.upload), ("a", b"abc"), token=socket.token, cookies=cookies
        )
        assert answer.status_code == 200, answer.text
        done("upload")
    stranger = {name: value for name, value in cookies.items() if name != "sessionid"}
    async with raw.connect(cookies=stranger) as socket:
        steps.clear()
        fired = await socket.send(format_event_handler(Walked.enter))
        await redeem(raw.application, fired, stranger)
        done("sign-in")
    return found


def browser(app, cookies=None):
    """Return a client for what is asked over HTTP."""
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", cookies=cookies)


async def redeem(app, fired, cookies):
    """Do what the page does with its ticket."""
    scripts = [each.payload.get("javascript_code", "") for each in fired.events]
    (script,) = [each for each in scripts if "x-rxbridge-ticket" in each]
    request = json.loads(script[script.rindex("({") + 1 : -1])
    async with browser(app, cookies) as http:
        for method in ("POST", "PUT"):
            answer = await http.request(
                method,
                request["path"],
                headers=request["headers"] | {"origin": "http://localhost"},
            )
            assert answer.is_success, answer


async def main():
    ada = await User.objects.acreate_user("ada")
    app = application()
    async with RawClient(app) as raw:
        async with browser(app) as http:
            cookies = dict((await http.get("/", headers={"accept": "text/html"})).cookies)
        client = AsyncClient()
        await client.aforce_login(ada)
        cookies["sessionid"] = client.cookies["sessionid"].value
        await walk(raw, cookies)
        print(json.dumps(await walk(raw, cookies)))


call_command("migrate", verbosity=0)
threading.setprofile(note)
sys.setprofile(note)
asyncio.run(main())
sys.setprofile(None)
