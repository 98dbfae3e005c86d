"""ConnectionRegistry: what the wrapped app gets, what is kept, and how sockets are closed."""

import asyncio
import contextvars
import gc
import re
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.http import parse_cookie
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from rxbridge.asgi._types import ASGIApp, Message, Receive, Scope, Send
from rxbridge.asgi.connections import (
    CONNECTION_HEADER,
    MAX_COOKIES,
    MAX_HEADER_BYTES,
    Connection,
    ConnectionRegistry,
    SameSite,
    current_connection,
)
from tests.servers import KINDS, Kind, run_server

Headers = list[tuple[bytes, bytes]]


def scope_of(headers: Headers = [], kind: str = "websocket", **extra: Any) -> Scope:  # noqa: B006
    return {
        "type": kind,
        "scheme": "wss" if kind == "websocket" else "https",
        "path": "/_event/",
        "root_path": "",
        "headers": headers,
        "client": ["192.0.2.7", 50000],
        "server": ("example.com", 443),
        "extensions": {},
        **extra,
    }


class Peer:
    """A client and its server, seen from the app: what is queued arrives, what is sent is kept."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        self.sent: list[Message] = []
        self.error: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def receive(self) -> Message:
        return await self.incoming.get()

    async def send(self, message: Message) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.sent.append(message)

    def types(self) -> list[str]:
        return [message["type"] for message in self.sent]


@asynccontextmanager
async def serving(app: ASGIApp, scope: Scope) -> AsyncIterator[tuple[Peer, asyncio.Task[None]]]:
    """Run `app` on a socket whose connect is on its way; it must have ended within 2 s."""
    peer = Peer()
    peer.incoming.put_nowait({"type": "websocket.connect"})

    async def serve() -> None:
        await app(scope, peer.receive, peer.send)

    task = asyncio.create_task(serve())
    await settle()
    try:
        yield peer, task
    finally:
        peer.incoming.put_nowait({"type": "websocket.disconnect", "code": 1005})
        await asyncio.wait_for(task, 2)


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


class Echo:
    """An app that accepts, echoes, and keeps everything it got."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.received: list[Message] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.received.append(await receive())
        await send({"type": "websocket.accept"})
        while True:
            message = await receive()
            self.received.append(message)
            if message["type"] == "websocket.disconnect":
                await send({"type": "websocket.send", "text": "too late"})
                return
            await send({"type": "websocket.send", "text": message["text"]})

    @property
    def connection(self) -> Connection:
        connection = self.scopes[-1]["rxbridge.connection"]
        assert isinstance(connection, Connection)
        return connection


async def connection_of(headers: Headers, **options: Any) -> tuple[Connection, Scope]:
    """The connection of a socket with these headers, and the scope its app got."""
    app = Echo()
    async with serving(ConnectionRegistry(**options).wrap(app), scope_of(headers)):
        return app.connection, app.scopes[0]


def header_values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key.lower() == name]


