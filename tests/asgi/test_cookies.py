"""CookieHandoff: who gets the cookies of a ticket, how often, and what becomes of the jar."""

import asyncio
import contextlib
import functools
import gc
import json
import logging
import math
import os
import secrets
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextvars import Context
from http import HTTPStatus
from typing import Any

import httpx
import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from django.core.cache import CacheHandler
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.core.management import call_command
from django.db import connections
from django.http import HttpResponse
from django.utils.connection import ConnectionProxy
from playwright.async_api import Browser, BrowserContext, Page, Route, async_playwright
from websockets.asyncio.client import ClientConnection, connect

from rxbridge.asgi._types import Message, Receive, Scope, Send
from rxbridge.asgi.connections import MAX_COOKIES, MAX_HEADER_BYTES, Connection, ConnectionRegistry
from rxbridge.asgi.cookies import CacheTickets, CookieHandoff, MemoryTickets, TicketStore
from rxbridge.asgi.prefix_router import PrefixRouter
from tests.browser.conftest import CHROMIUM, QUIET
from tests.servers import KINDS, Kind, Server, free_port, run_server

Headers = list[tuple[bytes, bytes]]
Servers = Callable[..., Server]

LOGIN = {"sessionid": "sessionid=new; HttpOnly; Path=/; SameSite=Lax"}
SAME_ORIGIN = [(b"origin", b"https://shop.example"), (b"sec-fetch-site", b"same-origin")]


class Answer:
    """What the handoff answered to one request."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def cookies(self) -> list[str]:
        return [value.decode() for name, value in self.sent[0]["headers"] if name == b"set-cookie"]


async def ask(
    handoff: CookieHandoff,
    method: str,
    ticket: str | None,
    cookies: str | None,
    headers: Headers = SAME_ORIGIN,
) -> Answer:
    """Send the request that a page would; ``cookies`` is the browser's ``Cookie`` header."""
    sent = [(b"host", b"shop.example"), *headers]
    if ticket is not None:
        sent.append((b"x-rxbridge-ticket", ticket.encode("latin-1")))
    if cookies is not None:
        sent.append((b"cookie", cookies.encode()))
    answer = Answer()

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": method, "path": "/_cookies", "headers": sent}
    await handoff(scope, receive, answer.send)
    return answer


