"""A small shop whose events are traced, with middleware of every kind around them."""

import asyncio
from typing import Any

import reflex as rx
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import alogin
from django.contrib.auth.models import Group, User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.deprecation import MiddlewareMixin

from rxbridge.events import EventBridge
from rxbridge.state import AppState
from rxbridge.trace import EventTrace, TracedRunner

# Reflex allows one app to a process.
from tests.events.app import app, connections


def access_log(get_response: Any) -> Any:
    """A synchronous function, called around the rest."""

    def middleware(request: Any) -> Any:
        return get_response(request)

    return middleware


class Tenants:
    """A class of its own, async only."""

    async_capable = True
    sync_capable = False

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    async def __call__(self, request: Any) -> Any:
        return await self.get_response(request)

    def process_view(self, request: Any, view: Any, args: Any, kwargs: Any) -> None:
        return None


class ClosedShop(MiddlewareMixin):
    """Hooks only: refuses who says that the shop is closed to them."""

    def process_request(self, request: Any) -> Any:
        if request.headers.get("x-refuse") == "hook":
            return HttpResponseRedirect("/closed?reason=secret-query#secret-fragment")
        return None

    def process_response(self, request: Any, response: Any) -> Any:
        response.set_cookie("basket", "secret-cookie")
        return response


def turnstile(get_response: Any) -> Any:
    """A synchronous function that may answer by itself."""

    def middleware(request: Any) -> Any:
        if request.headers.get("x-refuse") == "call":
            return HttpResponse(status=429)
        return get_response(request)

    return middleware


MIDDLEWARE = [
    access_log,
    *settings.MIDDLEWARE,
    Tenants,
    "tests.trace.site.ClosedShop",
    turnstile,
]


class Orders(AppState, rx.State):
    """Handlers of every kind."""

    total: int = 0
    lines: list[str] = []

    @rx.event
    def add(self, number: int = 1):
        self.session["orders"] = self.session.get("orders", 0) + number
        self.total += number
        messages.success(self.request, "Added.")

    @rx.event
    def keep(self, word: str):
        self.session["word"] = word

    @rx.event
    def count(self):
        self.total = User.objects.filter(email="secret-parameter").count()

    @rx.event
    async def count_async(self):
        await asyncio.sleep(0)
        self.total = await Group.objects.acount()

    @rx.event
    def one_by_one(self):
        for number in range(5):
            self.total += Group.objects.filter(name=f"group {number}").count()
            self.lines = [*self.lines, f"line {number}"]
            yield

    @rx.event
    def raw(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT 'secret-literal', 4242424242, \"secret-quoted\" -- secret-note")

    @rx.event
    def wrong_sql(self):
        with connection.cursor() as cursor:
            cursor.execute("SELECT nothing FROM nowhere WHERE name = 'secret-literal'")

    @rx.event
    def fail(self, secret: str = ""):
        raise LookupError(f"{secret} secret-message")

    @rx.event
    def deny(self):
        raise PermissionDenied("secret-message")

    @rx.event
    async def sign_in(self, username: str):
        await alogin(self.request, await User.objects.aget(username=username))

    @rx.event
    def chain(self, levels: int = 1):
        self.total += 1
        return Orders.chain(levels - 1) if levels else None

    @rx.event
    async def linger(self):
        await asyncio.sleep(30)

    @rx.event(background=True)
    async def task(self):
        async with self:
            self.total += 1


def bridge(trace: EventTrace, *middleware: Any, **options: Any) -> EventBridge:
    runner = TracedRunner(trace, middleware or MIDDLEWARE, **options)
    return EventBridge(connections, runner=runner)


app.add_page(lambda: rx.text(Orders.total), route="/reset/[key]")
