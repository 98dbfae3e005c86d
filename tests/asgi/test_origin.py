"""OriginGuard: what it lets through, what it refuses, and what it tells whom."""

import asyncio
import logging
from typing import Any

import httpx
import pytest
from django.test import override_settings
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from rxbridge.asgi._types import Message, Receive, Scope, Send
from rxbridge.asgi.origin import OriginGuard
from tests.servers import KINDS, Kind, run_server

LOGGER = "rxbridge.asgi.origin"


class Recorder:
    """An app that remembers whether it was called."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)


def scope_of(
    *headers: tuple[str, str], kind: str = "websocket", scheme: str | None = None, **extra: Any
) -> Scope:
    return {
        "type": kind,
        "path": "/_event/",
        "scheme": scheme or ("ws" if kind == "websocket" else "http"),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
        **({"method": "POST"} if kind == "http" else {}),
        **extra,
    }


async def call(guard: OriginGuard, scope: Scope) -> list[Message]:
    """Call the guard as a server would and return what it sent."""
    incoming = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}]
    sent: list[Message] = []

    async def receive() -> Message:
        return incoming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await guard(scope, receive, send)
    return sent


async def admits(scope: Scope, **options: Any) -> bool:
    """Whether a guard with `options` lets `scope` through; a refusal must be a whole 403."""
    app = Recorder()
    sent = await call(OriginGuard(app, **options), scope)
    if app.scopes:
        assert app.scopes == [scope]
        assert sent == []
        return True
    if scope["type"] == "websocket":
        assert sent == [{"type": "websocket.close"}]
    else:
        assert [message["type"] for message in sent] == [
            "http.response.start",
            "http.response.body",
        ]
        assert sent[0]["status"] == 403
    return False


ALLOWED = [
    "https://trusted.org",
    "https://trusted.org:8443",
    "https://*.wild.net",
    "https://.dotted.net:444",
    "http://[2001:db8::1]:8080",
    "capacitor://localhost",
]

# scheme of the request, Host, Origin, whether it is let through
ORIGINS = [
    # the host itself
    ("ws", "example.com", "http://example.com", True),
    ("wss", "example.com", "https://example.com", True),
    ("ws", "example.com:8000", "http://example.com:8000", True),
    ("wss", "example.com:443", "https://example.com", True),
    ("wss", "example.com", "https://example.com:443", True),
    ("ws", "example.com:80", "http://example.com", True),
    ("wss", "EXAMPLE.com", "https://example.com", True),
    ("wss", "example.com", "HTTPS://Example.COM", True),
    ("ws", "[::1]:8000", "http://[::1]:8000", True),
    ("ws", "[0:0:0:0:0:0:0:1]:8000", "http://[::1]:8000", True),
    ("wss", "xn--bcher-kva.example", "https://xn--bcher-kva.example", True),
    ("wss", "example.com.", "https://example.com.", True),
    # the host with something different
    ("wss", "example.com", "http://example.com", False),
    ("ws", "example.com", "https://example.com", False),
    ("wss", "example.com", "wss://example.com", False),
    ("wss", "example.com", "https://example.com:8443", False),
    ("wss", "example.com:8443", "https://example.com", False),
    ("wss", "example.com", "https://example.com:80", False),
    ("ws", "example.com:443", "http://example.com", False),
    ("wss", "example.com", "https://example.com.", False),
    ("wss", "example.com", "https://www.example.com", False),
    ("wss", "www.example.com", "https://api.example.com", False),
    ("wss", "www.example.com", "https://example.com", False),
    ("wss", "example.com", "https://notexample.com", False),
    ("wss", "example.com", "https://example.com.evil.org", False),
    ("wss", "example.com", "https://evil.org", False),
    ("ws", "[::1]:8000", "http://[::2]:8000", False),
    ("ws", "127.0.0.1:8000", "http://localhost:8000", False),
    ("wss", "xn--bcher-kva.example", "https://bücher.example", False),
    # userinfo, paths and other spellings that a careless parser reads another way
    ("wss", "example.com", "https://example.com@evil.org", False),
    ("wss", "example.com", "https://evil.org@example.com", False),
    ("wss", "example.com", "https://user:pass@example.com", False),
    ("wss", "example.com", "https://example.com/", False),
    ("wss", "example.com", "https://example.com?", False),
    ("wss", "example.com", "https://example.com#", False),
    ("wss", "example.com", "https://evil.org#example.com", False),
    ("wss", "example.com", "https://evil.org\\.example.com", False),
    ("wss", "example.com", "https://evil.org/.example.com", False),
    ("wss", "example.com", "https://example.com https://evil.org", False),
    ("wss", "example.com", "https://example.com, https://evil.org", False),
    ("wss", "example.com", " https://example.com", False),
    ("wss", "example.com", "https://example.com\n", False),
    ("wss", "example.com", "https://example.com\x00", False),
    ("wss", "example.com", "https://example.com%00", False),
    ("wss", "example.com", "https://example.com:", False),
    ("wss", "example.com", "https://example.com:443:443", False),
    ("wss", "example.com", "https://example.com:99999", False),
    ("wss", "example.com", "https://example.com:\uff14\uff14\uff13", False),
    ("wss", "example.com", "https://example..com", False),
    ("ws", "[::1]:8000", "http://[::1%25eth0]:8000", False),
    ("ws", "[::1]:8000", "http://::1:8000", False),
    ("ws", "[::1]:8000", "http://[::g]:8000", False),
    ("wss", "example.com", "https:example.com", False),
    ("wss", "example.com", "//example.com", False),
    ("wss", "example.com", "example.com", False),
    ("wss", "example.com", "null", False),
    ("wss", "example.com", "", False),
    ("wss", "null", "null", False),
    ("wss", "example.com", "file://", False),
    # other origins, allowed by name
    ("wss", "example.com", "https://trusted.org", True),
    ("wss", "example.com", "https://trusted.org:443", True),
    ("wss", "example.com", "https://trusted.org:8443", True),
    ("wss", "example.com", "http://[2001:db8:0:0::1]:8080", True),
    ("wss", "example.com", "capacitor://localhost", True),
    ("wss", "example.com", "http://trusted.org", False),
    ("wss", "example.com", "https://trusted.org:8444", False),
    ("wss", "example.com", "https://a.trusted.org", False),
    ("wss", "example.com", "https://trusted.org.", False),
    ("wss", "example.com", "ionic://localhost", False),
    # and by domain
    ("wss", "example.com", "https://wild.net", True),
    ("wss", "example.com", "https://a.wild.net", True),
    ("wss", "example.com", "https://a.b.WILD.net", True),
    ("wss", "example.com", "https://a.dotted.net:444", True),
    ("wss", "example.com", "http://a.wild.net", False),
    ("wss", "example.com", "https://a.wild.net:8443", False),
    ("wss", "example.com", "https://evilwild.net", False),
    ("wss", "example.com", "https://.wild.net", False),
    ("wss", "example.com", "https://wild.net.evil.org", False),
    ("wss", "example.com", "https://*.wild.net", False),
    ("wss", "example.com", "https://a.dotted.net", False),
    # hosts that are none
    ("wss", "", "https://example.com", False),
    ("wss", "user@example.com", "https://example.com", False),
    ("wss", "example.com/", "https://example.com", False),
    ("wss", "example.com,example.com", "https://example.com", False),
    ("wss", "exam ple.com", "https://trusted.org", False),
]


@pytest.mark.parametrize(("scheme", "host", "origin", "let_through"), ORIGINS)
async def test_origin_of_a_handshake(
    scheme: str, host: str, origin: str, let_through: bool
) -> None:
    headers = ("host", host), ("origin", origin.encode("utf-8").decode("latin-1"))
    assert await admits(scope_of(*headers, scheme=scheme), allowed=ALLOWED) is let_through
    upload = scope_of(*headers, kind="http", scheme=scheme.replace("ws", "http"))
    assert await admits(upload, allowed=ALLOWED) is let_through


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "get", "BREW"])
async def test_unsafe_methods_are_guarded(method: str) -> None:
    headers = ("host", "example.com"), ("origin", "http://evil.org")
    assert not await admits(scope_of(*headers, kind="http", method=method))


SAFE = ["GET", "HEAD", "OPTIONS", "TRACE"]


@pytest.mark.parametrize("method", SAFE)
async def test_safe_methods_pass_whatever_the_origin(method: str) -> None:
    headers = ("host", "example.com"), ("origin", "http://evil.org")
    assert await admits(scope_of(*headers, kind="http", method=method, path="/ping"))


@pytest.mark.parametrize("path", ["/_event", "/_event/", "/_event/x", "/garden/_event/"])
@pytest.mark.parametrize("method", SAFE)
async def test_poll_of_socket_io_is_guarded_as_a_handshake_is(method: str, path: str) -> None:
    host = ("host", "example.com")
    for origin, let_through in (("http://evil.org", False), ("http://example.com", True)):
        poll = scope_of(host, ("origin", origin), kind="http", method=method, path=path)
        assert await admits(poll) is let_through
    assert not await admits(scope_of(host, kind="http", method=method, path=path))


@pytest.mark.parametrize("kind", ["lifespan", "webtransport"])
async def test_other_scopes_pass_untouched(kind: str) -> None:
    app = Recorder()
    scope = {"type": kind}
    assert await call(OriginGuard(app), scope) == []
    assert app.scopes[0] is scope


HOST = ("host", "example.com")
OWN = ("origin", "http://example.com")


@pytest.mark.parametrize(
    ("headers", "options", "let_through"),
    [
        ([HOST], {}, False),
        ([HOST], {"allowed": ["*"]}, False),
        ([HOST], {"allow_missing": True}, True),
        ([HOST, ("origin", "")], {"allow_missing": True}, False),
        ([HOST, ("origin", "null")], {"allow_missing": True}, False),
        ([HOST, ("origin", "http://evil.org")], {"allow_missing": True}, False),
        ([HOST, OWN, OWN], {}, False),
        ([HOST, OWN, ("origin", "http://evil.org")], {"allow_missing": True}, False),
        ([HOST, ("Origin", "http://evil.org"), OWN], {}, False),
        ([("Host", "example.com"), ("ORIGIN", "http://example.com")], {}, True),
        ([HOST, HOST, OWN], {}, False),
        ([OWN], {}, False),
        ([], {"allow_missing": True, "allowed": ["*"]}, False),
        ([HOST, ("origin", "http://evil.org")], {"allowed": ["*"]}, True),
        ([HOST, ("origin", "null")], {"allowed": ["*"]}, True),
        ([HOST, OWN, OWN], {"allowed": ["*"]}, False),
        # What only a proxy may say is not believed unless it is asked for.
        ([HOST, ("x-forwarded-host", "evil.org"), ("origin", "http://evil.org")], {}, False),
        ([HOST, ("x-forwarded-proto", "https"), ("origin", "https://example.com")], {}, False),
        ([HOST, ("forwarded", "host=evil.org"), ("origin", "http://evil.org")], {}, False),
        ([HOST, ("referer", "http://example.com/")], {}, False),
    ],
)
async def test_missing_repeated_and_untrusted_headers(
    headers: list[tuple[str, str]], options: dict[str, Any], let_through: bool
) -> None:
    assert await admits(scope_of(*headers), **options) is let_through
    assert await admits(scope_of(*headers, kind="http"), **options) is let_through


@pytest.mark.parametrize(
    ("hosts", "host", "let_through"),
    [
        (["example.com"], "example.com:8000", True),
        (["EXAMPLE.com"], "example.com", True),
        ([".example.com"], "a.example.com", True),
        ([".example.com"], "example.com.", True),
        (["*"], "rebound.evil.org", True),
        (["[::1]"], "[::1]:8000", True),
        (["example.com"], "rebound.evil.org", False),
        (["example.com"], "a.example.com", False),
        ([".example.com"], "evilexample.com", False),
        ([""], "example.com", False),
        ([], "example.com", False),
    ],
)
async def test_a_host_the_site_does_not_answer_on_is_refused_even_with_its_own_origin(
    hosts: list[str], host: str, let_through: bool
) -> None:
    scope = scope_of(("host", host), ("origin", f"http://{host}"))
    assert await admits(scope, hosts=hosts) is let_through


@pytest.mark.parametrize(
    ("scheme", "header", "origin", "let_through"),
    [
        ("ws", "https", "https://example.com", True),
        ("ws", "wss", "https://example.com", True),
        ("ws", "https, http", "https://example.com", True),
        ("ws", "http", "http://example.com", True),
        ("ws", "http, https", "https://example.com", False),
        ("ws", "https", "http://example.com", False),
        ("wss", "http", "https://example.com", False),
        ("ws", None, "https://example.com", False),
        ("wss", None, "https://example.com", True),
    ],
)
async def test_scheme_said_by_a_trusted_proxy(
    scheme: str, header: str | None, origin: str, let_through: bool
) -> None:
    forwarded = [("x-forwarded-proto", header)] if header else []
    scope = scope_of(HOST, ("origin", origin), *forwarded, scheme=scheme)
    options = {"secure_proxy_ssl_header": ("X-Forwarded-Proto", "https")}
    assert await admits(scope, **options) is let_through


@pytest.mark.parametrize(
    ("forwarded", "let_through"),
    [(["public.org"], True), (["other.org"], False), (["public.org", "public.org"], False)],
)
async def test_host_said_by_a_trusted_proxy(forwarded: list[str], let_through: bool) -> None:
    headers = [("x-forwarded-host", host) for host in forwarded]
    scope = scope_of(("host", "backend:8000"), ("origin", "http://public.org"), *headers)
    assert await admits(scope, use_x_forwarded_host=True) is let_through


@pytest.mark.parametrize(
    "entry",
    [
        "example.com",
        ".example.com",
        "*.example.com",
        "https://example.com/",
        "https://example.com/path",
        "https://user@example.com",
        "https://*",
        "https://*example.com",
        "https://a.*.example.com",
        "https://example.com:*",
        "https://bücher.example",
        "null",
        "",
    ],
)
def test_an_origin_that_could_never_match_is_an_error(entry: str) -> None:
    with pytest.raises(ValueError, match=r"https://example\.com"):
        OriginGuard(Recorder(), allowed=[entry])


@pytest.mark.parametrize("argument", ["allowed", "hosts"])
def test_a_string_instead_of_a_list_is_an_error(argument: str) -> None:
    with pytest.raises(ValueError, match=r"write \['https://example.com'\]"):
        OriginGuard(Recorder(), **{argument: "https://example.com"})  # type: ignore[arg-type]


TRICKY = st.text("aA.:/@8 0[]-\\#%", max_size=6)


@given(st.sampled_from(["a.b", "a.b:80", "a.b:8", "[::a]:8"]), TRICKY, TRICKY, TRICKY)
def test_no_origin_but_the_hosts_own_gets_through(
    host: str, before: str, after: str, scheme_tail: str
) -> None:
    origin = f"http{scheme_tail}://{before}{host}{after}"
    scope = scope_of(("host", host), ("origin", origin))
    same = origin.lower().removesuffix(":80") == f"http://{host}".removesuffix(":80")
    assert asyncio.run(admits(scope)) is same


@given(st.binary(max_size=60))
def test_any_bytes_are_answered(value: bytes) -> None:
    scope = scope_of(HOST)
    scope["headers"] += [(b"origin", value)]
    assert not asyncio.run(admits(scope))


class TestFromSettings:
    @pytest.mark.parametrize(
        ("host", "origin", "let_through"),
        [
            ("shop.org", "http://shop.org", True),
            ("a.shop.net", "http://a.shop.net", True),
            ("shop.org", "https://partner.org", True),
            ("shop.org", "https://x.partner.net", True),
            ("shop.org", "https://extra.org", True),
            ("a.shop.net", "http://b.shop.net", False),
            ("rebound.evil.org", "http://rebound.evil.org", False),
            ("rebound.evil.org", "https://partner.org", False),
            ("shop.org", "http://partner.org", False),
        ],
    )
    async def test_hosts_and_trusted_origins(
        self, host: str, origin: str, let_through: bool
    ) -> None:
        app = Recorder()
        with override_settings(
            ALLOWED_HOSTS=["shop.org", ".shop.net"],
            CSRF_TRUSTED_ORIGINS=["https://partner.org", "https://*.partner.net"],
        ):
            guard = OriginGuard.from_settings(app, allowed=["https://extra.org"])
        await call(guard, scope_of(("host", host), ("origin", origin)))
        assert bool(app.scopes) is let_through

    @pytest.mark.parametrize(
        ("debug", "host", "let_through"),
        [
            (True, "localhost:8000", True),
            (True, "app.localhost:8000", True),
            (True, "127.0.0.1:8000", True),
            (True, "[::1]:8000", True),
            (True, "rebound.evil.org", False),
            (False, "localhost:8000", False),
        ],
    )
    async def test_empty_allowed_hosts(self, debug: bool, host: str, let_through: bool) -> None:
        app = Recorder()
        with override_settings(ALLOWED_HOSTS=[], DEBUG=debug):
            guard = OriginGuard.from_settings(app)
        await call(guard, scope_of(("host", host), ("origin", f"http://{host}")))
        assert bool(app.scopes) is let_through

    async def test_proxy_settings(self) -> None:
        app = Recorder()
        with override_settings(
            ALLOWED_HOSTS=["public.org"],
            SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
            USE_X_FORWARDED_HOST=True,
        ):
            guard = OriginGuard.from_settings(app)
        headers = [
            ("host", "backend:8000"),
            ("x-forwarded-host", "public.org"),
            ("x-forwarded-proto", "https"),
            ("origin", "https://public.org"),
        ]
        await call(guard, scope_of(*headers))
        assert len(app.scopes) == 1

    async def test_settings_changed_later_change_nothing(self) -> None:
        app = Recorder()
        with override_settings(ALLOWED_HOSTS=["first.org"]):
            guard = OriginGuard.from_settings(app)
        with override_settings(ALLOWED_HOSTS=["second.org"]):
            await call(guard, scope_of(("host", "second.org"), ("origin", "http://second.org")))
            await call(guard, scope_of(("host", "first.org"), ("origin", "http://first.org")))
        assert [scope["headers"][0][1] for scope in app.scopes] == [b"first.org"]

    async def test_missing_origin_is_refused_unless_allowed(self) -> None:
        strict, lenient = Recorder(), Recorder()
        scope = scope_of(("host", "testserver"))
        await call(OriginGuard.from_settings(strict), scope)
        await call(OriginGuard.from_settings(lenient, allow_missing=True), scope)
        assert (len(strict.scopes), len(lenient.scopes)) == (0, 1)


async def test_a_refusal_is_logged_once_without_control_characters(
    caplog: pytest.LogCaptureFixture,
) -> None:
    origin = "https://evil.org\r\nERROR forged \x1b[31m\u00e9" + "x" * 5000
    scope = scope_of(HOST, ("origin", origin), path="/_event/\n\u2028forged")
    with caplog.at_level(logging.INFO, logger=LOGGER):
        await admits(scope)
    (record,) = caplog.records
    message = record.getMessage()
    assert record.levelno == logging.WARNING
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 1200
    assert "evil.org" in message


async def test_an_allowed_request_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger=LOGGER):
        assert await admits(scope_of(HOST, OWN))
    assert caplog.records == []


async def test_a_missing_proxy_setting_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await admits(scope_of(HOST, ("origin", "https://example.com")))
    assert "SECURE_PROXY_SSL_HEADER" in caplog.text


async def test_the_answer_leaks_nothing() -> None:
    guard = OriginGuard(Recorder(), allowed=["https://secret-partner.org"])
    start, body = await call(guard, scope_of(HOST, ("origin", "http://evil.org"), kind="http"))
    assert body["body"] == b"Forbidden"
    assert dict(start["headers"]) == {
        b"content-type": b"text/plain; charset=utf-8",
        b"content-length": b"9",
        b"cache-control": b"no-store",
        b"x-content-type-options": b"nosniff",
    }


async def test_a_client_that_has_gone_before_the_refusal_is_sent_nothing() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(message: Message) -> None:
        sent.append(message)

    await OriginGuard(Recorder())(scope_of(HOST), receive, send)
    assert sent == []


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Say on standard output that it was reached, and answer."""
    if scope["type"] == "lifespan":
        raise ValueError("no lifespan")
    print("REACHED", scope["type"])
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "welcome"})
    await receive()


guarded = OriginGuard(echo, allowed=["https://trusted.org"])


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
async def test_on_a_real_server_a_foreign_origin_gets_403_before_the_app_sees_it(
    kind: Kind,
) -> None:
    with run_server(kind, "tests.asgi.test_origin:guarded") as server:
        for origin in ("http://evil.org", "null", None):
            with pytest.raises(InvalidStatus) as refused:
                await connect(server.ws_url, origin=origin)  # type: ignore[arg-type]
            assert refused.value.response.status_code == 403
            headers = {"origin": origin} if origin else {}
            async with httpx.AsyncClient() as http:
                response = await http.post(f"{server.url}/_upload", headers=headers)
            assert (response.status_code, response.text) == (403, "Forbidden")
        assert "REACHED" not in server.log
        for origin in (server.url, "https://trusted.org"):
            async with connect(server.ws_url, origin=origin) as socket:  # type: ignore[arg-type]
                assert await socket.recv() == "welcome"
            async with httpx.AsyncClient() as http:
                response = await http.post(server.url, headers={"origin": origin})
            assert response.text == "ok"
        log = server.log
    assert log.count("Refused") == 6
    assert "Traceback" not in log
    assert "Exception" not in log