class TestScope:
    async def test_cookies_are_kept_and_the_app_does_not_see_them(self) -> None:
        scope = scope_of([(b"host", b"a"), (b"cookie", b"sessionid=s3cret"), (b"Cookie", b"x=y")])
        original = {**scope, "headers": list(scope["headers"])}
        app = Echo()
        async with serving(ConnectionRegistry().wrap(app), scope):
            pass
        assert scope == original
        assert b"s3cret" not in repr(app.scopes[0]).encode()
        assert header_values(app.scopes[0], b"cookie") == []
        assert header_values(app.scopes[0], b"host") == [b"a"]
        assert dict(app.connection.cookies) == {"sessionid": "s3cret", "x": "y"}
        assert app.connection.headers == ((b"host", b"a"),)

    async def test_keep_cookies_leaves_the_header(self) -> None:
        connection, scope = await connection_of([(b"cookie", b"a=b")], keep_cookies=True)
        assert header_values(scope, b"cookie") == [b"a=b"]
        assert dict(connection.cookies) == {"a": "b"}
        assert connection.headers == ()

    async def test_handshake_is_kept_as_received(self) -> None:
        headers = [(b"X-Twice", b"1"), (b"x-twice", b"2"), (b"host", b"a")]
        app = Echo()
        scope = scope_of(headers, root_path="/base")
        async with serving(ConnectionRegistry().wrap(app), scope):
            pass
        connection = app.connection
        assert connection.headers == ((b"x-twice", b"1"), (b"x-twice", b"2"), (b"host", b"a"))
        assert (connection.kind, connection.scheme) == ("websocket", "wss")
        assert connection.client == ("192.0.2.7", 50000)
        assert connection.server == ("example.com", 443)
        assert (connection.path, connection.root_path) == ("/_event/", "/base")

    def test_members_that_the_docs_name_are_there(self) -> None:
        page = Path("docs/connection-registry.md").read_text()
        _, _, rows = page.partition("\n## `Connection`\n")[2].partition("|---|---|\n")
        cells = [row.split("|")[1] for row in rows.partition("\n\n")[0].splitlines()]
        named = {name for cell in cells for name in re.findall(r"`(\w+)[(`]", cell)}
        missing = {name for name in named if not hasattr(Connection(scope_of()), name)}
        assert (len(named) > 15, missing) == (True, set())

    async def test_optional_scope_keys_may_be_missing(self) -> None:
        app = Echo()
        scope = {"type": "websocket", "path": "/", "headers": [], "client": None}
        async with serving(ConnectionRegistry().wrap(app), scope):
            pass
        assert (app.connection.scheme, app.connection.client) == ("ws", None)
        assert app.connection.server is None

    @pytest.mark.parametrize(
        "name",
        [
            b"x-rxbridge-connection",
            b"X-Rxbridge-Connection",
            b"X-RXBRIDGE-CONNECTION",
            b"x_rxbridge_connection",
            b"X_Rxbridge-connection",
            b"x-rxbridge-connection ",
        ],
    )
    @pytest.mark.parametrize("times", [1, 2])
    async def test_a_forged_id_is_dropped(self, name: bytes, times: int) -> None:
        forged = [(name, b"forged")] * times
        connection, scope = await connection_of([*forged, (b"host", b"a"), *forged])
        assert b"forged" not in repr((scope["headers"], connection.headers)).encode()
        assert header_values(scope, CONNECTION_HEADER) == [connection.id.encode()]

    async def test_ids_are_unguessable_and_not_in_the_repr(self) -> None:
        ids = {Connection(scope_of()).id for _ in range(1000)}
        assert len(ids) == 1000
        assert all(len(id_) == 43 for id_ in ids)
        connection = Connection(scope_of([(b"cookie", b"sessionid=s3cret")]))
        assert connection.id not in repr(connection)
        assert connection.id[:5] not in repr(connection)
        assert "s3cret" not in repr(connection)

    async def test_lifespan_passes_untouched(self) -> None:
        seen: list[Scope] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope)

        scope = {"type": "lifespan"}
        peer = Peer()
        await ConnectionRegistry().wrap(app)(scope, peer.receive, peer.send)
        assert seen[0] is scope


