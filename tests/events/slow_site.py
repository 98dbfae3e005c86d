"""The test app with handlers that take their time, as a server runs, fills and stops it."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

import django

django.setup()

import asyncio  # noqa: E402 - Django comes first
import threading  # noqa: E402
import time  # noqa: E402

import reflex as rx  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402

from rxbridge.asgi import REFLEX_PREFIXES, PrefixRouter  # noqa: E402
from rxbridge.events import (  # noqa: E402
    MiddlewareRunner,
    database_threads,
    ends_with_tab,
    reflex_asgi,
)
from rxbridge.state import AppState  # noqa: E402
from tests.events.app import app, connections  # noqa: E402

gate = asyncio.Event()
thread_gate = threading.Event()


class Slow(AppState, rx.State):
    """Handlers that say when they begin, so that the server can be stopped amid them."""

    begun: str = ""
    ended: list[str] = []
    taken: int = 0

    def _end(self, name: str) -> None:
        self.session[name] = "ended"
        self.ended = [*self.ended, name]

    @rx.event
    async def sleep(self, name: str, seconds: float):
        self.begun = name
        yield
        await asyncio.sleep(seconds)
        self._end(name)

    @rx.event
    def compute(self, name: str, seconds: float):
        self.begun = name
        yield
        time.sleep(seconds)
        self._end(name)

    @rx.event
    async def hold(self):
        self.begun = "hold"
        yield
        await gate.wait()

    @rx.event
    async def hold_user(self):
        self.begun = self.user.get_username()
        yield
        await gate.wait()
        self.session["hold_user"] = "ended"

    @rx.event
    async def release(self):
        gate.set()
        gate.clear()

    @rx.event
    async def take(self, text: str):
        self.taken += len(text)

    @rx.event
    def hold_thread(self):
        self.begun = "hold_thread"
        yield
        thread_gate.wait(60)

    @rx.event
    def let_threads_go(self):
        thread_gate.set()
        self.begun = "let_threads_go"

    @rx.event
    def stream_on_thread(self):
        try:
            while True:
                self.begun = "stream_on_thread"
                yield
                time.sleep(0.1)
        finally:
            print("closed a stream")

    @rx.event
    async def stream(self):
        try:
            while True:
                await User.objects.acount()
                self.begun = "stream"
                yield
                await asyncio.sleep(0.1)
        finally:
            print("closed a stream")

    @rx.event
    @ends_with_tab
    async def await_forever(self):
        await User.objects.acount()
        self.begun = "await_forever"
        yield
        try:
            await asyncio.Event().wait()
        finally:
            print("closed a stream")

    @rx.event(background=True)
    async def go_on_forever(self, name: str, seconds: float):
        async with self:
            self.begun = name
        await asyncio.Event().wait()


(bridge,) = app._middlewares
if limit := os.environ.get("RXBRIDGE_TEST_THREADS"):
    bridge.runner = MiddlewareRunner(
        threads=database_threads(limit=int(limit)), leaves_thread=["project"]
    )
bridge.tab_grace = float(os.environ.get("RXBRIDGE_TEST_TAB_GRACE", "10"))

reflex = connections.wrap(reflex_asgi(app, grace=float(os.environ.get("RXBRIDGE_TEST_GRACE", "8"))))
application = PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, reflex), lifespan=reflex)