async def view_answer(registry: ConnectionRegistry, shown: str, cookie: str) -> None:
    """Have a view behind ``identify_browsers`` set a cookie in the browser that shows ``shown``."""

    async def view(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"set-cookie", cookie.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    scope = {"type": "http", "path": "/", "headers": [(b"cookie", shown.encode())]}
    await registry.identify_browsers(view)(scope, _nothing, Answer().send)


async def issued(handoff: CookieHandoff, connection: Connection) -> tuple[str, str]:
    """A ticket for a login, and the cookie of the browser it is for."""
    ticket = await handoff.issue(connection, LOGIN)
    assert ticket is not None
    assert connection.browser is not None
    return ticket, connection.browser


@pytest.fixture
def registry() -> ConnectionRegistry:
    return ConnectionRegistry()


@pytest.fixture
def connection(registry: ConnectionRegistry) -> Iterator[Connection]:
    with registry.open(scheme="wss", cookies={"lang": "de"}) as connection:
        yield connection


@pytest.fixture
def handoff(registry: ConnectionRegistry) -> CookieHandoff:
    return CookieHandoff(registry)


async def test_socket_that_shows_many_browser_cookies_costs_the_store_no_more_than_a_few() -> None:
    class Counting(MemoryTickets):
        asked = 0

        async def get(self, key: str) -> str | None:
            self.asked += 1
            return await super().get(key)

        async def delete(self, key: str) -> bool:
            self.asked += 1
            return await super().delete(key)

    registry, store = ConnectionRegistry(), Counting()
    shown = "; ".join(f"rxbridge_browser_{number:03}={'v' * 32}" for number in range(MAX_COOKIES))
    with registry.open(headers=[(b"cookie", shown.encode())]) as connection:
        handoff = CookieHandoff(registry, tickets=store)
        assert not await handoff.resume(connection, "tab")
        assert not await handoff.has_lost(connection, "tab")
    assert store.asked <= 30


class TestRedeeming:
    async def test_every_attribute_of_every_cookie_arrives(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        response = HttpResponse()
        response.set_cookie(
            "sessionid",
            "abc",
            max_age=60,
            path="/shop",
            domain="example.com",
            secure=True,
            httponly=True,
            samesite="Strict",
        )
        response.set_cookie("messages", 'a "quoted", value;', samesite="Lax")
        response.set_signed_cookie("cart", "1,2", secure=True, samesite="None")
        response.delete_cookie("csrftoken")
        cookies = {name: morsel.OutputString() for name, morsel in response.cookies.items()}
        ticket = await handoff.issue(connection, cookies)
        answer = await ask(handoff, "POST", ticket, connection.browser)
        assert answer.status == 204
        assert answer.cookies == list(cookies.values())
        session, _, _, deleted = answer.cookies
        for attribute in (
            "Domain=example.com",
            "HttpOnly",
            "Max-Age=60",
            "Path=/shop",
            "SameSite=Strict",
            "Secure",
            "expires=",
        ):
            assert attribute in session
        assert "Max-Age=0" in deleted
        assert (b"cache-control", b"no-store") in answer.sent[0]["headers"]

    async def test_a_ticket_is_good_once(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        answers = [await ask(handoff, "POST", ticket, browser) for _ in range(3)]
        assert [answer.status for answer in answers] == [204, 403, 403]
        assert [answer.cookies for answer in answers[1:]] == [[], []]

    async def test_a_ticket_expires(
        self, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        handoff = CookieHandoff(registry, lifetime=0.05)
        ticket, browser = await issued(handoff, connection)
        await asyncio.sleep(0.1)
        assert (await ask(handoff, "POST", ticket, browser)).status == 403

    async def test_the_receipt_expires(
        self, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        handoff = CookieHandoff(registry, lifetime=0.05)
        ticket, browser = await issued(handoff, connection)
        assert (await ask(handoff, "POST", ticket, browser)).status == 204
        await asyncio.sleep(0.1)
        assert (await ask(handoff, "PUT", ticket, browser)).status == 403

    @pytest.mark.parametrize("method", ["POST", "PUT"])
    @pytest.mark.parametrize(
        "cookies",
        [
            None,
            "",
            "sessionid=x",
            "{name}=",
            "{name}={other}",
            "rxbridge_browser_00000000={value}",
            "{name}2={value}",
            "{name}={value}x",
            "{value}",
        ],
    )
    async def test_another_browser_is_refused_and_does_not_spend_the_ticket(
        self, handoff: CookieHandoff, connection: Connection, method: str, cookies: str | None
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        name, _, value = browser.partition("=")
        if method == "PUT":
            await ask(handoff, "POST", ticket, browser)
        if cookies is not None:
            cookies = cookies.format(name=name, value=value, other=secrets.token_urlsafe(24))
        answer = await ask(handoff, method, ticket, cookies)
        assert (answer.status, answer.cookies) == (403, [])
        assert dict(connection.cookies) == {"lang": "de"}
        assert (await ask(handoff, method, ticket, f"a=b; {browser}; c=d")).status == 204

    async def test_a_browser_that_never_got_its_cookie_is_told_of_in_the_log(
        self,
        handoff: CookieHandoff,
        connection: Connection,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        await ask(handoff, "POST", secrets.token_urlsafe(32), None)
        assert not caplog.records
        await ask(handoff, "POST", ticket, "sessionid=x")
        assert "identify_browsers()" in caplog.text
        assert "browser_cookie_samesite='None'" in caplog.text
        assert ticket not in caplog.text
        assert browser not in caplog.text

    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [(b"sec-fetch-site", b"same-origin")],
            [(b"origin", b"null"), (b"sec-fetch-site", b"same-origin")],
            [(b"origin", b"null")],
            [(b"origin", b"https://shop.example"), (b"sec-fetch-site", b"cross-site")],
            [(b"origin", b"https://shop.example"), (b"sec-fetch-site", b"same-site")],
            [(b"origin", b"https://shop.example"), (b"sec-fetch-site", b"none")],
            [(b"origin", b"https://shop.example"), (b"sec-fetch-site", b"")],
            [*SAME_ORIGIN, (b"sec-fetch-site", b"same-origin")],
            [*SAME_ORIGIN, (b"origin", b"https://shop.example")],
            [*SAME_ORIGIN, (b"host", b"shop.example")],
            [(b"origin", b"https://evil.example")],
            [(b"origin", b"https://shop.example.evil.example")],
            [(b"origin", b"https://evilshop.example")],
            [(b"origin", b"https://api.shop.example")],
            [(b"origin", b"https://shop.example:8443")],
            [(b"origin", b"https://shop.example:80")],
            [(b"origin", b"https://shop.example@evil.example")],
            [(b"origin", b"https://shop.example/")],
            [(b"origin", b"https://")],
            [(b"origin", b"https:shop.example")],
            [(b"origin", b"shop.example")],
            [(b"origin", b"://shop.example")],
            [(b"origin", b"file://shop.example")],
            [(b"origin", b"chrome-extension://shop.example")],
            [(b"origin", b"https://[::1")],
            [(b"origin", b"https://[bad]")],
            [(b"origin", b"https://shop.example:port")],
            [(b"origin", b"https://shop\xe9.example")],
            [(b"origin", b"")],
        ],
    )
    async def test_any_other_origin_is_refused(
        self, handoff: CookieHandoff, connection: Connection, headers: Headers
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        answer = await ask(handoff, "POST", ticket, browser, headers)
        assert (answer.status, answer.cookies) == (403, [])
        assert (await ask(handoff, "POST", ticket, browser)).status == 204

    @pytest.mark.parametrize(
        ("host", "origin"),
        [
            (b"shop.example", b"https://shop.example"),
            (b"shop.example", b"http://shop.example"),
            (b"Shop.Example", b"HTTPS://SHOP.example"),
            (b"shop.example:443", b"https://shop.example"),
            (b"shop.example", b"https://shop.example:443"),
            (b"shop.example:80", b"http://shop.example"),
            (b"localhost:8000", b"http://localhost:8000"),
            (b"[::1]:8000", b"http://[::1]:8000"),
            (b"[::1]", b"http://[::1]:80"),
        ],
    )
    async def test_without_sec_fetch_site_origin_and_host_are_compared(
        self, handoff: CookieHandoff, connection: Connection, host: bytes, origin: bytes
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        answer = Answer()
        headers = [
            (b"Host", host),
            (b"Origin", origin),
            (b"Cookie", browser.encode()),
            (b"X-RxBridge-Ticket", ticket.encode()),
        ]
        scope = {"type": "http", "method": "POST", "path": "/_cookies", "headers": headers}
        await handoff(scope, _nothing, answer.send)
        assert answer.status == 204

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "PATCH", "post"])
    async def test_other_methods_are_refused_and_spend_nothing(
        self, handoff: CookieHandoff, connection: Connection, method: str
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        answer = await ask(handoff, method, ticket, browser)
        assert (answer.status, answer.cookies) == (403, [])
        assert (await ask(handoff, "POST", ticket, browser)).status == 204

    async def test_all_refusals_are_the_same(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        unknown = secrets.token_urlsafe(32)
        refusals = [
            await ask(handoff, "POST", unknown, browser),
            await ask(handoff, "PUT", unknown, browser),
            await ask(handoff, "PUT", ticket, browser),
            await ask(handoff, "POST", ticket, "other=browser"),
            await ask(handoff, "POST", ticket, browser, [(b"origin", b"https://evil.example")]),
            await ask(handoff, "POST", None, browser),
            await ask(handoff, "GET", ticket, browser),
        ]
        await ask(handoff, "POST", ticket, browser)
        refusals.append(await ask(handoff, "POST", ticket, browser))
        assert all(refusal.sent == refusals[0].sent for refusal in refusals)
        assert refusals[0].status == 403

    @pytest.mark.parametrize(
        "change",
        [
            lambda ticket: ticket[:-1],
            lambda ticket: ticket + "A",
            lambda ticket: ticket[1:],
            lambda ticket: ticket[:-1] + ("A" if ticket[-1] != "A" else "B"),
            lambda ticket: ticket.swapcase(),
            lambda ticket: " " + ticket[1:],
            lambda ticket: "redeemed:" + ticket[9:],
            lambda _: "",
            lambda _: "\xff" * 43,
            lambda _: "x" * 100_000,
            lambda _: None,
        ],
    )
    @pytest.mark.parametrize("method", ["POST", "PUT"])
    async def test_damaged_tickets_are_refused(
        self,
        handoff: CookieHandoff,
        connection: Connection,
        method: str,
        change: Callable[[str], str | None],
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        answer = await ask(handoff, method, change(ticket), browser)
        assert (answer.status, answer.cookies) == (403, [])

    async def test_ten_thousand_guesses_find_nothing(self, registry: ConnectionRegistry) -> None:
        store = MemoryTickets()
        handoff = CookieHandoff(registry, tickets=store)
        with contextlib.ExitStack() as stack:
            visitors = [stack.enter_context(registry.open()) for _ in range(100)]
            for visitor in visitors:
                await handoff.issue(visitor, LOGIN)
            shown = "; ".join(str(visitor.browser) for visitor in visitors[:20])
            for _ in range(5_000):
                for method in ("POST", "PUT"):
                    answer = await ask(handoff, method, secrets.token_urlsafe(32), shown)
                    assert (answer.status, answer.cookies) == (403, [])
        assert len(store) == 100

    async def test_two_tickets_in_one_request_are_refused(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        twice = [*SAME_ORIGIN, (b"x-rxbridge-ticket", ticket.encode())]
        assert (await ask(handoff, "POST", ticket, browser, twice)).status == 403

    async def test_oversized_requests_are_refused(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        many = "; ".join(f"c{number}=x" for number in range(MAX_COOKIES))
        large = f"{browser}; a={'x' * MAX_HEADER_BYTES}"
        for cookies in (f"{many}; {browser}", large):
            assert (await ask(handoff, "POST", ticket, cookies)).status == 403

    async def test_a_websocket_is_refused(self, handoff: CookieHandoff) -> None:
        answer = Answer()
        events = iter(["websocket.connect", "websocket.disconnect"])

        async def receive() -> Message:
            return {"type": next(events)}

        await handoff({"type": "websocket", "headers": []}, receive, answer.send)
        assert answer.sent == [{"type": "websocket.close"}]


class TestConfirming:
    async def test_the_jar_becomes_what_the_browser_holds(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        connection.set_cookie("sessionid", "new")
        await ask(handoff, "POST", ticket, browser)
        assert dict(connection.cookies) == {"lang": "de", "sessionid": "new"}
        answer = await ask(handoff, "PUT", ticket, f"{browser}; sessionid=new; theme=dark")
        assert (answer.status, answer.cookies) == (204, [])
        assert dict(connection.cookies) == {"sessionid": "new", "theme": "dark"}
        assert not connection.closed

    async def test_a_browser_that_keeps_no_cookie_is_not_signed_in(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        connection.set_cookie("sessionid", "new")
        await ask(handoff, "POST", ticket, browser)
        await ask(handoff, "PUT", ticket, browser)
        assert dict(connection.cookies) == {}

    async def test_before_it_is_redeemed_it_cannot_be_confirmed(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        assert (await ask(handoff, "PUT", ticket, f"{browser}; a=b")).status == 403
        assert dict(connection.cookies) == {"lang": "de"}
        assert (await ask(handoff, "POST", ticket, browser)).status == 204

    async def test_a_replayed_receipt_changes_nothing(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        ticket, browser = await issued(handoff, connection)
        await ask(handoff, "POST", ticket, browser)
        await ask(handoff, "PUT", ticket, f"{browser}; sessionid=new")
        replay = await ask(handoff, "PUT", ticket, f"{browser}; sessionid=old")
        assert replay.status == 403
        assert dict(connection.cookies) == {"sessionid": "new"}

    async def test_socket_may_be_closed_once_it_is_confirmed(
        self, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        handoff = CookieHandoff(registry, on_confirmed=lambda tab, _: tab.close())
        ticket, browser = await issued(handoff, connection)
        await ask(handoff, "POST", ticket, browser)
        assert not connection.closed
        await ask(handoff, "PUT", ticket, browser)
        assert connection.closed

    async def test_whoever_asked_is_told_once_and_with_the_new_jar(
        self, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        told: list[tuple[Connection, dict[str, str], set[str]]] = []

        def on_confirmed(connection: Connection, browsers: Iterable[str]) -> None:
            told.append((connection, dict(connection.cookies), set(browsers)))

        handoff = CookieHandoff(registry, on_confirmed=on_confirmed)
        ticket, browser = await issued(handoff, connection)
        other = "__Host-rxbridge_browser_1=" + "v" * 32
        await ask(handoff, "POST", ticket, browser)
        assert told == []
        for _ in range(2):
            await ask(handoff, "PUT", ticket, f"{browser}; {other}; a=b")
        assert told == [(connection, {"a": "b"}, {browser, other})]

    async def test_the_browsers_other_sockets_follow_and_no_one_elses(
        self, handoff: CookieHandoff, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        same = [(b"cookie", str(connection.browser).encode())]
        with (
            registry.open(headers=same) as second,
            registry.open(headers=same) as busy,
            registry.open() as stranger,
        ):
            busy.set_cookie("own", "1")
            await handoff.issue(busy, {"own": "own=1"})
            ticket, browser = await issued(handoff, connection)
            await ask(handoff, "POST", ticket, browser)
            await ask(handoff, "PUT", ticket, f"{browser}; sessionid=new")
            assert second.closed
            assert dict(second.cookies) == {}
            assert dict(busy.cookies) == {"own": "1"}
            assert dict(stranger.cookies) == {}
            assert not any(each.closed for each in (connection, busy, stranger))

    async def test_a_tab_whose_socket_was_replaced_meanwhile_follows(
        self, handoff: CookieHandoff, registry: ConnectionRegistry
    ) -> None:
        with registry.open() as lost:
            ticket, browser = await issued(handoff, lost)
        with registry.open(headers=[(b"cookie", browser.encode())]) as fresh:
            await ask(handoff, "POST", ticket, browser)
            await ask(handoff, "PUT", ticket, f"{browser}; sessionid=new")
            assert fresh.closed

    @pytest.mark.parametrize("value", ["new", "old"])
    async def test_a_socket_that_has_a_cookie_of_that_name_stays_as_it_is(
        self,
        handoff: CookieHandoff,
        registry: ConnectionRegistry,
        connection: Connection,
        value: str,
    ) -> None:
        shown = f"{connection.browser}; sessionid={value}"
        with registry.open(headers=[(b"cookie", shown.encode())]) as second:
            ticket, browser = await issued(handoff, connection)
            await ask(handoff, "POST", ticket, browser)
            await ask(handoff, "PUT", ticket, f"{browser}; sessionid=new")
            assert not second.closed
            assert dict(second.cookies) == {"sessionid": value}

    async def test_who_used_the_browser_before_is_not_given_the_next_ones_session(
        self, handoff: CookieHandoff, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        noted = [(b"cookie", f"{connection.browser}; sessionid=left".encode())]
        with registry.open(headers=noted) as former, registry.open(headers=noted[:1]) as again:
            again.delete_cookie("sessionid")
            ticket, browser = await issued(handoff, connection)
            await ask(handoff, "POST", ticket, browser)
            await ask(handoff, "PUT", ticket, f"{browser}; sessionid=new; csrftoken=new")
            assert dict(former.cookies) == dict(former.held) == {"sessionid": "left"}
            assert dict(again.cookies) == {}

    async def test_what_the_browser_has_no_more_is_gone_from_its_other_jars_at_once(
        self, handoff: CookieHandoff, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        held = f"{connection.browser}; sessionid=old"
        with registry.open(headers=[(b"cookie", held.encode())]) as second:
            logout = {"sessionid": "sessionid=; Max-Age=0; Path=/"}
            ticket = await handoff.issue(connection, logout, {"sessionid": ["old"]})
            assert (await ask(handoff, "POST", ticket, held)).cookies == list(logout.values())
            await ask(handoff, "PUT", ticket, connection.browser)
            assert dict(second.cookies) == {}

    @pytest.mark.parametrize("value", ["of-a-view", None])
    async def test_what_a_view_sets_while_the_store_is_asked_stays(
        self, registry: ConnectionRegistry, connection: Connection, value: str | None
    ) -> None:
        class Slow(MemoryTickets):
            async def delete(self, key: str) -> bool:
                if key.startswith("redeemed:"):
                    connection.follow([("sessionid", value, "/")])
                return await super().delete(key)

        handoff = CookieHandoff(registry, tickets=Slow())
        ticket, browser = await issued(handoff, connection)
        connection.set_cookie("sessionid", "new")
        await ask(handoff, "POST", ticket, browser)
        await ask(handoff, "PUT", ticket, f"{browser}; sessionid=new; theme=dark")
        expected = {"theme": "dark"} | ({} if value is None else {"sessionid": value})
        assert dict(connection.cookies) == expected


class TestWhatABrowserGotElsewhere:
    """A hand-off sets no cookie of which the browser has got another value meanwhile."""

    @pytest.mark.parametrize("cookie", ["sessionid=new; Path=/", "sessionid=; Path=/; Max-Age=0"])
    @pytest.mark.parametrize(
        ("handshake", "browser", "is_kept"),
        [
            ({}, "", False),
            ({}, "sessionid=other", True),
            ({"sessionid": "old"}, "sessionid=old", False),
            ({"sessionid": "old"}, "sessionid=other", True),
            ({"sessionid": "old", "lang": "de"}, "sessionid=old; lang=fr; tz=UTC", False),
        ],
    )
    async def test_it_keeps(
        self,
        handoff: CookieHandoff,
        registry: ConnectionRegistry,
        caplog: pytest.LogCaptureFixture,
        cookie: str,
        handshake: dict[str, str],
        browser: str,
        is_kept: bool,
    ) -> None:
        with registry.open(cookies=handshake) as connection:
            connection.set_cookie("sessionid", "new")
            ticket = await handoff.issue(connection, {"sessionid": cookie, "a": "a=1"})
            answer = await ask(handoff, "POST", ticket, f"{connection.browser}; {browser}")
            assert answer.cookies == (["a=1"] if is_kept else [cookie, "a=1"])
            assert connection.cookies["sessionid"] == ("other" if is_kept else "new")
            assert ("Not set" in caplog.text) is is_kept
            assert "other" not in caplog.text.replace("another", "")
            shown = f"{connection.browser}; {browser or 'sessionid=new'}"
            assert (await ask(handoff, "PUT", ticket, shown)).status == 204
            assert connection.closed is is_kept
            assert f"sessionid={connection.cookies['sessionid']}" in shown

    async def test_what_a_browser_lost_elsewhere_does_not_come_back(
        self, handoff: CookieHandoff, registry: ConnectionRegistry
    ) -> None:
        with registry.open(cookies={"sessionid": "old"}) as connection:
            ticket = await handoff.issue(connection, {"sessionid": "sessionid=old; Max-Age=60"})
            assert (await ask(handoff, "POST", ticket, connection.browser)).cookies == []
            assert dict(connection.cookies) == {}

    async def test_what_it_has_set_itself_and_not_heard_of_yet_is_no_obstacle(
        self, handoff: CookieHandoff, registry: ConnectionRegistry
    ) -> None:
        with registry.open(cookies={"sessionid": "old"}) as connection:
            for number in range(100):
                cookie = f"sessionid=s{number}"
                ticket = await handoff.issue(connection, {"sessionid": cookie})
                connection.set_cookie("sessionid", f"s{number}")
                if number in (0, 25, 99):
                    before = {0: "old", 25: "s0", 99: "old"}[number]
                    shown = f"{connection.browser}; sessionid={before}"
                    answer = await ask(handoff, "POST", ticket, shown)
                    assert answer.cookies == [cookie]

    async def test_of_an_earlier_event_is_not_offered_over_it_again(
        self, handoff: CookieHandoff, registry: ConnectionRegistry
    ) -> None:
        with registry.open() as connection:
            await handoff.issue(connection, {"sessionid": "sessionid=begun"})
            connection.follow([("sessionid", "of-a-view", "/")])
            ticket = await handoff.issue(connection, {"a": "a=1"})
            shown = f"{connection.browser}; sessionid=of-a-view"
            assert (await ask(handoff, "POST", ticket, shown)).cookies == ["a=1"]

    async def test_a_login_that_begins_with_it_replaces_it(
        self, handoff: CookieHandoff, registry: ConnectionRegistry
    ) -> None:
        with registry.open() as connection:
            await handoff.issue(connection, {"sessionid": "sessionid=begun"})
            connection.follow([("sessionid", "of-a-view", "/")])
            ticket = await handoff.issue(connection, LOGIN)
            shown = f"{connection.browser}; sessionid=of-a-view"
            assert (await ask(handoff, "POST", ticket, shown)).cookies == list(LOGIN.values())

    async def test_while_a_long_event_ran_counts(
        self, handoff: CookieHandoff, registry: ConnectionRegistry
    ) -> None:
        with registry.open(cookies={"sessionid": "old"}) as connection:
            connection.follow([("sessionid", "of-a-view", "/")])
            ticket = await handoff.issue(connection, LOGIN, {"sessionid": ["old"]})
            shown = f"{connection.browser}; sessionid=of-a-view"
            assert (await ask(handoff, "POST", ticket, shown)).cookies == []

    @pytest.mark.parametrize(
        ("handshake", "browser", "told"),
        [
            ({}, "sessionid=other", [("sessionid", "new", "other")]),
            ({}, "", []),
            ({"sessionid": "old"}, "sessionid=old", []),
            ({"sessionid": "old"}, "sessionid=other", []),
            ({"sessionid": "old"}, "", []),
        ],
    )
    async def test_a_conflict_is_told_of_what_an_event_began_where_the_browser_had_none(
        self,
        registry: ConnectionRegistry,
        handshake: dict[str, str],
        browser: str,
        told: list[tuple[str, str, str]],
    ) -> None:
        heard: list[tuple[str, str, str]] = []

        async def hear(name: str, begun: str, kept: str) -> None:
            heard.append((name, begun, kept))

        handoff = CookieHandoff(registry, on_conflict=hear)
        with registry.open(cookies=handshake) as connection:
            ticket = await handoff.issue(connection, LOGIN)
            await ask(handoff, "POST", ticket, f"{connection.browser}; {browser}")
        assert heard == told


class TestRenewing:
    """A cookie whose expiry alone has moved, as with SESSION_SAVE_EVERY_REQUEST."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        clock = [time.time()]
        monkeypatch.setattr("time.time", lambda: clock[0])
        return clock

    async def take(
        self, handoff: CookieHandoff, connection: Connection, cookie: str, held: str
    ) -> bool:
        """Do what an event that sets ``cookie`` and its page do; tell whether it was handed off."""
        name, _, value = cookie.partition(";")[0].partition("=")
        ticket = await handoff.issue(connection, {name: cookie})
        connection.set_cookie(name, value)
        if ticket is None:
            return False
        answer = await ask(handoff, "POST", ticket, f"{connection.browser}; {held}")
        assert answer.cookies == [cookie]
        shown = f"{connection.browser}; {name}={value}"
        assert (await ask(handoff, "PUT", ticket, shown)).status == 204
        return True

    async def test_is_handed_off_once_a_minute_and_never_expires_earlier_by_more(
        self, handoff: CookieHandoff, registry: ConnectionRegistry, clock: list[float]
    ) -> None:
        taken: list[float] = []
        with registry.open(cookies={"sessionid": "s"}) as connection:
            for _ in range(60):
                if await self.take(handoff, connection, "sessionid=s; Max-Age=600", "sessionid=s"):
                    taken.append(clock[0])
                assert clock[0] + 600 - (taken[-1] + 600) < 60
                clock[0] += 5
        assert len(taken) == 5

    @pytest.mark.parametrize(
        "cookie",
        [
            "sessionid=t; Max-Age=600",
            "sessionid=s; Max-Age=60",
            "sessionid=s; Max-Age=1209600",
            "sessionid=s",
            "sessionid=s; Max-Age=600; Secure",
            "sessionid=s; Max-Age=600; Path=/shop",
        ],
    )
    async def test_anything_else_that_changed_is_handed_off_at_once(
        self, handoff: CookieHandoff, registry: ConnectionRegistry, cookie: str
    ) -> None:
        with registry.open(cookies={"sessionid": "s"}) as connection:
            before = "sessionid=s; Max-Age=600; Path=/"
            assert await self.take(handoff, connection, before, "sessionid=s")
            assert not await self.take(handoff, connection, before, "sessionid=s")
            assert await self.take(handoff, connection, cookie, "sessionid=s")

    async def test_what_the_browser_was_given_in_between_is_no_renewal(
        self, handoff: CookieHandoff, registry: ConnectionRegistry
    ) -> None:
        with registry.open(cookies={"sessionid": "s"}) as connection:
            assert await self.take(handoff, connection, "sessionid=s; Max-Age=600", "sessionid=s")
            connection.follow([("sessionid", "t", "/")])
            assert await self.take(handoff, connection, "sessionid=s; Max-Age=600", "sessionid=t")

    async def test_one_that_has_expired_is_given_again_to_a_browser_without_it(
        self, handoff: CookieHandoff, registry: ConnectionRegistry, clock: list[float]
    ) -> None:
        with registry.open() as connection:
            assert await self.take(handoff, connection, "pinned=y; Max-Age=15", "")
            clock[0] += 5
            assert not await self.take(handoff, connection, "pinned=y; Max-Age=15", "pinned=y")
            clock[0] += 15
            assert await self.take(handoff, connection, "pinned=y; Max-Age=15", "")

    async def test_one_that_lasts_less_than_two_minutes_is_given_again_at_half_its_age(
        self, handoff: CookieHandoff, registry: ConnectionRegistry, clock: list[float]
    ) -> None:
        with registry.open() as connection:
            assert await self.take(handoff, connection, "pinned=y; Max-Age=30", "")
            clock[0] += 14
            assert not await self.take(handoff, connection, "pinned=y; Max-Age=30", "pinned=y")
            clock[0] += 1
            assert await self.take(handoff, connection, "pinned=y; Max-Age=30", "pinned=y")

    async def test_an_unredeemed_one_is_offered_again(
        self, handoff: CookieHandoff, registry: ConnectionRegistry
    ) -> None:
        handoff.lifetime = 0.05
        with registry.open(cookies={"sessionid": "s"}) as connection:
            cookies = {"sessionid": "sessionid=s; Max-Age=600"}
            assert await handoff.issue(connection, cookies) is not None
            assert await handoff.issue(connection, cookies) is None
            await asyncio.sleep(0.06)
            assert await handoff.issue(connection, cookies) is not None

    def test_seconds_are_not_negative(self, registry: ConnectionRegistry) -> None:
        with pytest.raises(ValueError, match="renew_every=-1"):
            CookieHandoff(registry, renew_every=-1)


class TestOffering:
    async def test_nothing_to_offer_is_no_ticket(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        assert await handoff.issue(connection, {}) is None
        assert not handoff.is_due(connection)

    async def test_a_newer_ticket_replaces_the_older_and_has_its_cookies(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        first = await handoff.issue(connection, {"a": "a=1", "b": "b=1"})
        second = await handoff.issue(connection, {"b": "b=2", "c": "c=2"})
        late = await ask(handoff, "POST", first, connection.browser)
        assert (late.status, late.cookies) == (204, [])
        assert (await ask(handoff, "PUT", first, connection.browser)).status == 204
        answer = await ask(handoff, "POST", second, connection.browser)
        assert answer.cookies == ["a=1", "b=2", "c=2"]

    async def test_an_emptied_ticket_is_good_once_and_for_its_browser_only(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        first = await handoff.issue(connection, {"a": "a=1"})
        await handoff.issue(connection, {"a": "a=2"})
        assert (await ask(handoff, "POST", first, "rxbridge_browser_x=" + "x" * 32)).status == 403
        assert (await ask(handoff, "POST", first, connection.browser)).status == 204
        assert (await ask(handoff, "POST", first, connection.browser)).status == 403

    async def test_of_the_tickets_a_connection_replaces_a_few_are_kept(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        tickets = [await handoff.issue(connection, {"a": f"a={each}"}) for each in range(12)]
        assert len(handoff.tickets) == 9
        answers = [await ask(handoff, "POST", each, connection.browser) for each in tickets]
        assert [answer.status for answer in answers] == [403] * 3 + [204] * 9

    async def test_a_receipt_that_comes_after_a_newer_ticket_does_not_count(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        first, browser = await issued(handoff, connection)
        await ask(handoff, "POST", first, browser)
        connection.set_cookie("sessionid", "second")
        second = await handoff.issue(connection, {"sessionid": "sessionid=second"})
        late = await ask(handoff, "PUT", first, f"{browser}; sessionid=new")
        assert late.status == 204
        assert dict(connection.cookies) == {"lang": "de", "sessionid": "second"}
        assert (await ask(handoff, "POST", second, browser)).cookies == ["sessionid=second"]

    async def test_cookies_of_a_lost_ticket_are_offered_again(
        self, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        handoff = CookieHandoff(registry, lifetime=0.05)
        await issued(handoff, connection)
        assert not handoff.is_due(connection)
        assert await handoff.issue(connection, {}) is None
        await asyncio.sleep(0.1)
        assert handoff.is_due(connection)
        again = await handoff.issue(connection, {})
        assert not handoff.is_due(connection)
        answer = await ask(handoff, "POST", again, connection.browser)
        assert answer.cookies == list(LOGIN.values())
        await ask(handoff, "PUT", again, connection.browser)
        await asyncio.sleep(0.1)
        assert not handoff.is_due(connection)

    @pytest.mark.parametrize(
        "cookie",
        [
            "a=b\r\nset-cookie: admin=1",
            "a=b\nx: y",
            "a=b\r",
            "a=b\x00",
            "a=b\x7f",
            "a=b\x85",
            "a=ü",
            "a=\u2028",
            "a=b; Path=/\r\n\r\n<script>",
            "a=" + "x" * MAX_HEADER_BYTES,
        ],
    )
    async def test_what_no_header_can_hold_is_an_error_and_sets_nothing(
        self, handoff: CookieHandoff, connection: Connection, cookie: str
    ) -> None:
        with pytest.raises(ValueError, match=r"cannot be a header|can be handed off") as error:
            await handoff.issue(connection, {"ok": "ok=1", "a": cookie})
        assert "admin" not in str(error.value)
        ticket = await handoff.issue(connection, {"later": "later=1"})
        answer = await ask(handoff, "POST", ticket, connection.browser)
        assert answer.cookies == ["later=1"]

    async def test_unconfirmed_cookies_do_not_grow_without_limit(
        self, handoff: CookieHandoff, connection: Connection
    ) -> None:
        for number in range(MAX_COOKIES):
            await handoff.issue(connection, {f"c{number}": f"c{number}=; Max-Age=0"})
        with pytest.raises(ValueError, match="can be handed off"):
            await handoff.issue(connection, {"more": "more=1"})

    async def test_a_request_without_a_known_browser_gets_no_ticket(
        self, handoff: CookieHandoff
    ) -> None:
        request = Connection({"type": "http", "path": "/_upload", "headers": []})
        assert await handoff.issue(request, LOGIN) is None

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"lifetime": 0}, "positive"),
            ({"lifetime": -1}, "positive"),
            ({"path": "_cookies"}, "/_cookies"),
            ({"path": "//evil.example"}, "/_cookies"),
            ({"path": ""}, "/_cookies"),
        ],
    )
    def test_wrong_options_are_an_error(
        self, registry: ConnectionRegistry, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            CookieHandoff(registry, **options)

    def test_a_registry_that_knows_no_browsers_is_an_error(self) -> None:
        with pytest.raises(ValueError, match="browser_cookie=True"):
            CookieHandoff(ConnectionRegistry(browser_cookie=False))


class TestAnotherSocketOfTheTab:
    """What its last socket has not confirmed is its next one's, in the same browser."""

    @pytest.fixture
    def come_back(
        self, registry: ConnectionRegistry, connection: Connection
    ) -> Iterator[Callable[..., Connection]]:
        with contextlib.ExitStack() as stack:

            def come_back(**cookies: str) -> Connection:
                shown = [(b"cookie", str(connection.browser).encode())]
                return stack.enter_context(registry.open(headers=shown, cookies=cookies))

            yield come_back

    async def left(self, handoff: CookieHandoff, connection: Connection, *cookies: str) -> str:
        """Offer cookies by a socket that then ends."""
        assert not await handoff.resume(connection, "a-tab")
        issued = {each.partition("=")[0]: each for each in cookies}
        ticket = await handoff.issue(connection, issued)
        assert ticket is not None
        connection.detach()
        return ticket

    async def test_has_the_cookies_at_once_and_offers_them(
        self, handoff: CookieHandoff, connection: Connection, come_back: Callable[..., Connection]
    ) -> None:
        await self.left(handoff, connection, "sessionid=abc; HttpOnly", "lang=; Max-Age=0")
        back = come_back(lang="de")
        assert await handoff.resume(back, "a-tab")
        assert dict(back.cookies) == {"sessionid": "abc"}
        assert handoff.is_due(back)
        ticket = await handoff.issue(back, {})
        answer = await ask(handoff, "POST", ticket, back.browser)
        assert answer.cookies == ["sessionid=abc; HttpOnly", "lang=; Max-Age=0"]
        assert (await ask(handoff, "PUT", ticket, f"{back.browser}; sessionid=abc")).status == 204
        assert not await handoff.resume(come_back(), "a-tab"), "they were confirmed"

    async def test_of_another_browser_or_tab_has_none(
        self,
        handoff: CookieHandoff,
        connection: Connection,
        registry: ConnectionRegistry,
        come_back: Callable[..., Connection],
    ) -> None:
        await self.left(handoff, connection, "sessionid=abc")
        with registry.open(scheme="wss") as stranger:
            assert not await handoff.resume(stranger, "a-tab")
            assert not stranger.cookies
        assert not await handoff.resume(come_back(), "another-tab")
        assert await handoff.resume(come_back(), "a-tab")

    @pytest.mark.parametrize("held", ["abc", "of-a-view"], ids=["has it", "got another"])
    async def test_leaves_out_what_the_browser_has_by_now(
        self,
        handoff: CookieHandoff,
        connection: Connection,
        come_back: Callable[..., Connection],
        held: str,
    ) -> None:
        await self.left(handoff, connection, "sessionid=abc", "b=1")
        back = come_back(sessionid=held)
        assert await handoff.resume(back, "a-tab")
        assert dict(back.cookies) == {"sessionid": held, "b": "1"}
        ticket = await handoff.issue(back, {})
        shown = f"{back.browser}; sessionid={held}"
        assert (await ask(handoff, "POST", ticket, shown)).cookies == ["b=1"]

    async def test_keeps_what_is_left_of_a_newer_ticket(
        self, handoff: CookieHandoff, connection: Connection, come_back: Callable[..., Connection]
    ) -> None:
        first = await self.left(handoff, connection, "a=1")
        await ask(handoff, "POST", first, connection.browser)
        await handoff.issue(connection, {"b": "b=1"})
        await ask(handoff, "PUT", first, f"{connection.browser}; a=1")
        assert await handoff.resume(come_back(a="1"), "a-tab")

    @pytest.mark.parametrize("where", ["as it is redeemed", "as the tab comes back"])
    @pytest.mark.parametrize(
        ("before", "set_to", "is_lost"),
        [("old", "abc", True), (None, "abc", True), ("abc", "abc", False), (None, "mine", False)],
    )
    async def test_is_told_once_that_a_value_of_an_event_came_to_nothing(
        self,
        registry: ConnectionRegistry,
        connection: Connection,
        come_back: Callable[..., Connection],
        where: str,
        before: str | None,
        set_to: str,
        is_lost: bool,
    ) -> None:
        async def takes_over(name: str, begun: str, kept: str) -> bool:
            return begun == "mine"

        handoff = CookieHandoff(registry, on_conflict=takes_over)
        await handoff.resume(connection, "a-tab")
        cookies = {"sessionid": f"sessionid={set_to}"}
        ticket = await handoff.issue(connection, cookies, {"sessionid": [before]})
        shown = f"{connection.browser}; sessionid=of-a-view"
        if where == "as it is redeemed":
            assert (await ask(handoff, "POST", ticket, shown)).cookies == []
            assert (await ask(handoff, "PUT", ticket, shown)).status == 204
        back = come_back(sessionid="of-a-view")
        assert not await handoff.resume(back, "a-tab")
        assert await handoff.has_lost(back, "a-tab") is is_lost
        assert not await handoff.resume(back, "a-tab")
        assert not await handoff.has_lost(back, "a-tab")

    async def test_brings_nothing_back_that_the_browser_has_had_and_lost(
        self, handoff: CookieHandoff, connection: Connection, come_back: Callable[..., Connection]
    ) -> None:
        ticket = await self.left(handoff, connection, "sessionid=abc", "b=1")
        answer = await ask(handoff, "POST", ticket, connection.browser)
        assert answer.cookies == ["sessionid=abc", "b=1"]
        back = come_back(b="1")  # The visitor has signed out, and nobody here has heard of it.
        assert not await handoff.resume(back, "a-tab")
        assert dict(back.cookies) == {"b": "1"}
        assert await handoff.issue(back, {}) is None

    async def test_brings_nothing_back_over_a_value_that_it_made_itself_and_that_is_there(
        self, handoff: CookieHandoff, connection: Connection, come_back: Callable[..., Connection]
    ) -> None:
        await ask(handoff, "POST", await self.left(handoff, connection, "a=1"), connection.browser)
        await handoff.issue(connection, {"a": "a=2"})
        back = come_back(a="1")
        assert await handoff.resume(back, "a-tab")
        ticket = await handoff.issue(back, {})
        assert (await ask(handoff, "POST", ticket, f"{back.browser}; a=1")).cookies == ["a=2"]

    @pytest.mark.parametrize("by", ["views", "another tab"])
    @pytest.mark.parametrize("then", ["the tab comes back", "the ticket is redeemed"])
    async def test_signing_in_and_out_elsewhere_leaves_nothing_of_an_earlier_login(
        self,
        registry: ConnectionRegistry,
        connection: Connection,
        come_back: Callable[..., Connection],
        tickets: TicketStore,
        by: str,
        then: str,
    ) -> None:
        handoff = CookieHandoff(registry, tickets=tickets)
        ticket = await self.left(handoff, connection, "sessionid=abc")
        held = ""
        other = come_back()
        await handoff.resume(other, "another-tab")
        for cookie in ("sessionid=second; Path=/", "sessionid=; Path=/; Max-Age=0"):
            shown = f"{connection.browser}; {held}"
            if by == "views":
                await view_answer(registry, shown, cookie)
                await eventually(lambda: not handoff._watchers)
            else:
                late = await handoff.issue(other, {"sessionid": cookie})
                assert (await ask(handoff, "POST", late, shown)).cookies == [cookie]
                other.put("sessionid", None if "Max-Age" in cookie else "second")
            held = cookie.partition(";")[0]
        if then == "the ticket is redeemed":
            assert (await ask(handoff, "POST", ticket, connection.browser)).cookies == []
        back = come_back()
        assert not await handoff.resume(back, "a-tab")
        assert dict(back.cookies) == {}
        assert await handoff.has_lost(back, "a-tab")

    async def test_after_a_logout_by_a_view_the_same_socket_offers_no_earlier_login(
        self, handoff: CookieHandoff, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        handoff.lifetime = 0.05
        await handoff.resume(connection, "a-tab")
        ticket, browser = await issued(handoff, connection)
        connection.set_cookie("sessionid", "new")
        assert (await ask(handoff, "POST", ticket, browser)).cookies == list(LOGIN.values())
        await view_answer(registry, f"{browser}; sessionid=new", "sessionid=; Path=/; Max-Age=0")
        await asyncio.sleep(0.06)
        ticket = await handoff.issue(connection, {})
        assert (await ask(handoff, "POST", ticket, browser)).cookies == []
        # Signing in again is another matter.
        again = {"sessionid": "sessionid=again"}
        ticket = await handoff.issue(connection, again, {"sessionid": (None, None)})
        assert (await ask(handoff, "POST", ticket, browser)).cookies == ["sessionid=again"]

    @pytest.mark.parametrize("value", ["new", "new-too"])
    @pytest.mark.parametrize("is_held", [True, False])
    async def test_after_an_unseen_logout_an_event_of_the_session_does_not_bring_it_back(
        self, handoff: CookieHandoff, connection: Connection, value: str, is_held: bool
    ) -> None:
        await handoff.resume(connection, "a-tab")
        ticket, browser = await issued(handoff, connection)
        connection.set_cookie("sessionid", "new")
        await ask(handoff, "POST", ticket, browser)
        saved = {"sessionid": f"sessionid={value}; Max-Age=60"}
        ticket = await handoff.issue(connection, saved, {"sessionid": (None, "new")})
        shown = f"{browser}; sessionid=new" if is_held else browser
        answer = await ask(handoff, "POST", ticket, shown)
        assert answer.cookies == (list(saved.values()) if is_held else [])

    async def test_has_them_for_as_long_as_the_last_of_several_hand_offs_says(self) -> None:
        store = MemoryTickets()
        await store.put("tab", "first", 0.02)
        await store.put("tab", "second", 60)
        await asyncio.sleep(0.05)
        assert await store.get("tab") == "second"


class TestMemory:
    async def test_the_store_is_bounded_and_drops_the_oldest(self) -> None:
        store = MemoryTickets(limit=3)
        for number in range(10):
            await store.put(str(number), "x", 60)
        assert len(store) == 3
        assert [await store.get(str(number)) for number in (6, 7, 8, 9)] == [None, "x", "x", "x"]
        with pytest.raises(ValueError, match="limit"):
            MemoryTickets(limit=0)

    async def test_unredeemed_tickets_are_gone_after_their_time(
        self, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        store = MemoryTickets()
        handoff = CookieHandoff(registry, tickets=store, lifetime=0.05)
        for _ in range(20):
            ticket, browser = await issued(handoff, connection)
        assert len(store) == 9
        await ask(handoff, "POST", ticket, browser)
        assert len(store) == 9
        await asyncio.sleep(0.1)
        assert len(store) == 0

    async def test_nothing_is_kept_for_connections_that_have_died(
        self, registry: ConnectionRegistry
    ) -> None:
        store = CacheTickets(LocMemCache("died", {}))
        handoff = CookieHandoff(registry, tickets=store)
        for _ in range(50):
            with registry.open() as connection:
                await handoff.issue(connection, LOGIN)
        del connection
        await asyncio.sleep(0.3)
        gc.collect()
        assert len(handoff._pending) == 0
        assert len(handoff._watchers) == 0

    async def test_a_confirmed_handoff_leaves_nothing(
        self, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        store = MemoryTickets()
        handoff = CookieHandoff(registry, tickets=store)
        ticket, browser = await issued(handoff, connection)
        await ask(handoff, "POST", ticket, browser)
        await ask(handoff, "PUT", ticket, browser)
        assert (len(store), len(handoff._pending)) == (0, 0)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The address of a redis-server of our own."""
    binary = shutil.which("redis-server")
    if binary is None and "CI" not in os.environ:
        pytest.skip("redis-server is not installed")
    port = free_port()
    command = [
        str(binary),
        "--bind",
        "127.0.0.1",
        "--port",
        str(port),
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = (line for line in process.stdout if "Ready to accept connections" in line)
        assert next(ready, None), "redis-server did not start"
        yield f"redis://127.0.0.1:{port}"
        process.terminate()


@contextlib.contextmanager
def redis_cache(url: str) -> Iterator[RedisCache]:
    cache = RedisCache(url, {})
    yield cache
    cache._cache.get_client().connection_pool.disconnect()


DATABASE = pytest.param("database", marks=pytest.mark.django_db(transaction=True))


@pytest.fixture(params=["memory", "locmem", "redis", DATABASE])
def store(request: pytest.FixtureRequest) -> Iterator[TicketStore]:
    """Each kind of store, over the real thing."""
    if request.param == "memory":
        yield MemoryTickets()
    elif request.param == "locmem":
        yield CacheTickets(LocMemCache(secrets.token_hex(4), {}))
    elif request.param == "redis":
        with redis_cache(request.getfixturevalue("redis_url")) as cache:
            yield CacheTickets(cache)
    else:
        call_command("createcachetable", "tickets", verbosity=0)
        yield CacheTickets(DatabaseCache("tickets", {}))


@pytest.fixture
async def tickets(store: TicketStore) -> AsyncIterator[TicketStore]:
    """The store, and no database connection left open in asgiref's thread."""
    yield store
    await sync_to_async(connections.close_all)()


class TestStores:
    async def test_a_value_is_kept_for_its_time_and_deleted_once(
        self, tickets: TicketStore
    ) -> None:
        await tickets.put("key", "value", 60)
        assert await tickets.get("key") == "value"
        assert [await tickets.delete("key") for _ in range(2)] == [True, False]
        assert await tickets.get("key") is None
        await tickets.put("short", "value", 1)
        await asyncio.sleep(1.2)
        assert await tickets.get("short") is None
        assert not await tickets.delete("short")

    async def test_of_many_redeemers_at_once_exactly_one_wins(
        self, registry: ConnectionRegistry, connection: Connection, tickets: TicketStore
    ) -> None:
        handoff = CookieHandoff(registry, tickets=tickets)
        for _ in range(5):
            ticket, browser = await issued(handoff, connection)
            for method in ("POST", "PUT"):
                answers = await asyncio.gather(
                    *(ask(handoff, method, ticket, browser) for _ in range(8))
                )
                assert sorted(answer.status for answer in answers) == [204] + [403] * 7

    async def test_of_many_offers_at_once_only_the_last_sets_cookies(
        self, registry: ConnectionRegistry, connection: Connection, tickets: TicketStore
    ) -> None:
        handoff = CookieHandoff(registry, tickets=tickets)
        issuing = [handoff.issue(connection, {"a": f"a={number}"}) for number in range(8)]
        made = await asyncio.gather(*issuing)
        answers = [await ask(handoff, "POST", ticket, connection.browser) for ticket in made]
        assert [answer.status for answer in answers] == [204] * 8
        assert [answer.cookies for answer in answers] == [[]] * 7 + [["a=7"]]

    async def test_the_ticket_itself_is_not_in_the_store(
        self, registry: ConnectionRegistry, connection: Connection
    ) -> None:
        store = MemoryTickets()
        handoff = CookieHandoff(registry, tickets=store)
        ticket, _ = await issued(handoff, connection)
        assert ticket not in repr(store._values)


class TestTwoWorkers:
    """Two registries and two handoffs over one Redis, as two processes have them."""

    @pytest.fixture
    def workers(self, redis_url: str) -> Iterator[list[tuple[ConnectionRegistry, CookieHandoff]]]:
        with redis_cache(redis_url) as one, redis_cache(redis_url) as other:
            pairs = [(ConnectionRegistry(), CacheTickets(cache)) for cache in (one, other)]
            yield [(registry, CookieHandoff(registry, tickets=store)) for registry, store in pairs]

    async def test_a_receipt_taken_by_another_settles_the_jar(
        self, workers: list[tuple[ConnectionRegistry, CookieHandoff]]
    ) -> None:
        (registry, issuer), (_, redeemer) = workers
        told: list[tuple[Connection, Iterable[str]]] = []
        issuer.on_confirmed = lambda *arguments: told.append(arguments)
        with registry.open() as connection:
            ticket, browser = await issued(issuer, connection)
            assert (await ask(redeemer, "POST", ticket, browser)).cookies == list(LOGIN.values())
            assert (await ask(issuer, "POST", ticket, browser)).status == 403
            answer = await ask(redeemer, "PUT", ticket, f"{browser}; sessionid=new")
            assert answer.status == 204
            await eventually(lambda: dict(connection.cookies) == {"sessionid": "new"})
            assert told == [(connection, [browser])]
            assert len(issuer._pending) == 0
            await eventually(lambda: not issuer._watchers)

    async def test_a_receipt_counts_that_was_taken_before_the_next_look(
        self, workers: list[tuple[ConnectionRegistry, CookieHandoff]]
    ) -> None:
        (registry, issuer), (_, redeemer) = workers
        with registry.open() as first, registry.open() as second:
            await issued(issuer, first)
            await asyncio.sleep(0)  # The watch has begun, with one ticket to look after.
            ticket, browser = await issued(issuer, second)
            await ask(redeemer, "POST", ticket, browser)
            await ask(redeemer, "PUT", ticket, f"{browser}; sessionid=new")
            await eventually(lambda: dict(second.cookies) == {"sessionid": "new"})

    async def test_no_receipt_is_looked_for_that_can_come_no_more(
        self, workers: list[tuple[ConnectionRegistry, CookieHandoff]]
    ) -> None:
        (registry, issuer), (_, redeemer) = workers
        looks: list[str] = []

        class Counting:
            shared = True

            async def get(self, key: str) -> str | None:
                looks.append(key.partition(":")[0])
                return await redeemer.tickets.get(key)

            put, delete = redeemer.tickets.put, redeemer.tickets.delete

        issuer.tickets = Counting()
        with registry.open() as first, registry.open() as second:
            await issued(issuer, first)
            issuer._pending[first].issued = -math.inf  # Its page has never asked.
            ticket, browser = await issued(issuer, second)
            await ask(redeemer, "POST", ticket, browser)
            await ask(redeemer, "PUT", ticket, f"{browser}; sessionid=new")
            await eventually(lambda: not issuer._watchers)
            assert (dict(second.cookies), looks.count("held")) == ({"sessionid": "new"}, 1)

    async def test_what_a_view_sets_while_other_receipts_are_looked_at_stays(
        self, workers: list[tuple[ConnectionRegistry, CookieHandoff]]
    ) -> None:
        (registry, issuer), (_, redeemer) = workers
        with registry.open() as first, registry.open() as second:

            class Slow:
                shared = True
                looks = 0

                async def get(self, key: str) -> str | None:
                    value = await redeemer.tickets.get(key)
                    if key.startswith("held") and value is not None and not self.looks:
                        self.looks += 1
                        await ask(redeemer, "POST", ticket, browser)
                        await ask(redeemer, "PUT", ticket, f"{browser}; sessionid=new")
                        first.follow([("sessionid", "of-a-view", "/")])
                    return value

                put, delete = redeemer.tickets.put, redeemer.tickets.delete

            issuer.tickets = Slow()
            ticket, browser = await issued(issuer, first)
            other, others = await issued(issuer, second)
            await ask(redeemer, "POST", other, others)
            await ask(redeemer, "PUT", other, f"{others}; sessionid=others")
            await eventually(lambda: not issuer._watchers)
            assert dict(first.cookies) == {"sessionid": "of-a-view"}

    async def test_a_session_of_another_is_kept_and_the_tab_comes_back_with_it(
        self, workers: list[tuple[ConnectionRegistry, CookieHandoff]]
    ) -> None:
        (registry, issuer), (_, redeemer) = workers
        with registry.open() as connection:
            ticket, browser = await issued(issuer, connection)
            shown = f"{browser}; sessionid=of-a-view"
            assert (await ask(redeemer, "POST", ticket, shown)).cookies == []
            assert (await ask(redeemer, "PUT", ticket, shown)).status == 204
            await eventually(lambda: connection.closed)
            assert dict(connection.cookies) == {"sessionid": "of-a-view"}

    async def test_what_a_view_sets_before_the_receipt_is_seen_stays(
        self, workers: list[tuple[ConnectionRegistry, CookieHandoff]]
    ) -> None:
        (registry, issuer), (_, redeemer) = workers
        with registry.open() as connection:

            class Slow:
                shared = True

                async def get(self, key: str) -> str | None:
                    value = await redeemer.tickets.get(key)
                    if value is not None:
                        connection.follow([("sessionid", "of-a-view", "/")])
                    return value

                put, delete = redeemer.tickets.put, redeemer.tickets.delete

            issuer.tickets = Slow()
            ticket, browser = await issued(issuer, connection)
            await ask(redeemer, "POST", ticket, browser)
            await ask(redeemer, "PUT", ticket, f"{browser}; sessionid=new")
            await eventually(lambda: not issuer._watchers)
            assert dict(connection.cookies) == {"sessionid": "of-a-view"}

    async def test_a_receipt_taken_by_another_after_a_newer_ticket_does_not_count(
        self, workers: list[tuple[ConnectionRegistry, CookieHandoff]]
    ) -> None:
        (registry, issuer), (_, redeemer) = workers
        with registry.open(cookies={"sessionid": "newest"}) as connection:
            ticket, browser = await issued(issuer, connection)
            await ask(redeemer, "POST", ticket, browser)
            await issuer.issue(connection, {"sessionid": "sessionid=newest"})
            await ask(redeemer, "PUT", ticket, f"{browser}; sessionid=new")
            await asyncio.sleep(0.3)
            assert dict(connection.cookies) == {"sessionid": "newest"}

    async def test_tickets_that_no_page_redeems_are_looked_after_by_one_connection(
        self, redis_url: str
    ) -> None:
        # Django keeps what it has connected for each context, and each event has one.
        shared = CacheHandler({"default": {"BACKEND": _REDIS_BACKEND, "LOCATION": redis_url}})
        registry = ConnectionRegistry()
        handoff = CookieHandoff(registry, tickets=CacheTickets(ConnectionProxy(shared, "default")))
        with contextlib.ExitStack() as stack, redis_cache(redis_url) as other:
            redeemer = CookieHandoff(ConnectionRegistry(), tickets=CacheTickets(other))
            redis = other._cache.get_client()
            before = len(redis.client_list())
            opened = [stack.enter_context(registry.open()) for _ in range(20)]
            issuing = [issued(handoff, connection) for connection in opened]
            loop = asyncio.get_running_loop()
            made = await asyncio.gather(
                *(loop.create_task(each, context=Context()) for each in issuing)
            )
            await asyncio.sleep(0.25)  # for the watch to have looked twice
            assert len(redis.client_list()) <= before + 3
            for ticket, browser in made[:2]:
                await ask(redeemer, "POST", ticket, browser)
                await ask(redeemer, "PUT", ticket, f"{browser}; sessionid=new")
            await eventually(lambda: len(handoff._pending) == 18)
            assert [dict(each.cookies) for each in opened[:3]] == [{"sessionid": "new"}] * 2 + [{}]
            (_watch,) = handoff._watchers
        await eventually(lambda: not handoff._watchers)


async def test_a_store_that_is_away_is_a_503_and_the_ticket_is_good_afterwards(
    registry: ConnectionRegistry, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    class Moody(MemoryTickets):
        away = False

        async def get(self, key: str) -> str | None:
            if self.away:
                msg = "connection refused"
                raise ConnectionError(msg)
            return await super().get(key)

    store = Moody()
    handoff = CookieHandoff(registry, tickets=store)
    ticket, browser = await issued(handoff, connection)
    for method, cookies in ("POST", browser), ("PUT", f"{browser}; sessionid=new"):
        store.away = True
        answer = await ask(handoff, method, ticket, cookies)
        assert answer.status == 503
        assert (b"retry-after", b"1") in answer.sent[0]["headers"]
        store.away = False
        assert (await ask(handoff, method, ticket, cookies)).status == 204
    assert dict(connection.cookies) == {"sessionid": "new"}
    assert "connection refused" in caplog.text


async def eventually(condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.02)


class TestLifespan:
    async def test_it_starts_and_stops_alone(self, handoff: CookieHandoff) -> None:
        await lifespan_of(handoff)

    async def test_it_starts_and_stops_under_a_router(self, handoff: CookieHandoff) -> None:
        await lifespan_of(PrefixRouter({handoff.path: handoff}, lifespan=handoff))


async def lifespan_of(app: Callable[[Scope, Receive, Send], Awaitable[None]]) -> None:
    answer = Answer()
    events = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Message:
        return {"type": next(events)}

    await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, answer.send)
    assert [message["type"] for message in answer.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


class TestScript:
    def test_it_quotes_for_javascript_and_html(self, registry: ConnectionRegistry) -> None:
        handoff = CookieHandoff(registry, path='/a"</script>', lifetime=2.5)
        script = handoff.script('x"\\</script><!--\u2028')
        assert "</" not in script
        assert "<!" not in script
        assert r'"x\"\\\u003c/script>\u003c!--\u2028"' in script
        assert r'"/a\"\u003c/script>"' in script
        assert '"timeout": 2500' in script


async def _nothing() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


# What the real servers below run: a socket that offers what it is asked to, and a page for it.

PAGE = b"""<!doctype html><script>
  // As Reflex's client does, it comes back; what was not answered is asked again.
  let socket;
  const waiting = [];
  const connect = () => {
    socket = new WebSocket(location.origin.replace("http", "ws") + "/_event/");
    socket.onopen = () => waiting.forEach(([question]) => socket.send(question));
    socket.onmessage = (message) => waiting.shift()[1](JSON.parse(message.data));
    socket.onclose = connect;
  };
  connect();
  const tell = (question) => new Promise((resolve) => {
    waiting.push([JSON.stringify(question), resolve]);
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(question));
  });
  const take = (cookies) => tell({cookies}).then(({script}) => eval(script));
  const jar = () => tell({}).then((answer) => answer.jar);
</script>"""


async def socket_app(scope: Scope, receive: Receive, send: Send) -> None:
    """Put what is asked for into the jar, offer it, and answer with the script and the jar."""
    connection: Connection = scope["rxbridge.connection"]
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        cookies: dict[str, str] = json.loads(message["text"]).get("cookies", {})
        for name, cookie in cookies.items():
            if "Max-Age=0" in cookie:
                connection.delete_cookie(name)
            else:
                connection.set_cookie(name, cookie.partition(";")[0].partition("=")[2])
        ticket = await served_handoff.issue(connection, cookies)
        answer = {
            "ticket": ticket,
            "script": ticket and served_handoff.script(ticket),
            "jar": dict(connection.cookies),
        }
        await send({"type": "websocket.send", "text": json.dumps(answer)})


async def page_app(scope: Scope, receive: Receive, send: Send) -> None:
    headers = [(b"content-type", b"text/html"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": HTTPStatus.OK, "headers": headers})
    await send({"type": "http.response.body", "body": PAGE})


_REDIS = os.environ.get("RXBRIDGE_TEST_REDIS")
_REDIS_BACKEND = "django.core.cache.backends.redis.RedisCache"
served = ConnectionRegistry(
    browser_cookie_samesite="None"
    if "RXBRIDGE_TEST_FRAMED" in os.environ
    else os.environ.get("RXBRIDGE_TEST_SAMESITE", "Lax"),  # type: ignore[arg-type]
    browser_cookie_partitioned="RXBRIDGE_TEST_FRAMED" in os.environ,
)
served_handoff = CookieHandoff(
    served, tickets=CacheTickets(RedisCache(_REDIS, {})) if _REDIS else None
)
application = PrefixRouter(
    {"/_event": served.wrap(socket_app), "/_cookies": served_handoff},
    default=served.identify_browsers(page_app),
    lifespan=served_handoff,
)
TARGET = "tests.asgi.test_cookies:application"


async def say(socket: ClientConnection, **question: Any) -> dict[str, Any]:
    await socket.send(json.dumps(question))
    answer: dict[str, Any] = json.loads(await socket.recv())
    return answer


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Return a server of some kind, settings and arguments; each is started but once."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def start(kind: Kind, *args: str, **env: str) -> Server:
            return stack.enter_context(run_server(kind, TARGET, args=args, env=env))

        yield start


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
async def test_on_a_real_server_a_page_introduces_the_browser_and_a_ticket_is_redeemed(
    kind: Kind, servers: Servers
) -> None:
    server = servers(kind)
    async with httpx.AsyncClient(base_url=server.url) as http:
        assert not (await http.get("/")).cookies
        page = await http.get("/", headers={"Accept": "text/html"})
        assert page.headers["cache-control"] == "no-cache, private"
        ((name, value),) = page.cookies.items()
        assert not (await http.get("/", headers={"Accept": "text/html"})).cookies
        cookie = {"Cookie": f"{name}={value}"}
        async with connect(f"{server.ws_url}/_event/", additional_headers=cookie) as socket:
            await check_handoff(http, server, socket)


@pytest.mark.server
async def test_on_uvicorn_the_handshake_introduces_the_browser(
    servers: Servers,
) -> None:
    server = servers("uvicorn")
    async with (
        httpx.AsyncClient(base_url=server.url) as http,
        connect(f"{server.ws_url}/_event/") as socket,
    ):
        assert socket.response is not None
        cookie = socket.response.headers["set-cookie"]
        assert cookie.startswith("rxbridge_browser_")
        assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax")
        name, _, value = cookie.partition(";")[0].partition("=")
        http.cookies.set(name, value)
        await check_handoff(http, server, socket)


async def check_handoff(http: httpx.AsyncClient, server: Server, socket: ClientConnection) -> None:
    answer = await say(socket, cookies={**LOGIN, "lang": "lang=de; Path=/; Secure"})
    headers = {"Origin": server.url, "X-RxBridge-Ticket": answer["ticket"]}
    stranger = httpx.AsyncClient(base_url=server.url)
    assert (await stranger.post("/_cookies", headers=headers)).status_code == 403
    await stranger.aclose()
    redeemed = await http.post("/_cookies", headers=headers)
    assert redeemed.status_code == 204
    assert redeemed.headers.get_list("set-cookie") == [
        "sessionid=new; HttpOnly; Path=/; SameSite=Lax",
        "lang=de; Path=/; Secure",
    ]
    assert (await http.post("/_cookies", headers=headers)).status_code == 403
    assert (await http.put("/_cookies", headers=headers)).status_code == 204
    # The client, as a browser would, did not keep the Secure cookie over http.
    assert (await say(socket))["jar"] == {"sessionid": "new"}


@pytest.mark.server
async def test_two_processes_share_tickets_through_redis(redis_url: str) -> None:
    env = {"RXBRIDGE_TEST_REDIS": redis_url}
    with (
        run_server("uvicorn", TARGET, env=env) as issuer,
        run_server("uvicorn", TARGET, env=env) as redeemer,
    ):
        async with connect(f"{issuer.ws_url}/_event/") as socket:
            assert socket.response is not None
            cookie = socket.response.headers["set-cookie"].partition(";")[0]
            answer = await say(socket, cookies=LOGIN)
            headers = {
                "Origin": redeemer.url,
                "X-RxBridge-Ticket": answer["ticket"],
                "Cookie": cookie,
            }
            async with httpx.AsyncClient(base_url=redeemer.url) as http:
                redeemed = await http.post("/_cookies", headers=headers)
                assert redeemed.headers["set-cookie"] == LOGIN["sessionid"]
                headers["Cookie"] = f"{cookie}; sessionid=new; seen=there"
                confirmed = await http.put("/_cookies", headers=headers)
                assert confirmed.status_code == 204
            jar: dict[str, str] = {}
            deadline = time.monotonic() + 1
            while "seen" not in jar and time.monotonic() < deadline:
                jar = (await say(socket))["jar"]
                await asyncio.sleep(0.05)
            assert jar == {"sessionid": "new", "seen": "there"}


def in_a_browser(test: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a test that shares Chromium with others, and therefore their loop."""
    for mark in (pytest.mark.server, pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")):
        test = mark(test)
    return test


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """A Chromium that forgets what the test has left."""
    yield chromium
    for context in chromium.contexts:
        await context.close()


async def visit(context: BrowserContext, url: str) -> Page:
    page = await context.new_page()
    await page.goto(url)
    return page


async def kept(context: BrowserContext) -> dict[str, Any]:
    """The application's cookies in the browser, by name."""
    cookies: list[Any] = list(await context.cookies())
    return {c["name"]: c for c in cookies if "rxbridge" not in c["name"]}


@in_a_browser
@pytest.mark.parametrize("kind", KINDS)
async def test_in_a_browser_cookies_are_kept_http_only_and_deleted(
    kind: Kind, servers: Servers, browser: Browser
) -> None:
    server = servers(kind)
    context = await browser.new_context()
    page = await visit(context, server.url)
    cookies = LOGIN | {"lang": "lang=de; Path=/; Max-Age=600"}
    assert await page.evaluate("(cookies) => take(cookies)", cookies) is True
    held = await kept(context)
    assert held["sessionid"]["httpOnly"]
    assert held["sessionid"]["sameSite"] == "Lax"
    assert held["sessionid"]["expires"] == -1
    assert held["lang"]["expires"] > time.time() + 500
    assert await page.evaluate("document.cookie") == "lang=de"
    assert await page.evaluate("jar()") == {"sessionid": "new", "lang": "de"}
    gone = {"sessionid": "sessionid=; Path=/; Max-Age=0"}
    assert await page.evaluate("(cookies) => take(cookies)", gone) is True
    assert list(await kept(context)) == ["lang"]
    assert await page.evaluate("jar()") == {"lang": "de"}


@in_a_browser
async def test_in_a_browser_a_page_asks_again_while_the_store_is_away(
    servers: Servers, browser: Browser
) -> None:
    page = await visit(await browser.new_context(), servers("uvicorn").url)
    asked: list[str] = []

    async def be_away_at_first(route: Route) -> None:
        asked.append(route.request.method)
        if asked.count(route.request.method) == 1:
            await route.fulfill(status=503, headers={"retry-after": "1"})
        else:
            await route.continue_()

    await page.route("**/_cookies", be_away_at_first)
    assert await page.evaluate("(cookies) => take(cookies)", LOGIN) is True
    assert asked == ["POST", "POST", "PUT", "PUT"]
    assert await page.evaluate("jar()") == {"sessionid": "new"}


@in_a_browser
async def test_in_a_browser_what_a_script_has_set_is_seen_before_anything_replaces_it(
    servers: Servers, browser: Browser
) -> None:
    server = servers("uvicorn")
    context = await browser.new_context()
    page = await visit(context, server.url)
    await page.evaluate("document.cookie = 'tz=Asia/Tokyo; Path=/'")
    cookies = {"tz": "tz=UTC; Path=/", "seen": "seen=1; Path=/"}
    assert await page.evaluate("(cookies) => take(cookies)", cookies) is True
    held = await kept(context)
    assert {name: held[name]["value"] for name in held} == {
        "tz": "Asia/Tokyo",
        "seen": "1",
    }
    # The tab's next socket has it, as the tab comes back.
    await page.reload()
    assert await page.evaluate("jar()") == {"tz": "Asia/Tokyo", "seen": "1"}


@in_a_browser
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("same_site", "stay"), [("Lax", 1), ("Strict", 2)])
async def test_in_a_browser_arriving_from_another_site_leaves_no_more_than_two_cookies(
    kind: Kind, same_site: str, stay: int, servers: Servers, browser: Browser
) -> None:
    async def known() -> list[str]:
        cookies: list[Any] = list(await context.cookies(server.url))
        return [each["name"] for each in cookies if "rxbridge" in each["name"]]

    env = {} if same_site == "Lax" else {"RXBRIDGE_TEST_SAMESITE": same_site}
    server = servers(kind, **env)
    context = await browser.new_context()
    elsewhere = server.url.replace("127.0.0.1", "localhost")
    assert elsewhere != server.url
    first = page = await visit(context, server.url)
    for _ in range(10):
        page = await visit(context, elsewhere)
        async with page.expect_navigation(url=f"{server.url}/**"):
            await page.evaluate("(url) => { location.href = url }", f"{server.url}/")
    # A request of the site's own shows them all, and no tab is the worse for it.
    await page.evaluate("fetch('/').then((answer) => answer.text())")
    assert len(await known()) == stay
    for tab in (first, page):
        assert await tab.evaluate("(cookies) => take(cookies)", LOGIN) is True


@in_a_browser
@pytest.mark.parametrize("kind", KINDS)
async def test_in_a_browser_logins_in_a_row_end_with_the_last(
    kind: Kind, servers: Servers, browser: Browser
) -> None:
    server = servers(kind)
    context = await browser.new_context()
    page = await visit(context, server.url)
    in_a_row = """async () => {
        const scripts = [];
        for (let n = 1; n <= 5; n++) {
            const cookie = `sessionid=s${n}; HttpOnly; Path=/`;
            take({sessionid: cookie});
        }
        await jar();
        return await window.rxbridgeHandoff;
    }"""
    assert await page.evaluate(in_a_row) is True
    assert (await kept(context))["sessionid"]["value"] == "s5"
    assert await page.evaluate("jar()") == {"sessionid": "s5"}
    out_of_order = """async () => {
        const first = await tell({cookies: {sessionid: "sessionid=old; Path=/"}});
        const second = await tell({cookies: {sessionid: "sessionid=newest; Path=/"}});
        return [await eval(second.script), await eval(first.script)];
    }"""
    assert await page.evaluate(out_of_order) == [True, True]
    assert (await kept(context))["sessionid"]["value"] == "newest"
    assert await page.evaluate("jar()") == {"sessionid": "newest"}


@in_a_browser
@pytest.mark.parametrize("kind", KINDS)
async def test_in_a_browser_two_tabs_opened_at_once_can_both_hand_off(
    kind: Kind, servers: Servers, browser: Browser
) -> None:
    server = servers(kind)
    context = await browser.new_context()
    one, two = await asyncio.gather(*(visit(context, server.url) for _ in range(2)))
    assert await one.evaluate("take({a: 'a=1; Path=/'})") is True
    assert await two.evaluate("take({b: 'b=2; Path=/'})") is True
    assert set(await kept(context)) == {"a", "b"}
    assert await one.evaluate("jar()") == {"a": "1", "b": "2"}
    stranger = await visit(await browser.new_context(), server.url)
    script = await one.evaluate("tell({cookies: {c: 'c=3'}}).then((a) => a.script)")
    assert await stranger.evaluate("(script) => eval(script)", script) is False
    assert await kept(stranger.context) == {}
    assert await one.evaluate("(script) => eval(script)", script) is True


@in_a_browser
async def test_in_a_browser_a_failure_is_false_and_does_not_stop_what_follows(
    servers: Servers, browser: Browser
) -> None:
    server = servers("uvicorn")
    page = await visit(await browser.new_context(), server.url)
    await page.route("**/_cookies", lambda route: route.abort())
    assert await page.evaluate("take({a: 'a=1; Path=/'})") is False
    await page.unroute("**/_cookies")
    assert await page.evaluate("take({b: 'b=2; Path=/'})") is True
    assert await page.evaluate("jar()") == {"a": "1", "b": "2"}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What uvicorn serves https with."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = str(folder / "key.pem"), str(folder / "cert.pem")
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    subject = ["-subj", "/CN=127.0.0.1", "-keyout", key, "-out", certificate]
    subprocess.run([*make.split(), *subject], check=True)
    return ["--ssl-keyfile", key, "--ssl-certfile", certificate]


@in_a_browser
@pytest.mark.parametrize("is_framed", [True, False], ids=["SameSite=None", "Lax"])
async def test_in_a_browser_cookies_of_a_frame_of_another_site(
    tls: list[str], is_framed: bool, servers: Servers, browser: Browser
) -> None:
    env = {"RXBRIDGE_TEST_FRAMED": "1"} if is_framed else {}
    server = servers("uvicorn", *tls, **env)
    context = await browser.new_context(ignore_https_errors=True)
    page = await context.new_page()
    url = server.url.replace("http", "https")
    await page.goto(url.replace("127.0.0.1", "localhost"))
    add = """(url) => new Promise((resolve) => {
        const frame = document.createElement("iframe");
        frame.onload = resolve;
        frame.src = url;
        document.documentElement.append(frame);
    })"""
    await page.evaluate(f"url => ({add})(url).then(() => true)", f"{url}/")
    (frame,) = page.main_frame.child_frames
    attributes = "HttpOnly; Secure; SameSite=None; Partitioned; Path=/"
    cookies = {"sessionid": f"sessionid=s; {attributes}"}
    assert await frame.evaluate("(cookies) => take(cookies)", cookies) is is_framed
    jar = {"sessionid": "s"} if is_framed else {}
    await frame.goto(f"{url}/?again")
    assert await frame.evaluate("jar()") == jar
    assert ("browser_cookie_samesite" in server.log) is not is_framed


@in_a_browser
async def test_in_a_browser_over_tls_secure_cookies_and_the_host_prefix(
    tls: list[str], servers: Servers, browser: Browser
) -> None:
    server = servers("uvicorn", *tls)
    context = await browser.new_context(ignore_https_errors=True)
    page = await visit(context, server.url.replace("http", "https"))
    secure = {"sessionid": "sessionid=s; HttpOnly; Secure; Path=/; SameSite=Strict"}
    assert await page.evaluate("(cookies) => take(cookies)", secure) is True
    held = await kept(context)
    assert held["sessionid"]["secure"]
    assert held["sessionid"]["sameSite"] == "Strict"
    (known,) = [c for c in await context.cookies() if "rxbridge" in c.get("name", "")]
    assert known.get("name", "").startswith("__Host-rxbridge_browser_")
    assert (known.get("secure"), known.get("httpOnly")) == (True, True)
    assert known.get("sameSite") == "Lax"


async def test_refusals_log_no_secret(
    handoff: CookieHandoff, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    ticket, browser = await issued(handoff, connection)
    await ask(handoff, "POST", ticket, "sessionid=s3cret")
    await ask(handoff, "POST", ticket, browser, [])
    for secret in (ticket, browser, "s3cret"):
        assert secret not in caplog.text
