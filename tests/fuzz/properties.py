"""What must hold of the pure parts for any input: ``PROPERTIES``, each a hypothesis test."""

import asyncio
import contextlib
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import DisallowedHost
from django.http import QueryDict, parse_cookie
from hypothesis import given
from hypothesis import strategies as st

from rxbridge.asgi import ConnectionRegistry, CookieHandoff, OriginGuard, PrefixRouter, SPAStaticApp
from rxbridge.asgi._bundle import same_origin_module
from rxbridge.asgi.connections import (
    Connection,
    is_acceptable,
    parse_set_cookie,
    split_browsers,
)
from rxbridge.errors import InvalidEvent
from rxbridge.events import ReflexEvent, SyntheticRequestFactory
from rxbridge.events.sessions.channel import Channel
from rxbridge.events.sessions.revoker import SessionRevoker
from rxbridge.events.sessions.tracked import digest
from rxbridge.trace._page import render

HOST = "shop.example"
MARKS = "/\\.:;,=@#?%&[]{}\"'<> \t\r\n\x00\x7f\xe9\u2028"
near_text = st.text(st.sampled_from(MARKS) | st.characters(codec="utf-8"), max_size=24)
raw = st.binary(max_size=60) | st.text(st.sampled_from('ab=;, "\\/'), max_size=40).map(str.encode)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)


def scope_of(headers: list[tuple[bytes, bytes]], **more: Any) -> dict[str, Any]:
    scope = {"type": "websocket", "scheme": "ws", "path": "/_event/", "query_string": b""}
    return {**scope, "headers": headers, "client": ("127.0.0.1", 5), **more}


def answer_of(app: Any, scope: dict[str, Any]) -> tuple[int, bytes]:
    """Return status and body of what an ASGI app answers."""
    sent: list[dict[str, Any]] = []
    incoming = [{"type": "http.request", "body": b"", "more_body": False}]
    if scope["type"] == "websocket":
        incoming = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}]

    async def receive() -> dict[str, Any]:
        return incoming.pop(0) if incoming else await asyncio.Future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    status = next((each["status"] for each in sent if "status" in each), 0)
    return status, b"".join(each.get("body", b"") for each in sent)


# Requests.

header_names = st.sampled_from(
    [b"host", b"cookie", b"origin", b"user-agent", b"x-forwarded-proto", b"accept-language"]
) | st.binary(max_size=12)
headers = st.lists(st.tuples(header_names, raw | near_text.map(str.encode)), max_size=6)
router_data = json_values | st.fixed_dictionaries(
    {},
    optional={
        "asPath": near_text | json_values,
        "pathname": near_text | json_values,
        "query": json_values | st.dictionaries(near_text, json_values, max_size=4),
        "headers": json_values | st.dictionaries(near_text, near_text | json_values, max_size=4),
    },
)


@given(router_data=router_data, payload=json_values, headers=headers, known=st.booleans())
def request_factory(router_data: Any, payload: Any, headers: Any, known: bool) -> None:
    """Any event is a request without control characters in its path, or an ``InvalidEvent``."""
    scope = scope_of(headers)
    connection = Connection(scope) if known and is_acceptable(headers) else None
    event = ReflexEvent(name="x", router_data=router_data, payload=payload, connection=connection)
    registry = ConnectionRegistry() if known else None
    try:
        request = SyntheticRequestFactory(registry).build(event)
    except InvalidEvent:
        return
    assert request.path.startswith("/")
    assert not any(ord(each) < 32 or ord(each) == 127 for each in request.get_full_path())
    assert request.GET is not None
    assert request.COOKIES is not None
    assert len(request.headers) >= 0
    with contextlib.suppress(DisallowedHost):
        assert request.build_absolute_uri()


# Cookies.


@given(values=st.lists(raw, max_size=3))
def cookie_headers(values: list[bytes]) -> None:
    """A jar means to Django what the browser's headers did."""
    connection = Connection(scope_of([(b"cookie", value) for value in values]))
    assert parse_cookie(connection.cookie_header) == parse_cookie(
        "; ".join(value.decode("latin-1") for value in values)
    )