class TestCookies:
    @pytest.mark.parametrize(
        ("headers", "cookies"),
        [
            ([], {}),
            ([b""], {}),
            ([b" ; ;"], {}),
            ([b"a=1; b=2"], {"a": "1", "b": "2"}),
            ([b"a=1;b=2"], {"a": "1", "b": "2"}),
            ([b"a=1", b"b=2"], {"a": "1", "b": "2"}),
            ([b"a=1; a=2"], {"a": "2"}),
            ([b'a="q\\"uoted"'], {"a": '"q\\"uoted"'}),
            ([b"a=b=c"], {"a": "b=c"}),
            ([b"alone"], {"": "alone"}),
            ([b"=x"], {"": "x"}),
            ([b"a="], {"a": ""}),
            ([b"\xe9=\xff"], {"\xe9": "\xff"}),
        ],
    )
    async def test_cookie_headers_are_parsed_as_django_does_but_raw(
        self, headers: list[bytes], cookies: dict[str, str]
    ) -> None:
        connection, _ = await connection_of([(b"cookie", value) for value in headers])
        assert dict(connection.cookies) == cookies

    @given(
        st.lists(
            st.one_of(st.binary(max_size=40), st.from_regex(rb"[ab=; \"\\]{0,20}")), max_size=3
        )
    )
    def test_cookie_header_means_the_same_to_django_as_what_the_browser_sent(
        self, values: list[bytes]
    ) -> None:
        connection = Connection(scope_of([(b"cookie", value) for value in values]))
        original = parse_cookie("; ".join(value.decode("latin-1") for value in values))
        assert parse_cookie(connection.cookie_header) == original
        again = Connection(scope_of([(b"cookie", connection.cookie_header.encode("latin-1"))]))
        assert again.cookies == connection.cookies

    async def test_later_cookies_replace_those_of_the_handshake(self) -> None:
        connection, _ = await connection_of([(b"cookie", b"sessionid=old; lang=de")])
        before = connection.cookies
        assert connection.cookie_header == "sessionid=old; lang=de"
        connection.set_cookie("sessionid", "new")
        connection.delete_cookie("lang")
        connection.delete_cookie("never-there")
        assert connection.cookie_header == "sessionid=new"
        assert dict(before) == {"sessionid": "old", "lang": "de"}

    async def test_cookies_cannot_be_changed_through_the_mapping(self) -> None:
        connection, _ = await connection_of([(b"cookie", b"a=b")])
        with pytest.raises(TypeError):
            connection.cookies["a"] = "c"  # type: ignore[index]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("", "x"),
            ("a=b", "x"),
            ("a;b", "x"),
            ("a", "x; sessionid=other"),
            ("a", "x\r\nset-cookie: b"),
            ("a\n", "x"),
            ("a", "\x00"),
            ("a", " padded "),
            (" a", "x"),
            ("a", "ü"),
        ],
    )
    async def test_what_no_cookie_header_can_hold_is_an_error(self, name: str, value: str) -> None:
        connection = Connection(scope_of())
        with pytest.raises(ValueError, match="cannot be stored as a cookie"):
            connection.set_cookie(name, value)
        assert connection.cookie_header == ""

    async def test_the_jar_does_not_grow_without_limit(self) -> None:
        connection = Connection(scope_of())
        for number in range(MAX_COOKIES):
            connection.set_cookie(f"c{number}", "x")
        with pytest.raises(ValueError, match="at most"):
            connection.set_cookie("one-more", "x")
        with pytest.raises(ValueError, match="at most"):
            connection.set_cookie("c0", "x" * MAX_HEADER_BYTES)
        connection.set_cookie("c0", "y")
        assert connection.cookies["c0"] == "y"
        assert len(connection.cookies) == MAX_COOKIES

    async def test_threads_do_not_lose_each_others_cookies(self) -> None:
        connection = Connection(scope_of())
        start = threading.Barrier(4)

        def write(thread: int) -> None:
            start.wait()
            for number in range(40):
                connection.set_cookie(f"c{thread}-{number}", "x")
                assert f"c{thread}-{number}=x" in connection.cookie_header

        await asyncio.gather(*(asyncio.to_thread(write, thread) for thread in range(4)))
        assert len(connection.cookies) == 160

    @pytest.mark.parametrize(
        "headers",
        [
            [(b"cookie", b"a=" + b"x" * MAX_HEADER_BYTES)],
            [(b"Cookie", b";".join(b"c%d=1" % n for n in range(MAX_COOKIES + 1)))],
            [(b"cookie", b"c%d=1" % n) for n in range(MAX_COOKIES + 1)],
            [(b"x-%d" % n, b"x" * 1000) for n in range(70)],
        ],
        ids=["giant", "many", "many headers", "giant headers"],
    )
    async def test_oversized_handshakes_are_refused(self, headers: Headers) -> None:
        app = Echo()
        registry = ConnectionRegistry()
        async with serving(registry.wrap(app), scope_of(headers)) as (peer, _):
            assert peer.types() == ["websocket.close"]
        await registry.wrap(app)(scope_of(headers, "http"), peer.receive, peer.send)
        assert peer.sent[1]["status"] == 431
        assert app.scopes == []
        assert len(registry) == 0


BROWSER = "rxbridge_browser_0a1b2c3d=" + "v" * 32
HOST_BROWSER = "__Host-rxbridge_browser_0a1b2c3d=" + "v" * 32


async def browser_cookie(headers: Headers, **extra: Any) -> list[bytes]:
    """The cookies a socket with these headers is accepted with."""
    async with serving(ConnectionRegistry().wrap(Echo()), scope_of(headers, **extra)) as (peer, _):
        return header_values({"headers": peer.sent[0].get("headers", [])}, b"set-cookie")


