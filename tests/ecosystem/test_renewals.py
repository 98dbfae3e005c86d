"""Packages that set one cookie again and again, to expire later each time."""

import asyncio
import math
import time
from collections.abc import Iterable
from contextlib import ExitStack
from http.cookies import Morsel, SimpleCookie

import httpx
import pytest
import reflex as rx
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from rxbridge.asgi import ConnectionRegistry, CookieHandoff
from rxbridge.asgi.cookies import TICKET_HEADER
from rxbridge.events import EventBridge, MiddlewareRunner, Revalidator
from rxbridge.events.chain.identity import known_user
from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.pieces import Piece, Work
from tests.ecosystem.site import _app
from tests.ecosystem.visitors import package

pytestmark = pytest.mark.django_db(transaction=True)


class Till(AppState, rx.State):
    @rx.event
    def do(self, key: str):
        Piece.asked[key](self.request)


class Noted(CookieHandoff):
    """Notes the ticket that a page is told of."""

    told: str | None = None

    def request(self, ticket):
        self.told = ticket
        return super().request(ticket)


class Cookies:
    """What a browser holds: each cookie with the time at which it expires."""

    def __init__(self, clock: list[float]) -> None:
        self._clock = clock
        self._held: dict[str, tuple[str, float]] = {}

    def take(self, set_cookies: Iterable[Morsel]) -> None:
        for each in set_cookies:
            age = each["max-age"]
            expires = math.inf if age == "" else self._clock[0] + int(age)
            self._held[each.key] = each.coded_value, expires

    def expiry(self, name: str) -> float:
        return self._held[name][1] if name in self._held else 0

    def header(self) -> str:
        live = {
            name: raw for name, (raw, expires) in self._held.items() if expires > self._clock[0]
        }
        return "; ".join(f"{name}={raw}" for name, raw in live.items())


class Clicks:
    """Two browsers of a user: in one a click is a request of a view, in the other an event."""

    def __init__(self, user: User, clock: list[float], stack: ExitStack) -> None:
        self.of_view, self.of_tab = Cookies(clock), Cookies(clock)
        self.handed_off: list[float] = []
        self._clock = clock
        self._client = Client()
        self._client.force_login(user)
        connections = ConnectionRegistry()
        self._handoff = Noted(connections)
        self.identity = Revalidator(interval=3600)
        runner = MiddlewareRunner(identity=self.identity)
        _app._middlewares = [EventBridge(connections, runner=runner, handoff=self._handoff)]
        self.tab = stack.enter_context(EventClient(_app, user=user))
        held = SimpleCookie(self.tab.cookies)
        held.load(self.tab.connection.browser)
        self.of_tab.take(held.values())

    def view(self, work: Work):
        piece = Piece(work)
        with piece.named() as key:
            answer = self._client.post("/", headers={"X-Piece": key})
        self.of_view.take(answer.cookies.values())
        return piece.value

    def event(self, work: Work):
        piece = Piece(work)
        with piece.named() as key:
            self.tab.fire(Till.do, key=key)
        if self._handoff.told is not None:
            self.handed_off.append(self._clock[0])
            asyncio.run(self._redeem())
        return piece.value

    async def _redeem(self) -> None:
        """Do what the page does with its ticket."""
        transport = httpx.ASGITransport(self._handoff)
        headers = {TICKET_HEADER: self._handoff.told, "origin": "http://testserver"}
        self._handoff.told = None
        for method in ("POST", "PUT"):
            async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as page:
                cookie = {"cookie": self.of_tab.header()}
                answer = await page.request(method, "/", headers=headers | cookie)
                assert answer.status_code == 204
            for each in answer.headers.get_list("set-cookie"):
                self.of_tab.take(SimpleCookie(each).values())


@pytest.fixture
def clock(monkeypatch):
    clock = [time.time()]
    monkeypatch.setattr("time.time", lambda: clock[0])
    return clock


@pytest.fixture
def clicks(clock, packages_settings):
    user = User.objects.create_user("ada", last_login=timezone.now())
    with ExitStack() as stack:
        yield Clicks(user, clock, stack)


def name(request):
    return request.user.get_username()


def click_for_five_minutes(clicks: Clicks, clock: list[float], cookie: str) -> list[float]:
    """Click every five seconds; return by how much the tab's ``cookie`` then expires too early."""
    early = []
    for _ in range(60):
        assert (clicks.view(name), clicks.event(name)) == ("ada", "ada")
        early.append(clicks.of_view.expiry(cookie) - clicks.of_tab.expiry(cookie))
        clock[0] += 5
    return early


PINNING = "multidb.middleware.PinningRouterMiddleware"


@package("django-multidb-router", PINNING)
def test_pin_of_seconds(clicks: Clicks, clock: list[float]):
    """a pin of 15 seconds is handed off when half of them are over"""
    early = click_for_five_minutes(clicks, clock, "multidb_pin_writes")
    assert (min(early), max(early)) == (0, 5)
    assert len(clicks.handed_off) == 30


@package("django-multidb-router", PINNING, MULTIDB_PINNING_SECONDS=600)
def test_pin_of_minutes(clicks: Clicks, clock: list[float]):
    """one of ten minutes once a minute, and the user is not looked up again"""
    early = click_for_five_minutes(clicks, clock, "multidb_pin_writes")
    assert (min(early), max(early)) == (0, 55)
    assert len(clicks.handed_off) == 5
    users = [clicks.event(known_user) for _ in range(3)]
    assert len({id(user) for user in users}) == 1


@package("django-session-security", "session_security.middleware.SessionSecurityMiddleware")
def test_session_security(clicks: Clicks, clock: list[float]):
    """the session's cookie is handed off once a minute, and at once when the session is over"""
    check_session(clicks, clock, _session_security="2000-01-01T00:00:00.000000")


@package("django-auto-logout", "django_auto_logout.middleware.auto_logout")
def test_auto_logout(clicks: Clicks, clock: list[float]):
    """with `IDLE_TIME` the same; its cookie is handed off once a minute, and at once then"""
    check_session(clicks, clock, django_auto_logout_last_request="2000-01-01T00:00:00+00:00")


def check_session(clicks: Clicks, clock: list[float], **last_click: str) -> None:
    early = click_for_five_minutes(clicks, clock, "sessionid")
    assert (min(early), max(early)) == (0, 55)
    assert len(clicks.handed_off) == 5
    for ask in (clicks.view, clicks.event):
        ask(lambda request: request.session.update(last_click))
        assert ask(name) == ""
    assert clicks.of_view.expiry("sessionid") <= clock[0]
    assert clicks.of_tab.expiry("sessionid") <= clock[0]
    assert len(clicks.handed_off) == 7