@given(
    answers=st.lists(raw | near_text.map(str.encode), max_size=4), name=near_text, value=near_text
)
def set_cookies(answers: list[bytes], name: str, value: str) -> None:
    """Whatever an answer sets, the jar stays a header of one line that reads as it was put in."""
    connection = Connection(scope_of([]))
    connection.follow([parse_set_cookie(each) for each in answers])
    try:
        connection.set_cookie(name, value)
    except ValueError:
        pass
    else:
        assert parse_cookie(connection.cookie_header).keys() >= {name.strip()}
    header = connection.cookie_header
    assert not any(ord(each) < 32 or ord(each) == 127 for each in header)
    again = Connection(scope_of([(b"cookie", header.encode("latin-1"))]))
    # The names that browsers are known by are the registry's own, and in no jar it reads.
    assert again.cookies == split_browsers(connection.cookies)[1]


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(
                [b"x-rxbridge-ticket", b"origin", b"host", b"sec-fetch-site", b"cookie"]
            ),
            raw | st.sampled_from([b"t" * 43, b"same-origin", b"http://a", b"a"]),
        ),
        max_size=7,
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "OPTIONS", ""]),
)
def hand_off(headers: Any, method: str) -> None:
    """A request without a ticket that was made sets nothing."""
    handoff = CookieHandoff(ConnectionRegistry())
    scope = scope_of(headers, type="http", method=method, path=handoff.path, scheme="http")
    assert answer_of(handoff, scope)[0] == 403


# Origins.


async def admitted(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


guard = OriginGuard(admitted, allowed=["https://partner.example", "https://.wide.example:8443"])
origins = st.one_of(
    raw,
    st.tuples(
        st.sampled_from(["http", "https", "HTTP", "ws", "null", "", "file"]),
        st.sampled_from(["://", ":/", ":", "", "//"]),
        st.sampled_from([HOST, "partner.example", "a.wide.example", "wide.example", "evil.test"])
        | near_text,
        st.sampled_from(["", ":80", ":443", ":8443", ":0", ":65536", ":٨", ".", "/", "@", "#", "?"])
        | near_text,
        st.sampled_from(["", HOST, "partner.example", ".evil.test"]),
    ).map(lambda parts: "".join(parts).encode("utf-8", "replace")),
)
ALLOWED = {
    f"http://{HOST}",
    f"http://{HOST}:80",
    "https://partner.example",
    "https://partner.example:443",
}


@given(values=st.lists(origins, min_size=1, max_size=2), poll=st.booleans())
def foreign_origins(values: list[bytes], poll: bool) -> None:
    """Only the host's own origin and those that are allowed get through."""
    found = [(b"host", HOST.encode()), *((b"origin", value) for value in values)]
    more = {"type": "http", "method": "POST", "scheme": "http"} if poll else {}
    status, _ = answer_of(guard, scope_of(found, **more))
    if status != 200:
        return
    (origin,) = {value.decode("latin-1").strip().lower() for value in values}
    is_wide = origin.startswith("https://") and origin.endswith("wide.example:8443")
    assert origin in ALLOWED or is_wide, values


# Prefixes.

segments = st.lists(st.sampled_from(["a", "b", "ab", "é", ".", "..", ""]), max_size=5)
prefixes = st.lists(
    st.lists(st.sampled_from(["a", "b", "ab", "é"]), min_size=1, max_size=3), max_size=6
)


@given(routes=prefixes, path=segments.map(lambda parts: "/" + "/".join(parts)) | near_text)
def prefix_router(routes: list[list[str]], path: str) -> None:
    """The longest prefix on a segment's border is chosen, whatever the path."""
    names = sorted({"/" + "/".join(row) for row in routes})
    chosen: list[str] = []

    def child(name: str) -> Callable[..., Any]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            chosen.append(name)

        return app

    router = PrefixRouter({name: child(name) for name in names}, default=child(""))
    answer_of(router, scope_of([], type="http", method="GET", path=path))
    under = [name for name in names if path == name or path.startswith(name + "/")]
    assert chosen == [max(under, key=len, default="")]


# Bundle paths.

_folder = tempfile.TemporaryDirectory(prefix="rxbridge-fuzz-")
_files = {
    "index.html": b"<p>index",
    "404.html": b"<p>not here",
    "about/index.html": b"<p>about",
    "assets/app-BpZ3k9Qa.js": b"app()",
    ".hidden": b"secret",
}


def _bundle() -> SPAStaticApp:
    root = Path(_folder.name)
    for name, content in _files.items():
        path = root / "bundle" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "outside.txt").write_bytes(b"secret")
    (root / "bundle" / "link.txt").unlink(missing_ok=True)
    (root / "bundle" / "link.txt").symlink_to(root / "outside.txt")
    return SPAStaticApp(root / "bundle")