class TestBrowsers:
    @pytest.mark.parametrize(
        ("scheme", "origin", "secure"),
        [
            ("ws", b"http://shop.example", False),
            ("ws", b"https://shop.example", True),
            ("ws", b"HTTPS://shop.example", True),
            ("ws", None, False),
            ("wss", b"https://shop.example", True),
            ("wss", None, True),
        ],
    )
    async def test_a_new_one_is_given_a_cookie_of_its_own(
        self, scheme: str, origin: bytes | None, secure: bool
    ) -> None:
        headers = [] if origin is None else [(b"Origin", origin)]
        (cookie,) = await browser_cookie(headers, scheme=scheme)
        ending = b"; Path=/; HttpOnly; SameSite=Lax" + b"; Secure" * secure
        assert cookie.endswith(ending)
        assert cookie.startswith(b"__Host-" * secure + b"rxbridge_browser_")
        assert cookie not in await browser_cookie(headers, scheme=scheme)

    @pytest.mark.parametrize(
        ("same_site", "partitioned", "plain", "secure"),
        [
            ("Strict", False, "SameSite=Strict", "SameSite=Strict; Secure"),
            ("None", False, "SameSite=Lax", "SameSite=None; Secure"),
            ("None", True, "SameSite=Lax", "SameSite=None; Secure; Partitioned"),
        ],
    )
    async def test_its_attributes_are_the_applications_to_choose(
        self, same_site: SameSite, partitioned: bool, plain: str, secure: str
    ) -> None:
        registry = ConnectionRegistry(
            browser_cookie_samesite=same_site, browser_cookie_partitioned=partitioned
        )
        for scheme, attributes in (("ws", plain), ("wss", secure)):
            wrapped = registry.wrap(Echo())
            async with serving(wrapped, scope_of([], scheme=scheme)) as (peer, _):
                (cookie,) = header_values(peer.sent[0], b"set-cookie")
            assert cookie.decode().endswith(f"; Path=/; HttpOnly; {attributes}")

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})

        for prefix, attributes in (("", plain), ("__Host-", secure)):
            shown = "; ".join(f"{prefix}rxbridge_browser_{n}={'v' * 32}" for n in range(3))
            headers = [(b"cookie", shown.encode())]
            peer = Peer()
            scope = scope_of(headers, "http", method="GET")
            await registry.identify_browsers(app)(scope, peer.receive, peer.send)
            (gone,) = header_values(peer.sent[0], b"set-cookie")
            assert gone.decode().endswith(f"_2=; Path=/; Max-Age=0; {attributes}")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"browser_cookie_samesite": "none"}, "write 'Lax', 'Strict' or 'None'"),
            ({"browser_cookie_partitioned": True}, "browser_cookie_samesite='None' too"),
        ],
    )
    def test_attributes_no_browser_knows_are_an_error(
        self, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ValueError, match=message):
            ConnectionRegistry(**options)

    @pytest.mark.parametrize(
        ("cookie", "scheme", "origin"),
        [
            (HOST_BROWSER, "wss", b"https://shop.example"),
            (BROWSER, "ws", b"http://shop.example"),
            # Given by a server that does not trust the proxy in front of it.
            (BROWSER, "ws", b"https://shop.example"),
        ],
    )
    async def test_a_known_one_is_given_none(self, cookie: str, scheme: str, origin: bytes) -> None:
        headers = [(b"cookie", b"a=b; " + cookie.encode()), (b"origin", origin)]
        assert await browser_cookie(headers, scheme=scheme) == []

    async def test_over_tls_a_cookie_that_a_subdomain_can_have_set_is_not_believed(self) -> None:
        headers = [(b"cookie", BROWSER.encode())]
        assert not Connection(scope_of(headers, scheme="wss")).browsers
        (given,) = await browser_cookie(headers, scheme="wss")
        assert given.startswith(b"__Host-rxbridge_browser_")

    @pytest.mark.parametrize(
        "cookie", [b"rxbridge_browser_1=", b"rxbridge_browser_1=guess", b"rxbridge=" + b"v" * 32]
    )
    async def test_a_cookie_that_proves_nothing_is_not_believed(self, cookie: bytes) -> None:
        assert len(await browser_cookie([(b"cookie", cookie)])) == 1

    @pytest.mark.parametrize("scheme", ["ws", "wss"])
    async def test_beside_one_no_subdomain_can_have_set_others_do_not_count(
        self, scheme: str
    ) -> None:
        cookies = f"{BROWSER}; {HOST_BROWSER}; rxbridge_browser_00000000={'x' * 32}"
        connection = Connection(scope_of([(b"cookie", cookies.encode())], scheme=scheme))
        assert connection.browsers == (HOST_BROWSER,)
        assert connection.browser == HOST_BROWSER

    async def test_the_jar_does_not_show_it(self) -> None:
        cookies = f"a=b; {BROWSER}; {HOST_BROWSER}; rxbridge_browser_short=x"
        connection, _ = await connection_of([(b"cookie", cookies.encode())])
        assert connection.cookie_header == "a=b"
        assert "rxbridge_browser" not in repr(connection)

    async def test_headers_the_app_accepts_with_stay(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "websocket.accept", "headers": [(b"x-own", b"1")]})

        async with serving(ConnectionRegistry().wrap(app), scope_of()) as (peer, _):
            own, (name, _) = peer.sent[0]["headers"]
        assert (own, name) == ((b"x-own", b"1"), b"set-cookie")

    async def test_it_can_be_left_out(self) -> None:
        connection, _ = await connection_of([], browser_cookie=False)
        assert connection.browser is None

    def test_a_connection_for_tests_has_one(self) -> None:
        registry = ConnectionRegistry()
        with registry.open() as one, registry.open() as other:
            assert one.browser is not None
            assert one.browser != other.browser
        with registry.open(headers=[(b"cookie", BROWSER.encode())]) as known:
            assert known.browser == BROWSER
        with ConnectionRegistry(browser_cookie=False).open() as unknown:
            assert unknown.browser is None


