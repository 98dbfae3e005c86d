"""The test app behind a revoker, as a worker runs it: Reflex, Django, and Redis if there is one."""

import json
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from django.core.asgi import get_asgi_application

django = get_asgi_application()

import asyncio  # noqa: E402 - Django comes first
from urllib.parse import parse_qs  # noqa: E402

import reflex as rx  # noqa: E402
from django.contrib.sessions.backends.db import SessionStore  # noqa: E402

from rxbridge.asgi import REFLEX_PREFIXES, LifespanGroup, PrefixRouter  # noqa: E402
from rxbridge.events import MiddlewareRunner, reflex_asgi  # noqa: E402
from rxbridge.events.sessions.broadcast import RedisBroadcast  # noqa: E402
from rxbridge.events.sessions.revoker import SessionRevoker  # noqa: E402
from rxbridge.state import AppState  # noqa: E402
from tests.events.app import app, bridge, connections  # noqa: E402

redis = os.environ.get("RXBRIDGE_TEST_REDIS")
revoker = SessionRevoker(connections, broadcast=RedisBroadcast(redis) if redis else None)
app._middlewares = [bridge(runner=MiddlewareRunner(), revoker=revoker)]
reflex = connections.wrap(reflex_asgi(app))


class Secret(rx.State):
    """Handlers that go on for a while and then have something to tell."""

    ticks: int = 0
    told: str = ""

    @rx.event(background=True)
    async def tick(self):
        while True:
            async with self:
                self.ticks += 1
            await asyncio.sleep(0.05)

    @rx.event
    async def tell_slowly(self):
        self.ticks = -1
        yield
        await asyncio.sleep(1)
        self.told = "the secret"


async def disconnect(scope, receive, send):
    """Sign a user out everywhere, as an administrator's view would."""
    (user,) = parse_qs(scope["query_string"].decode())["user"]
    closed = await revoker.disconnect(user=user)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(closed).encode()})


async def basket(scope, receive, send):
    """Begin a session, as a view would that puts something into a visitor's basket."""
    session = SessionStore()
    await session.aset("basket", "lamp")
    await session.asave()
    cookie = f"sessionid={session.session_key}; Path=/; HttpOnly".encode()
    headers = [(b"set-cookie", cookie)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


class Basket(AppState, rx.State):
    """What the session of a tab has."""

    content: dict[str, str | int] = {}

    @rx.event
    def count(self):
        self.session["n"] = self.session.get("n", 0) + 1
        self.content = dict(self.session.items())


application = PrefixRouter(
    {
        **dict.fromkeys(REFLEX_PREFIXES, reflex),
        "/disconnect": disconnect,
        "/basket": connections.identify_browsers(basket),
    },
    default=django,
    lifespan=LifespanGroup(revoker.lifespan, reflex),
)