bundle = _bundle()
bundle_segments = st.sampled_from(
    ["..", ".", "", "assets", "about", "index.html", "app-BpZ3k9Qa.js", ".hidden", "link.txt",
     "outside.txt", "%2e%2e", "..\\", "\x00", "bundle", "~", "C:"]
) | near_text  # fmt: skip


@given(
    path=st.lists(bundle_segments, max_size=7).map(lambda parts: "/" + "/".join(parts)),
    root_path=st.sampled_from(["", "/", "/..", "/assets"]),
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    headers=st.lists(
        st.tuples(
            st.sampled_from([b"accept", b"accept-encoding", b"range", b"if-none-match", b"host"]),
            raw | st.sampled_from([b"text/html", b"bytes=0-1,3-", b"bytes=-1", b"gzip;q=0"]),
        ),
        max_size=4,
    ),
)
def bundle_paths(path: str, root_path: str, method: str, headers: Any) -> None:
    """Nothing outside the bundle and nothing hidden in it is sent, and no request raises."""
    scope = scope_of(headers, type="http", method=method, path=path, root_path=root_path)
    status, body = answer_of(bundle, {**scope, "scheme": "http", "http_version": "1.1"})
    assert status in (200, 206, 304, 404, 405, 416)
    assert b"secret" not in body


@given(module=raw | st.binary(max_size=400))
def backend_addresses(module: bytes) -> None:
    """The module of the backend's addresses is rewritten or left, never an error."""
    same_origin_module(module)
    same_origin_module(b"EVENT:`ws://h/_event`" + module)


# Messages of other workers.

USER, SESSION, BROWSER = (digest(kind, "x") for kind in ("user", "session", "browser"))
digests = st.sampled_from([USER, SESSION, BROWSER]) | json_values
kinds = st.sampled_from(["session", "user", "browser", "disconnect", "refresh"])
messages = st.fixed_dictionaries(
    {"worker": st.just("another"), "kind": kinds | json_values},
    optional={
        "session": digests,
        "user": digests,
        "subject": digests,
        "auths": json_values,
        "browsers": st.lists(digests, max_size=3) | json_values,
        "keep": digests,
    },
)


@given(
    texts=st.lists(st.text() | messages.map(json.dumps) | json_values.map(json.dumps), max_size=4)
)
def wire_messages(texts: list[str]) -> None:
    """No message of the channel raises, then or in the next event of a tab it names."""
    asyncio.run(_hear(texts))


async def _hear(texts: list[str]) -> None:
    registry = ConnectionRegistry()
    revoker = SessionRevoker(registry)
    channel = Channel(
        None,  # type: ignore[arg-type]
        obey=revoker._obey,
        missed=revoker._missed,
        subject="revocations",
        overflow={"kind": "all"},
    )
    try:
        with registry.open() as connection:
            tab = revoker._tracked.of(connection)
            revoker._tracked._file(tab, SESSION, USER, BROWSER)
            tab.auth = "the password's"
            for text in texts:
                channel._hear(text)
            await asyncio.sleep(0)
            revoker._tracked._file(tab, SESSION, USER, BROWSER)
            revoker._catch_up(tab)
    finally:
        revoker.close()
        await revoker.stop()


# The trace's page.


@given(query=st.dictionaries(st.sampled_from(["before", "event", "refresh", "user"]), near_text))
def trace_queries(query: dict[str, str]) -> None:
    """Any address of the trace's page is a choice of events."""
    shown = render([], QueryDict(urlencode(query)), keep=1)
    refreshes = re.findall(r'http-equiv="refresh" content="(\d+)"', shown)
    assert all(0 < int(each) <= 60 for each in refreshes)


PROPERTIES: tuple[Callable[[], None], ...] = (
    request_factory,
    cookie_headers,
    set_cookies,
    hand_off,
    foreign_origins,
    prefix_router,
    bundle_paths,
    backend_addresses,
    wire_messages,
    trace_queries,
)
