"""The test app on a server of its own, or on several that share their states in Redis."""

import asyncio
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from django.core.asgi import get_asgi_application

django = get_asgi_application()

import reflex as rx  # noqa: E402 - Django comes first
from asgiref.sync import async_to_sync  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402

from rxbridge.asgi import REFLEX_PREFIXES, PrefixRouter  # noqa: E402
from rxbridge.events import reflex_asgi  # noqa: E402
from rxbridge.state import AppState, DjangoUserState, PicklingStripper  # noqa: E402
from tests.events.app import app, connections  # noqa: E402

reflex = connections.wrap(reflex_asgi(app))


class Clicks(AppState, PicklingStripper, rx.State):
    """Counts clicks, each of which has a number, so that one lost or counted twice is known."""

    count: int = 0
    clicks: list[int] = []
    _request: object = None

    @rx.event
    def click(self, number: int):
        self._request = self.request
        self.clicks = [*self.clicks, number]
        self.count += 1


class Change(AppState, rx.State):
    """Handlers that change who the visitor is, and go on."""

    steps: int = 0

    async def _to(self, username: str) -> None:
        if username:
            await self.login(await User.objects.aget(username=username))
        else:
            await self.logout()

    @rx.event
    async def at_once(self, username: str):
        await self._to(username)
        self.steps += 1

    @rx.event
    async def and_go_on(self, username: str):
        await self._to(username)
        self.steps += 1
        yield
        await asyncio.sleep(0.2)
        self.steps += 1

    @rx.event
    def at_once_on_a_thread(self, username: str):
        async_to_sync(self._to)(username)
        self.steps += 1

    @rx.event
    def and_go_on_on_a_thread(self, username: str):
        async_to_sync(self._to)(username)
        self.steps += 1
        yield
        self.steps += 1

    @rx.event
    def step(self):
        self.steps += 1


app.add_page(lambda: rx.text(Clicks.count, DjangoUserState.username), route="/clicks")

application = PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, reflex), default=django, lifespan=reflex)