async def page_headers(headers: Headers, **extra: Any) -> Headers:
    """What an introducing app answers to a GET with these headers."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200}
        await send({**start, "headers": [(b"cache-control", b"no-cache")]})
        await send({"type": "http.response.body", "body": b"page"})

    peer = Peer()
    scope = scope_of(headers, "http", method="GET", **extra)
    await ConnectionRegistry().identify_browsers(app)(scope, peer.receive, peer.send)
    assert peer.sent[1]["body"] == b"page"
    return list(peer.sent[0]["headers"])


class TestIntroduce:
    async def test_a_new_visitors_page_brings_the_cookie_and_is_private(self) -> None:
        first, (name, cookie), private = await page_headers([(b"Accept", b"text/html,*/*;q=0.8")])
        assert first == (b"cache-control", b"no-cache")
        assert name == b"set-cookie"
        assert cookie.startswith(b"__Host-rxbridge_browser_")
        assert private == (b"cache-control", b"private")

    async def test_over_plain_http_the_cookie_has_no_prefix(self) -> None:
        _, (_, cookie), _ = await page_headers([(b"accept", b"text/html")], scheme="http")
        assert cookie.startswith(b"rxbridge_browser_")

    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [(b"accept", b"*/*")],
            [(b"accept", b"text/html"), (b"Cookie", HOST_BROWSER.encode())],
        ],
    )
    async def test_others_pass_untouched(self, headers: Headers) -> None:
        assert await page_headers(headers) == [(b"cache-control", b"no-cache")]

    async def test_a_cookie_without_prefix_is_enough_over_plain_http_only(self) -> None:
        shown = [(b"accept", b"text/html"), (b"cookie", BROWSER.encode())]
        assert await page_headers(shown, scheme="http") == [(b"cache-control", b"no-cache")]
        _, (_, given), _ = await page_headers(shown)
        assert given.startswith(b"__Host-rxbridge_browser_")

    async def test_other_scopes_pass_untouched(self) -> None:
        seen: list[Scope] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope)

        peer = Peer()
        scope = {"type": "lifespan"}
        await ConnectionRegistry().identify_browsers(app)(scope, peer.receive, peer.send)
        assert seen == [scope]


class TestLookup:
    async def test_found_by_id_while_open(self) -> None:
        registry = ConnectionRegistry()
        app = Echo()
        async with serving(registry.wrap(app), scope_of()):
            assert registry.get(app.connection.id) is app.connection
            assert list(registry) == [app.connection]
            assert len(registry) == 1
            assert not app.connection.closed
        assert app.connection.closed
        assert list(registry) == []
        assert registry.get("unknown") is None
        assert registry.get("") is None

    async def test_a_disconnected_client_is_no_longer_open_while_the_app_cleans_up(self) -> None:
        registry = ConnectionRegistry()
        cleaned_up = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await receive()
            await cleaned_up.wait()

        async with serving(registry.wrap(app), scope_of()) as (peer, _):
            (connection,) = registry
            peer.incoming.put_nowait({"type": "websocket.disconnect", "code": 1001})
            await settle()
            assert connection.closed
            assert len(registry) == 0
            cleaned_up.set()

    async def test_after_disconnect_only_what_is_queued_keeps_it(self) -> None:
        registry = ConnectionRegistry()
        queued: list[contextvars.Context] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            queued.append(contextvars.copy_context())

        async with serving(registry.wrap(app), scope_of([(b"cookie", b"a=b")])) as (_, task):
            await task
        connection = queued[0][current_connection]
        assert connection is not None
        connection_id = connection.id
        assert registry.get(connection_id) is connection
        assert connection.cookies == {"a": "b"}
        del connection, task
        queued.clear()
        gc.collect()
        assert registry.get(connection_id) is None

    async def test_current_connection_is_that_of_the_running_socket(self) -> None:
        registry = ConnectionRegistry()
        seen: dict[str, Connection | None] = {}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await receive()
            seen[scope["rxbridge.connection"].id] = current_connection.get()

        wrapped = registry.wrap(app)
        async with serving(wrapped, scope_of()), serving(wrapped, scope_of()):
            first, second = registry
        assert seen == {first.id: first, second.id: second}
        assert current_connection.get() is None

    async def test_current_connection_is_reset_when_the_app_fails(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            raise LookupError

        registry = ConnectionRegistry()
        peer = Peer()
        for kind in ("websocket", "http"):
            with pytest.raises(LookupError):
                await registry.wrap(app)(scope_of(kind=kind), peer.receive, peer.send)
            assert current_connection.get() is None
        assert len(registry) == 0

    async def test_an_empty_registry_is_true(self) -> None:
        assert ConnectionRegistry()


class TestRequests:
    async def test_an_upload_has_a_connection_of_its_own_while_it_is_served(self) -> None:
        registry = ConnectionRegistry()
        seen: list[tuple[Scope, Connection]] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            connection = current_connection.get()
            assert connection is scope["rxbridge.connection"]
            assert connection is not None
            assert registry.get(connection.id) is connection
            assert not connection.closed
            assert len(registry) == 0
            seen.append((scope, connection))

        headers = [(b"cookie", b"sessionid=mine"), (b"x-rxbridge-connection", b"forged")]
        peer = Peer()
        await registry.wrap(app)(scope_of(headers, "http", method="POST"), peer.receive, peer.send)
        ((scope, connection),) = seen
        assert scope["headers"] == [(CONNECTION_HEADER, connection.id.encode())]
        assert dict(connection.cookies) == {"sessionid": "mine"}
        assert connection.kind == "http"
        assert connection.closed
        assert not connection.close()
        connection_id = connection.id
        seen.clear()
        del connection, scope
        gc.collect()
        assert registry.get(connection_id) is None


class TestClose:
    async def test_both_sides_are_told_and_late_sends_are_dropped(self) -> None:
        registry = ConnectionRegistry(browser_cookie=False)
        app = Echo()
        async with serving(registry.wrap(app), scope_of()) as (peer, task):
            peer.incoming.put_nowait({"type": "websocket.receive", "text": "hello"})
            await settle()
            assert app.connection.close(code=4001, reason="banned")
            assert app.connection.closed
            await asyncio.wait_for(task, 2)
        assert peer.sent == [
            {"type": "websocket.accept"},
            {"type": "websocket.send", "text": "hello"},
            {"type": "websocket.close", "code": 4001, "reason": "banned"},
        ]
        assert app.received[-1] == {
            "type": "websocket.disconnect",
            "code": 4001,
            "reason": "banned",
        }
        assert len(registry) == 0

    async def test_only_matching_sockets_are_closed(self) -> None:
        registry = ConnectionRegistry()
        wrapped = registry.wrap(Echo())
        mine, other = (scope_of([(b"cookie", b"user=" + name)]) for name in (b"mine", b"other"))
        async with serving(wrapped, mine) as (closed, task), serving(wrapped, other) as (open_, _):
            assert registry.close(lambda connection: connection.cookies["user"] == "mine") == 1
            await asyncio.wait_for(task, 2)
            assert closed.sent[-1]["code"] == 1012
            assert open_.types() == ["websocket.accept"]
            assert registry.close(lambda connection: connection.cookies["user"] == "mine") == 0

    async def test_second_close_does_nothing(self) -> None:
        app = Echo()
        async with serving(ConnectionRegistry().wrap(app), scope_of()) as (peer, task):
            assert [app.connection.close(), app.connection.close()] == [True, False]
            await asyncio.wait_for(task, 2)
            assert not app.connection.close()
        assert peer.types() == ["websocket.accept", "websocket.close"]

    async def test_before_accept_the_handshake_is_refused(self) -> None:
        registry = ConnectionRegistry()
        received: list[str] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["rxbridge.connection"].close()
            await settle()
            received.append((await receive())["type"])
            await send({"type": "websocket.accept"})
            received.append((await receive())["type"])

        async with serving(registry.wrap(app), scope_of()) as (peer, task):
            await asyncio.wait_for(task, 2)
        assert received == ["websocket.connect", "websocket.disconnect"]
        assert peer.types() == ["websocket.close"]

    async def test_from_another_thread(self) -> None:
        registry = ConnectionRegistry()
        async with serving(registry.wrap(Echo()), scope_of()) as (peer, task):
            closed = await asyncio.to_thread(registry.close, lambda _: True, code=4000)
            assert closed == 1
            await asyncio.wait_for(task, 2)
        assert peer.sent[-1]["code"] == 4000

    async def test_while_a_send_is_under_way(self) -> None:
        app = Echo()
        async with serving(ConnectionRegistry().wrap(app), scope_of()) as (peer, task):
            peer.gate.clear()
            peer.incoming.put_nowait({"type": "websocket.receive", "text": "slow"})
            await settle()
            app.connection.close()
            await settle()
            peer.gate.set()
            await asyncio.wait_for(task, 2)
        assert peer.types() == ["websocket.accept", "websocket.send", "websocket.close"]

    @pytest.mark.parametrize("error", [OSError, RuntimeError])
    async def test_a_client_that_has_gone_meanwhile_is_no_error(
        self, error: type[Exception]
    ) -> None:
        app = Echo()
        async with serving(ConnectionRegistry().wrap(app), scope_of()) as (peer, task):
            peer.gate.clear()
            peer.incoming.put_nowait({"type": "websocket.receive", "text": "slow"})
            await settle()
            app.connection.close()
            await settle()
            peer.error = error()
            peer.gate.set()
            await asyncio.wait_for(task, 2)

    async def test_a_failing_send_is_the_apps_to_see_when_nobody_closed(self) -> None:
        app = Echo()
        peer = Peer()
        peer.error = OSError()
        peer.incoming.put_nowait({"type": "websocket.connect"})
        with pytest.raises(OSError, match=r"^$"):
            await ConnectionRegistry().wrap(app)(scope_of(), peer.receive, peer.send)

    async def test_a_client_that_reads_nothing_does_not_keep_the_task(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("rxbridge.asgi.connections._CLOSE_TIMEOUT", 0.05)
        app = Echo()
        async with serving(ConnectionRegistry().wrap(app), scope_of()) as (peer, task):
            peer.gate.clear()
            app.connection.close()
            await asyncio.wait_for(task, 2)
        assert peer.types() == ["websocket.accept"]

    async def test_a_socket_the_app_closed_is_not_closed_again(self) -> None:
        registry = ConnectionRegistry()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "websocket.close", "code": 1000})
            assert registry.close(lambda _: True) == 0
            await receive()

        async with serving(registry.wrap(app), scope_of()) as (peer, _):
            pass
        assert peer.types() == ["websocket.close"]

    async def test_a_timeout_of_the_server_is_not_taken_for_a_close(self) -> None:
        async def receive() -> Message:
            raise TimeoutError

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            with suppress(TimeoutError):
                await receive()
            with pytest.raises(TimeoutError):
                await receive()

        await ConnectionRegistry().wrap(app)(scope_of(), receive, Peer().send)

    async def test_cancelling_the_app_still_cancels_it(self) -> None:
        registry = ConnectionRegistry()
        peer = Peer()
        peer.incoming.put_nowait({"type": "websocket.connect"})
        wrapped = registry.wrap(Echo())

        async def serve() -> None:
            await wrapped(scope_of(), peer.receive, peer.send)

        task = asyncio.create_task(serve())
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(registry) == 0

    def test_after_the_loop_has_stopped_it_is_no_error(self) -> None:
        kept: list[Connection] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            kept.append(scope["rxbridge.connection"])
            await asyncio.Event().wait()

        async def main() -> Callable[[int, str], object] | None:
            peer = Peer()
            wrapped = ConnectionRegistry().wrap(app)

            async def serve() -> None:
                await wrapped(scope_of(), peer.receive, peer.send)

            task = asyncio.create_task(serve())
            await settle()
            closer = kept[0]._closer
            task.cancel()
            return closer

        closer = asyncio.run(main())
        assert closer is not None
        assert not Connection(scope_of()).close()
        assert Connection(scope_of(), closer=closer).close()

    @pytest.mark.parametrize(
        ("code", "reason"),
        [*((code, "") for code in (0, 999, 1005, 1006, 1015, 2000, 5000)), (1012, "ü" * 62)],
    )
    def test_what_no_close_frame_can_hold_is_an_error(self, code: int, reason: str) -> None:
        with pytest.raises(ValueError, match=r"close code|123 bytes"):
            ConnectionRegistry().close(lambda _: True, code=code, reason=reason)
        with pytest.raises(ValueError, match=r"close code|123 bytes"):
            Connection(scope_of()).close(code=code, reason=reason)


class TestOpen:
    def test_a_connection_without_a_socket_is_found_and_forgotten(self) -> None:
        registry = ConnectionRegistry()
        with registry.open(
            headers=[(b"Host", b"a"), (b"cookie", b"x=y")],
            cookies={"sessionid": "s"},
            scheme="wss",
            client=("192.0.2.1", 1),
        ) as connection:
            assert registry.get(connection.id) is connection
            assert list(registry) == [connection]
            assert connection.headers == ((b"host", b"a"),)
            assert connection.cookie_header == "x=y; sessionid=s"
            assert (connection.scheme, connection.client) == ("wss", ("192.0.2.1", 1))
        assert connection.closed
        assert len(registry) == 0

    def test_it_can_be_closed(self) -> None:
        registry = ConnectionRegistry()
        with registry.open() as connection:
            assert registry.close(lambda _: True) == 1
            assert connection.closed
            assert len(registry) == 0


async def test_a_thousand_sockets_leave_nothing_behind() -> None:
    registry = ConnectionRegistry()
    alive: weakref.WeakSet[Connection] = weakref.WeakSet()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        alive.add(scope["rxbridge.connection"])
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    wrapped = registry.wrap(app)

    async def visit(number: int) -> None:
        async with serving(wrapped, scope_of([(b"cookie", b"n=%d" % number)])) as (_, task):
            if number % 2:
                registry.close(lambda connection: connection.cookies["n"] == str(number))
                await task

    for batch in range(0, 1000, 100):
        await asyncio.gather(*map(visit, range(batch, batch + 100)))
    gc.collect()
    assert (len(registry), len(registry._held), len(alive)) == (0, 0, 0)


@pytest.mark.parametrize("kind", ["websocket", "http"])
async def test_connection_whose_task_was_lost_is_closed(kind: str) -> None:
    registry = ConnectionRegistry()
    scopes: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)
        await asyncio.Event().wait()

    peer = Peer()
    serving = registry.wrap(app)(scope_of(kind=kind), peer.receive, peer.send)
    contextvars.copy_context().run(serving.send, None)
    with suppress(ValueError):  # Of the ContextVar: the collector has a context of its own.
        serving.close()
    assert (len(registry), scopes[0]["rxbridge.connection"].closed) == (0, True)


def test_a_connection_may_be_lost_while_another_is_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    at_work, lost = Connection(scope_of([(b"cookie", b"a=b")])), Connection(scope_of())

    def pair(item: tuple[str, str]) -> str:
        lost.detach()  # As the garbage collector may have it be.
        return "=".join(item)

    monkeypatch.setattr("rxbridge.asgi.connections._cookie_pair", pair)
    reader = threading.Thread(target=lambda: at_work.cookie_header, daemon=True)
    reader.start()
    reader.join(5)
    assert lost.closed
    assert not reader.is_alive()


def test_names_of_cookies_are_not_kept_for_ever() -> None:
    connection = Connection(scope_of([(b"cookie", b"a-strangers-own=1")]))
    again = b"a-strangers-own".decode()
    assert sys.intern(again) is again
    assert connection.cookies == {again: "1"}


served = ConnectionRegistry()


async def closing_app(scope: Scope, receive: Receive, send: Send) -> None:
    """A socket that says its cookies' owner; POST / closes every socket from a thread."""
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan")
    if scope["type"] == "http":
        count = await asyncio.to_thread(served.close, lambda _: True, reason="again")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"%d" % count})
        return
    connection = scope["rxbridge.connection"]
    names = sorted(name.decode() for name, _ in scope["headers"])
    await receive()
    if scope["path"] == "/refused":
        connection.close()
        await settle()
    await send({"type": "websocket.accept"})
    cookies = connection.cookie_header
    await send({"type": "websocket.send", "text": f"{cookies} {names}"})
    print("APP GOT", (await receive())["type"], len(served))


application = served.wrap(closing_app)


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
async def test_on_a_real_server_closing_reaches_client_and_app(kind: Kind) -> None:
    with run_server(kind, "tests.asgi.test_connections:application") as server:
        headers = {"Cookie": "sessionid=s3cret", "X-RxBridge-Connection": "forged"}
        async with connect(server.ws_url, additional_headers=headers) as socket:
            cookies, _, names = str(await socket.recv()).partition(" ")
            assert cookies == "sessionid=s3cret"
            assert names.count("x-rxbridge-connection") == 1
            assert "cookie" not in names.lower()
            async with httpx.AsyncClient() as http:
                response = await http.post(server.url)
                assert response.text == "1"
                with pytest.raises(ConnectionClosed):
                    await asyncio.wait_for(socket.recv(), 5)
                assert (socket.close_code, socket.close_reason) == (1012, "again")
                server.wait_for_log("APP GOT websocket.disconnect 0")
                assert (await http.post(server.url)).text == "0"
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{server.ws_url}/refused")
        assert refused.value.response.status_code == 403
        async with connect(server.ws_url) as socket:
            await socket.recv()
        log = server.log
    assert "Traceback" not in log
    assert "s3cret" not in log
