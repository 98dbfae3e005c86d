"""SPAStaticApp called as a plain ASGI app, then on real servers."""

import contextlib
import logging
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxbridge.asgi._bundle import same_origin_module
from rxbridge.asgi.spa import BUILD_COMMAND, SPAStaticApp, find_bundle
from tests.servers import KINDS, Kind, run_server

APP_JS = b"console.log('app');" * 1000
ENV_JS = (
    b"var e={PING:`http://localhost:8000/ping`,EVENT:`ws://localhost:8000/_event`,"
    b"UPLOAD:`http://localhost:8000/_upload`,TRANSPORT:`websocket`,TEST_MODE:!1};export{e as t};"
)
FILES = {
    "index.html": b"<html>index</html>",
    "about.html": b"<html>about</html>",
    "about/index.html": b"<html>about</html>",
    "__spa-fallback.html": b"<html>shell</html>",
    "404.html": b"<html>lost</html>",
    "assets/app-BpZ3k9Qa.js": APP_JS,
    "assets/app-BpZ3k9Qa.js.gz": b"gz" * 100,
    "assets/app-BpZ3k9Qa.js.br": b"br" * 80,
    "assets/app-BpZ3k9Qa.js.zst": b"zs" * 90,
    "assets/button--HW9aPlK.js": b"button",
    "assets/site-NccINl-w.css": b"css",
    "assets/settings.js": b"settings",
    "assets/user-settings.js": b"user settings",
    "assets/reflex-env-BVGF6eGS.js": ENV_JS,
    "assets/reflex-env-BVGF6eGS.js.gz": b"old address",
    "grown.txt": b"small",
    "grown.txt.gz": b"larger than the original",
    "café.txt": "naïve".encode(),
    "page-BpZ3k9Qa.js": b"hashed name outside assets",
    ".env": b"SECRET=1",
    ".git/config": b"SECRET=1",
    "assets/.hidden": b"SECRET=1",
    ".well-known/security.txt": b"Contact: us",
    ".well-known/.secret": b"SECRET=1",
}
JS = "/assets/app-BpZ3k9Qa.js"
ENV = "/assets/reflex-env-BVGF6eGS.js"
NAVIGATION = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OUTSIDE = b"outside the bundle"


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    messages: list[dict[str, Any]]


async def ask(
    app: SPAStaticApp,
    path: str,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    **scope: Any,
) -> Reply:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(k.lower().encode(), v.encode("latin-1")) for k, v in (headers or {}).items()]
    http = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": method,
        "path": path,
        "headers": raw,
    }
    await app({**http, **scope}, receive, send)
    start, *rest = sent
    names = [name for name, _ in start["headers"]]
    assert len(names) == len(set(names)), "a header is sent twice"
    return Reply(
        start["status"],
        {name.decode(): value.decode() for name, value in start["headers"]},
        b"".join(message.get("body", b"") for message in rest),
        sent,
    )


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def is_route(path: str) -> str | None:
    """As ``app.router``: a static page, dynamic ones, a catch-all, and Reflex's aliases."""
    if path.startswith("/files/"):
        return "files/[[...splat]]"
    if path.startswith("/post/"):
        return "post/[slug]"
    return {"/": "index", "/index": "index", "/404": "404"}.get(path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle no test changes, next to a file that must never be served."""
    parent = tmp_path_factory.mktemp("spa")
    (parent / "outside.txt").write_bytes(OUTSIDE)
    return write(parent / "bundle", FILES)


@pytest.fixture(scope="module")
def app(shared: Path) -> SPAStaticApp:
    return SPAStaticApp(shared, is_route=is_route)


@pytest.fixture(params=[64 * 1024 * 1024, 0], ids=["in memory", "streamed"])
def either(request: pytest.FixtureRequest, shared: Path) -> SPAStaticApp:
    """The app with all files held in memory, and with all of them on disk."""
    return SPAStaticApp(shared, is_route=is_route, max_memory=request.param)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle", FILES)


# --- What a path serves ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (JS, "assets/app-BpZ3k9Qa.js"),
        ("/", "index.html"),
        ("", "index.html"),
        ("/index.html", "index.html"),
        ("/about", "about.html"),
        ("/about/", "about/index.html"),
        ("/about.html", "about.html"),
        ("/café.txt", "café.txt"),
        ("/.well-known/security.txt", ".well-known/security.txt"),
        (f"{JS}.gz", "assets/app-BpZ3k9Qa.js.gz"),
    ],
)
async def test_path_serves_file(either: SPAStaticApp, path: str, name: str) -> None:
    reply = await ask(either, path)
    assert (reply.status, reply.body) == (200, FILES[name])
    assert reply.headers["content-length"] == str(len(FILES[name]))
    assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/../outside.txt",
        "/assets/../../outside.txt",
        "/assets/../index.html",
        "/./index.html",
        "/..",
        "/.",
        "..",
        "//index.html",
        "/assets//app-BpZ3k9Qa.js",
        "/assets",
        "/assets/",
        "/index.html/",
        "/index.html\x00",
        "/\x00/../index.html",
        "/..%2foutside.txt",
        "/%2e%2e/outside.txt",
        "/caf%C3%A9.txt",
        "/..\\outside.txt",
        "\\..\\outside.txt",
        "/" + "a" * 300,
        "/" + "a/" * 5000,
        "/" + "x" * 100_000 + ".js",
        "/.env",
        "/.git/config",
        "/assets/.hidden",
        "/.well-known/.secret",
        "/\ud800",
        "/index.html::$DATA",
        "/INDEX.HTML",
    ],
)
@pytest.mark.parametrize("headers", [{}, NAVIGATION], ids=["fetch", "navigation"])
async def test_path_serves_nothing(app: SPAStaticApp, path: str, headers: dict[str, str]) -> None:
    reply = await ask(app, path, headers=headers)
    assert reply.status == 404
    assert reply.headers["cache-control"] == "no-store"
    assert b"SECRET" not in reply.body
    assert OUTSIDE not in reply.body


@pytest.mark.parametrize(
    "path", ["/files/.env", "/files/../x", "/files/a\x00", "/files/a\r\nb", "/files/./x"]
)
async def test_catch_all_route_does_not_answer_for_dotfiles_or_control_characters(
    app: SPAStaticApp, path: str
) -> None:
    assert (await ask(app, path, headers=NAVIGATION)).status == 404


@pytest.mark.parametrize("link", ["leak.txt", "assets/leak.js", "folder", "app.js.gz", "loop"])
async def test_symlink_out_of_the_bundle_is_not_followed(bundle: Path, link: str) -> None:
    outside = write(bundle.parent / "outside", {"secret.txt": OUTSIDE})
    (bundle / "app.js").write_bytes(APP_JS)
    target = {"folder": outside, "loop": bundle}.get(link, outside / "secret.txt")
    (bundle / link).symlink_to(target)
    app = SPAStaticApp(bundle)
    for path in (f"/{link}", f"/{link}/secret.txt", f"/{link}/index.html", "/app.js"):
        reply = await ask(app, path, headers={"accept-encoding": "gzip"})
        assert OUTSIDE not in reply.body
        assert "content-encoding" not in reply.headers
        assert reply.status == (200 if path == "/app.js" else 404)


async def test_symlink_within_the_bundle_serves_visible_files_only(bundle: Path) -> None:
    (bundle / "alias.js").symlink_to("assets/app-BpZ3k9Qa.js")
    (bundle / "public.txt").symlink_to(".env")
    (bundle / "broken.txt").symlink_to("nowhere")
    app = SPAStaticApp(bundle)
    assert (await ask(app, "/alias.js")).body == APP_JS
    assert (await ask(app, "/public.txt")).status == 404
    assert (await ask(app, "/broken.txt")).status == 404


async def test_file_that_becomes_a_symlink_out_after_it_was_read_is_404(bundle: Path) -> None:
    (bundle.parent / "secret.txt").write_bytes(OUTSIDE)
    app = SPAStaticApp(bundle, max_memory=0, check_interval=None)
    (bundle / "grown.txt").unlink()
    (bundle / "grown.txt").symlink_to(bundle.parent / "secret.txt")
    assert (await ask(app, "/grown.txt")).status == 404


async def test_fifo_is_not_served(bundle: Path) -> None:
    os.mkfifo(bundle / "pipe")
    assert (await ask(SPAStaticApp(bundle), "/pipe")).status == 404


# --- Pages and routes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/post/x", 200, b"<html>shell</html>"),
        ("/post/v1.2.js", 200, b"<html>shell</html>"),
        ("/post/ünï", 200, b"<html>shell</html>"),
        ("/files/a/b.txt", 200, b"<html>shell</html>"),
        ("/nope", 404, b"<html>lost</html>"),
        ("/nope.html", 404, b"<html>lost</html>"),
        ("/404", 404, b"<html>lost</html>"),
        ("/index", 404, b"<html>lost</html>"),
        ("/assets/gone-AAAA1111.js", 404, b"Not Found"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_navigation(
    either: SPAStaticApp, path: str, status: int, body: bytes, method: str
) -> None:
    reply = await ask(either, path, method, NAVIGATION)
    assert reply.status == status
    assert reply.body == (body if method == "GET" else b"")
    assert reply.headers["content-length"] == str(len(body))
    assert reply.headers["cache-control"] == ("no-cache" if status == 200 else "no-store")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"accept": "*/*"},
        {"accept": "text/html;q=0, */*"},
        {"accept": "application/json"},
        {**NAVIGATION, "sec-fetch-mode": "cors"},
        {**NAVIGATION, "sec-fetch-mode": "no-cors", "sec-fetch-dest": "script"},
    ],
)
@pytest.mark.parametrize("path", ["/post/x", "/nope", "/assets/gone-AAAA1111.js"])
async def test_request_that_is_no_navigation_never_gets_html(
    app: SPAStaticApp, path: str, headers: dict[str, str]
) -> None:
    reply = await ask(app, path, headers=headers)
    assert reply.status == 404
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["cache-control"] == "no-store"


async def test_missing_chunk_is_404_even_for_html_clients_below_a_catch_all(shared: Path) -> None:
    app = SPAStaticApp(shared, is_route=lambda path: True)
    reply = await ask(app, "/assets/gone-AAAA1111.js", headers=NAVIGATION)
    assert (reply.status, reply.body) == (404, b"Not Found")


async def test_browser_navigation_with_fetch_metadata_gets_the_shell(app: SPAStaticApp) -> None:
    headers = {**NAVIGATION, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert (await ask(app, "/post/x", headers=headers)).status == 200


async def test_without_is_route_only_prerendered_pages_are_known(shared: Path) -> None:
    app = SPAStaticApp(shared)
    assert (await ask(app, "/about", headers=NAVIGATION)).status == 200
    assert (await ask(app, "/post/x", headers=NAVIGATION)).status == 404


async def test_404_page_has_no_validator_and_is_never_a_304(app: SPAStaticApp) -> None:
    headers = {**NAVIGATION, "if-none-match": "*", "range": "bytes=0-0"}
    reply = await ask(app, "/nope", headers=headers)
    assert reply.status == 404
    assert not {"etag", "last-modified", "accept-ranges"} & reply.headers.keys()


async def test_bundle_without_404_page_answers_unknown_routes_in_plain_text(tmp_path: Path) -> None:
    app = SPAStaticApp(write(tmp_path, {"index.html": b"<html>"}), is_route=is_route)
    assert (await ask(app, "/nope", headers=NAVIGATION)).body == b"Not Found"
    assert (await ask(app, "/post/x", headers=NAVIGATION)).body == b"<html>"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get"])
async def test_other_methods_are_405(app: SPAStaticApp, method: str) -> None:
    reply = await ask(app, "/", method)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


# --- Mounting -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("root_path", "path", "status"),
    [
        ("/base", "/base/about", 200),
        ("/base/", "/base/about", 200),
        ("/base", "/base", 200),
        ("/base", "/base/", 200),
        ("/base", "/about", 200),  # A proxy that cut root_path off.
        ("/base", "/basement", 404),
        ("/base", "/base/post/x", 200),
        (None, "/about", 200),
    ],
)
async def test_root_path_is_cut_off_on_segment_boundaries(
    app: SPAStaticApp, root_path: str | None, path: str, status: int
) -> None:
    reply = await ask(app, path, headers=NAVIGATION, root_path=root_path)
    assert reply.status == status


async def test_bundle_with_frontend_path_is_served_below_it(tmp_path: Path) -> None:
    write(tmp_path / "shop", FILES)
    asked: list[str] = []

    def record(path: str) -> str | None:
        asked.append(path)
        return is_route(path)

    app = SPAStaticApp(tmp_path, is_route=record)
    assert (await ask(app, "/shop/")).body == FILES["index.html"]
    assert (await ask(app, "/shop/about")).body == FILES["about.html"]
    assert (await ask(app, "/shop/post/x", headers=NAVIGATION)).status == 200
    assert (await ask(app, "/post/x", headers=NAVIGATION)).status == 404
    assert asked == ["/post/x"], "a route is asked for without frontend_path"
    assert "immutable" in (await ask(app, f"/shop{JS}")).headers["cache-control"]
    assert b"location.origin" in (await ask(app, f"/shop{ENV}")).body
    gone = await ask(app, "/shop/assets/gone.js", headers=NAVIGATION)
    assert gone.body == b"Not Found"


# --- Headers --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "immutable"),
    [
        (JS, True),
        ("/assets/button--HW9aPlK.js", True),
        ("/assets/site-NccINl-w.css", True),
        ("/assets/settings.js", False),
        ("/assets/user-settings.js", False),
        (ENV, False),
        ("/page-BpZ3k9Qa.js", False),
        ("/", False),
        ("/about", False),
    ],
)
async def test_directory_and_name_decide_what_is_immutable(
    app: SPAStaticApp, path: str, immutable: bool
) -> None:
    cache_control = (await ask(app, path)).headers["cache-control"]
    assert cache_control == ("public, max-age=31536000, immutable" if immutable else "no-cache")


@pytest.mark.parametrize(
    ("name", "content_type"),
    [
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.html", "text/html; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.xml", "text/xml; charset=utf-8"),
        ("a.JS", "text/javascript; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.map", "application/json"),
        ("a.wasm", "application/wasm"),
        ("a.woff2", "font/woff2"),
        ("a.svg", "image/svg+xml"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.tar.gz", "application/gzip"),
        ("a.unheard-of", "application/octet-stream"),
        ("noextension", "application/octet-stream"),
    ],
)
async def test_content_type_does_not_depend_on_the_machine(
    tmp_path: Path, name: str, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mimetypes.types_map", {".js": "text/plain", ".css": "text/plain"})
    app = SPAStaticApp(write(tmp_path, {name: b"x", "index.html": b""}), same_origin=False)
    assert (await ask(app, f"/{name}")).headers["content-type"] == content_type


async def test_middleware_that_changes_headers_does_not_change_the_next_reply(
    app: SPAStaticApp,
) -> None:
    for headers in ({}, {"if-none-match": "*"}):
        first = await ask(app, JS, headers=headers)
        first.messages[0]["headers"].append((b"set-cookie", b"session=1"))
        assert "set-cookie" not in (await ask(app, JS, headers=headers)).headers


# --- Encodings ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        (None, None),
        ("", None),
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, zstd", "zstd"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip;q=1.0, br;q=0.5", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.000, br;q=0, zstd;q=0", None),
        ("*;q=0", None),
        ("*", "br"),
        ("*, br;q=0", "zstd"),
        ("*;q=0, gzip", "gzip"),
        ("identity", None),
        ("identity;q=1, *;q=0", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.6", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("deflate", None),
        ("gzip ; q=0.8 , br ; q=0.9", "br"),
        ("gzip;q=nan, br;q=inf", None),
        ("gzip;q=2", None),
        ("gzip;q=-1", None),
        ("gzipped", None),
        (",,;;q=,=", None),
    ],
)
async def test_accept_encoding(
    either: SPAStaticApp, accept_encoding: str | None, coding: str | None
) -> None:
    headers = {} if accept_encoding is None else {"accept-encoding": accept_encoding}
    reply = await ask(either, JS, headers=headers)
    suffix = {None: "", "br": ".br", "zstd": ".zst", "gzip": ".gz"}[coding]
    assert reply.body == FILES[f"assets/app-BpZ3k9Qa.js{suffix}"]
    assert reply.headers.get("content-encoding") == coding
    assert reply.headers["content-type"] == "text/javascript; charset=utf-8"
    assert reply.headers["vary"] == "Accept-Encoding"


async def test_each_encoding_has_an_etag_of_its_own(either: SPAStaticApp) -> None:
    tags = {
        (await ask(either, JS, headers={"accept-encoding": coding})).headers["etag"]
        for coding in ("identity", "gzip", "br", "zstd")
    }
    assert len(tags) == 4


async def test_sidecar_larger_than_its_file_is_not_used(app: SPAStaticApp) -> None:
    reply = await ask(app, "/grown.txt", headers={"accept-encoding": "gzip"})
    assert reply.body == b"small"
    assert "vary" not in reply.headers


# --- Conditional requests -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "status"),
    [
        ("{etag}", 304),
        ("W/{etag}", 304),
        ('"other", {etag}', 304),
        ('"other",W/{etag},"third"', 304),
        ("*", 304),
        (" * ", 304),
        ('"other"', 200),
        ("", 200),
        ("{bare}", 200),
        ('w/"x"', 200),
    ],
)
@pytest.mark.parametrize("coding", ["identity", "br"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_if_none_match(
    either: SPAStaticApp, template: str, status: int, coding: str, method: str
) -> None:
    accept = {"accept-encoding": coding}
    etag = (await ask(either, JS, headers=accept)).headers["etag"]
    header = template.format(etag=etag, bare=etag.strip('"'))
    reply = await ask(either, JS, method, {**accept, "if-none-match": header})
    assert reply.status == status
    if status == 304:
        assert reply.body == b""
        assert reply.headers == {
            "etag": etag,
            "cache-control": "public, max-age=31536000, immutable",
            "vary": "Accept-Encoding",
        }


async def test_etag_of_another_encoding_does_not_match(app: SPAStaticApp) -> None:
    gzip = (await ask(app, JS, headers={"accept-encoding": "gzip"})).headers["etag"]
    headers = {"accept-encoding": "br", "if-none-match": gzip}
    assert (await ask(app, JS, headers=headers)).status == 200


@pytest.mark.parametrize(
    ("since", "status"),
    [
        ("same", 304),
        (formatdate(4_000_000_000, usegmt=True), 304),
        (formatdate(0, usegmt=True), 200),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 200),
        ("yesterday", 200),
        ("", 200),
        ("Mon, 99 Foo 99999 99:99:99 GMT", 200),
        ("\xff\xfe", 200),
    ],
)
async def test_if_modified_since(either: SPAStaticApp, since: str, status: int) -> None:
    if since == "same":
        since = (await ask(either, JS)).headers["last-modified"]
    assert (await ask(either, JS, headers={"if-modified-since": since})).status == status


async def test_if_none_match_outranks_if_modified_since(app: SPAStaticApp) -> None:
    headers = {
        "if-none-match": '"other"',
        "if-modified-since": formatdate(4_000_000_000, usegmt=True),
    }
    assert (await ask(app, JS, headers=headers)).status == 200


async def test_etag_of_a_held_file_is_that_of_its_content(tmp_path: Path) -> None:
    one = SPAStaticApp(write(tmp_path / "one", FILES))
    write(tmp_path / "two", FILES)
    os.utime(tmp_path / "two" / JS[1:], (1, 1))
    two = SPAStaticApp(tmp_path / "two")
    assert (await ask(one, JS)).headers["etag"] == (await ask(two, JS)).headers["etag"]


# --- Ranges ---------------------------------------------------------------------------------

SIZE = len(APP_JS)


@pytest.mark.parametrize(
    ("header", "content_range", "body"),
    [
        ("bytes=0-0", f"bytes 0-0/{SIZE}", APP_JS[:1]),
        ("bytes=0-9", f"bytes 0-9/{SIZE}", APP_JS[:10]),
        ("bytes=10-", f"bytes 10-{SIZE - 1}/{SIZE}", APP_JS[10:]),
        ("bytes=-5", f"bytes {SIZE - 5}-{SIZE - 1}/{SIZE}", APP_JS[-5:]),
        ("bytes=-9999999", f"bytes 0-{SIZE - 1}/{SIZE}", APP_JS),
        ("bytes=5-9999999", f"bytes 5-{SIZE - 1}/{SIZE}", APP_JS[5:]),
        (f"bytes={SIZE - 1}-", f"bytes {SIZE - 1}-{SIZE - 1}/{SIZE}", APP_JS[-1:]),
        ("bytes= 0-1 ", f"bytes 0-1/{SIZE}", APP_JS[:2]),
    ],
)
async def test_range(either: SPAStaticApp, header: str, content_range: str, body: bytes) -> None:
    # The client takes br, but ranges are those of the file itself.
    reply = await ask(either, JS, headers={"range": header, "accept-encoding": "br"})
    assert (reply.status, reply.body) == (206, body)
    assert reply.headers["content-range"] == content_range
    assert reply.headers["content-length"] == str(len(body))
    assert "content-encoding" not in reply.headers


@pytest.mark.parametrize("header", [f"bytes={SIZE}-", "bytes=9999999-", "bytes=-0"])
async def test_range_beyond_the_end_is_416(either: SPAStaticApp, header: str) -> None:
    reply = await ask(either, JS, headers={"range": header})
    assert reply.status == 416
    assert reply.headers["content-range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "lines=0-1", "bytes=0-1,x",
     "bytes=0-" + "9" * 5000, "bytes=--1", "bytes=0x0-1", "bytes=1-2-3"],
)  # fmt: skip
async def test_unreadable_range_is_ignored(either: SPAStaticApp, header: str) -> None:
    reply = await ask(either, JS, headers={"range": header})
    assert (reply.status, reply.body) == (200, APP_JS)


async def test_several_ranges_are_multipart(app: SPAStaticApp) -> None:
    reply = await ask(app, JS, headers={"range": "bytes=0-1, -2"})
    assert reply.status == 206
    assert reply.headers["content-type"].startswith("multipart/byteranges")
    assert f"bytes 0-1/{SIZE}".encode() in reply.body


async def test_if_range(either: SPAStaticApp) -> None:
    known = (await ask(either, JS)).headers
    for validator, status in {
        known["etag"]: 206,
        known["last-modified"]: 206,
        f"W/{known['etag']}": 200,
        '"other"': 200,
    }.items():
        reply = await ask(either, JS, headers={"range": "bytes=0-1", "if-range": validator})
        assert reply.status == status, validator


async def test_range_of_head_and_of_an_unchanged_file_is_ignored(either: SPAStaticApp) -> None:
    etag = (await ask(either, JS)).headers["etag"]
    assert (await ask(either, JS, "HEAD", {"range": "bytes=0-1"})).status == 200
    headers = {"range": "bytes=0-1", "if-none-match": etag}
    assert (await ask(either, JS, headers=headers)).status == 304


async def test_head_has_the_headers_of_get(either: SPAStaticApp) -> None:
    for path in (JS, "/", ENV):
        head, get = await ask(either, path, "HEAD"), await ask(either, path)
        assert (head.status, head.body, head.headers) == (200, b"", get.headers)


async def test_pathsend_is_used_for_streamed_files_where_the_server_has_it(shared: Path) -> None:
    app = SPAStaticApp(shared, max_memory=0)
    extensions: dict[str, Any] = {"http.response.pathsend": {}}
    reply = await ask(app, JS, extensions=extensions)
    assert reply.messages[1] == {
        "type": "http.response.pathsend",
        "path": str((shared / JS[1:]).resolve()),
    }
    ranged = await ask(app, JS, headers={"range": "bytes=0-1"}, extensions=extensions)
    assert ranged.body == APP_JS[:2]


# --- The bundle on disk ---------------------------------------------------------------------


async def test_missing_bundle_says_how_to_build_it_and_is_served_once_it_appears(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    app = SPAStaticApp(tmp_path / "later", check_interval=0)
    assert caplog.text == ""  # It may be built, or Vite's, until a page is asked for.
    for _ in range(2):
        reply = await ask(app, "/", headers=NAVIGATION)
        assert (reply.status, reply.headers["cache-control"]) == (404, "no-store")
        assert BUILD_COMMAND in reply.body.decode()
        assert str(tmp_path) not in reply.body.decode()
    assert caplog.text.count(str(tmp_path / "later")) == 1
    write(tmp_path / "later", FILES)
    assert (await ask(app, "/")).body == FILES["index.html"]


async def test_missing_bundle_is_looked_for_even_without_check_interval(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rxbridge.asgi.spa._MISSING_INTERVAL", 0.0)
    app = SPAStaticApp(tmp_path / "later", check_interval=None)
    write(tmp_path / "later", FILES)
    assert (await ask(app, "/")).status == 200


def in_place(bundle: Path) -> None:
    (bundle / "index.html").write_bytes(b"rebuilt")


def same_size_and_time(bundle: Path) -> None:
    page = bundle / "index.html"
    before = page.stat()
    page.write_bytes(before.st_size * b"x")
    os.utime(page, ns=(before.st_atime_ns, before.st_mtime_ns))


def by_rename(bundle: Path) -> None:
    new = write(bundle.with_name("new"), {**FILES, "index.html": b"renamed"})
    bundle.rename(bundle.with_name("old"))
    new.rename(bundle)


def below_an_asset(bundle: Path) -> None:
    write(bundle, {"index.html": b"with a new chunk", "assets/deep/new-AAAA1111.js": b"new"})


@pytest.mark.parametrize("rebuild", [in_place, same_size_and_time, by_rename, below_an_asset])
async def test_rebuilt_bundle_is_noticed(bundle: Path, rebuild: Callable[[Path], None]) -> None:
    app = SPAStaticApp(bundle, check_interval=0)
    before = await ask(app, "/")
    rebuild(bundle)
    after = await ask(app, "/")
    assert after.body == (bundle / "index.html").read_bytes() != before.body
    assert after.headers["etag"] != before.headers["etag"]


async def test_switched_symlink_of_the_root_is_noticed(bundle: Path) -> None:
    current = bundle.with_name("current")
    current.symlink_to(bundle)
    app = SPAStaticApp(current, check_interval=0)
    new = write(bundle.with_name("new"), {**FILES, "index.html": b"switched"})
    current.unlink()
    current.symlink_to(new)
    assert (await ask(app, "/")).body == b"switched"


async def test_removed_bundle_stops_being_served(bundle: Path) -> None:
    app = SPAStaticApp(bundle, check_interval=0)
    shutil.rmtree(bundle)
    assert BUILD_COMMAND.encode() in (await ask(app, "/")).body


async def test_disk_is_looked_at_once_per_interval(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("rxbridge.asgi.spa.time.monotonic", lambda: now[0])
    app = SPAStaticApp(bundle, check_interval=5)
    in_place(bundle)
    now[0] += 4.9
    assert (await ask(app, "/")).body == FILES["index.html"]
    now[0] += 0.1
    assert (await ask(app, "/")).body == b"rebuilt"


async def test_streamed_file_that_changed_is_described_as_it_is_now(bundle: Path) -> None:
    app = SPAStaticApp(bundle, max_memory=0, check_interval=None)
    before = await ask(app, "/grown.txt")
    (bundle / "grown.txt").write_bytes(b"another length")
    after = await ask(app, "/grown.txt")
    assert after.body == b"another length"
    assert after.headers["content-length"] == "14"
    assert after.headers["etag"] != before.headers["etag"]


async def test_streamed_file_that_vanished_is_404(bundle: Path) -> None:
    app = SPAStaticApp(bundle, max_memory=0, check_interval=None)
    (bundle / "grown.txt").unlink()
    assert (await ask(app, "/grown.txt")).status == 404


async def test_max_memory_bounds_what_is_held(bundle: Path) -> None:
    app = SPAStaticApp(bundle, max_memory=1000, check_interval=None)
    shutil.rmtree(bundle)
    assert (await ask(app, "/about")).status == 200, "small files are held"
    assert (await ask(app, JS)).status == 404, "large ones are not"


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"directory": ""}, "find_bundle"),
        ({"is_route": "/about"}, "app.router"),
        ({"check_interval": -1}, "0 or more"),
        ({"check_interval": float("nan")}, "0 or more"),
        ({"max_memory": -1}, "0 to stream"),
    ],
)
def test_bad_option_is_refused_with_what_to_write(options: dict[str, Any], hint: str) -> None:
    with pytest.raises(ValueError, match=hint):
        SPAStaticApp(**{"directory": "x", **options})


def test_find_bundle_takes_the_first_that_is_built(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    built = write(tmp_path / "built", FILES)
    below = write(tmp_path / "below" / "shop", FILES).parent
    assert find_bundle(tmp_path / "no", tmp_path / "empty", built, below) == built
    assert find_bundle(below, built) == below
    assert find_bundle(tmp_path / "no", tmp_path / "empty") == tmp_path / "no"


def test_find_bundle_knows_where_reflex_builds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_bundle() == Path(".web/build/client")
    write(tmp_path / ".web/_static", FILES)
    assert find_bundle() == Path(".web/_static")
    assert SPAStaticApp().directory == str(tmp_path / ".web/_static"), "without one it is that"


# --- The same-origin module -----------------------------------------------------------------


async def test_backend_address_is_that_of_the_page(app: SPAStaticApp) -> None:
    reply = await ask(app, ENV, headers={"accept-encoding": "gzip", "host": "evil.example"})
    assert reply.body == (
        b'var e={PING:(location.origin+"/ping"),'
        b'EVENT:(location.origin.replace("http","ws")+"/_event"),'
        b'UPLOAD:(location.origin+"/_upload"),'
        b"TRANSPORT:`websocket`,TEST_MODE:!1};export{e as t};"
    )
    assert reply.headers["cache-control"] == "no-cache"
    assert "content-encoding" not in reply.headers
    assert int(reply.headers["content-length"]) == len(reply.body)
    headers = {"if-none-match": reply.headers["etag"]}
    assert (await ask(app, ENV, headers=headers)).status == 304
    assert (await ask(app, ENV, headers={"range": "bytes=0-1"})).status == 200


async def test_without_same_origin_the_module_is_as_built(shared: Path) -> None:
    reply = await ask(SPAStaticApp(shared, same_origin=False), ENV)
    assert reply.body == ENV_JS
    assert "immutable" in reply.headers["cache-control"]


@pytest.mark.parametrize(
    ("module", "rewritten"),
    [
        (
            b'{"EVENT":"wss://h.example/v1/_event","PING":"https://h.example/v1/ping"}',
            b'{"EVENT":(location.origin.replace("http","ws")+"/v1/_event"),"PING":(location.origin+"/v1/ping")}',
        ),
        (
            b"const EVENT='ws://[::1]:8000/_event',OTHER='https://m.example/api'",
            b'const EVENT=(location.origin.replace("http","ws")+"/_event"),OTHER=\'https://m.example/api\'',
        ),
        (
            b"{EVENT:`ws://h:1/_event`,CODE:`http://h:10/x`}",
            b'{EVENT:(location.origin.replace("http","ws")+"/_event"),CODE:`http://h:10/x`}',
        ),
        (b"{PING:`http://localhost:8000/ping`}", None),
        (b"{EVENT:`${base}/_event`}", None),
        (b"{EVENT:`ws://h/_event`,X:`see http://h/x`}", None),
        (b"""JSON.parse('{"EVENT":"ws://h/_event"}')""", None),
        (b"", None),
    ],
)
def test_rewrite_survives_minifiers_and_leaves_other_hosts_alone(
    module: bytes, rewritten: bytes | None
) -> None:
    assert same_origin_module(module) == rewritten


@pytest.mark.parametrize("module", [b"export default 1", None], ids=["changed", "gone"])
async def test_unexpected_module_is_served_as_it_is_with_one_warning(
    bundle: Path, caplog: pytest.LogCaptureFixture, module: bytes | None
) -> None:
    if module is None:
        (bundle / ENV[1:]).unlink()
    else:
        (bundle / ENV[1:]).write_bytes(module)
    app = SPAStaticApp(bundle, check_interval=0)
    replies = [await ask(app, ENV) for _ in range(3)]
    assert all(reply.body == (module or b"Not Found") for reply in replies)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "api_url" in caplog.text


# --- Other scopes ---------------------------------------------------------------------------


async def exchange(app: SPAStaticApp, kind: str, messages: list[str]) -> list[str]:
    inbox, sent = iter(messages), []

    async def receive() -> dict[str, Any]:
        return {"type": next(inbox)}

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": kind, "path": "/", "headers": []}, receive, send)
    assert not list(inbox), "every message was awaited"
    return sent


async def test_lifespan_is_answered(app: SPAStaticApp) -> None:
    sent = await exchange(app, "lifespan", ["lifespan.startup", "lifespan.shutdown"])
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_websocket_is_refused(app: SPAStaticApp) -> None:
    sent = await exchange(app, "websocket", ["websocket.connect", "websocket.disconnect"])
    assert sent == ["websocket.close"]


async def test_unknown_scope_is_rejected(app: SPAStaticApp) -> None:
    with pytest.raises(ValueError, match="route them elsewhere"):
        await exchange(app, "webtransport", [])


# --- Anything at all ------------------------------------------------------------------------

SEGMENTS = st.one_of(
    st.sampled_from(
        ["..", ".", "", "assets", "about", "post", "files", "outside.txt", "index.html", ".env",
         "%2e%2e", "..\\", "\x00", "app-BpZ3k9Qa.js", "bundle", "~", "C:", "\ud800"]
    ),
    st.text(max_size=8),
)  # fmt: skip
PATHS = st.lists(SEGMENTS, max_size=8).map("/".join)
NAMES = ["accept", "accept-encoding", "range", "if-range", "if-none-match", "if-modified-since",
         "sec-fetch-mode"]  # fmt: skip
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=30),
    st.sampled_from(["text/html", "gzip;q=0, br", "bytes=0-0", "bytes=-1,5-2", 'W/"x", *', "*"]),
    st.from_regex(r"bytes=[0-9]{0,4}-[0-9]{0,4}(,[0-9]{0,4}-[0-9]{0,4}){0,3}", fullmatch=True),
)


@given(
    path=PATHS,
    method=st.sampled_from(["GET", "HEAD", "POST"]),
    headers=st.dictionaries(st.sampled_from(NAMES), VALUES),
    root_path=st.sampled_from(["", "/", "/..", "/assets", "/base"]),
)
@settings(max_examples=400, suppress_health_check=list(HealthCheck))
async def test_no_request_raises_or_leaves_the_bundle(
    either: SPAStaticApp, path: str, method: str, headers: dict[str, str], root_path: str
) -> None:
    reply = await ask(either, path, method, headers, root_path=root_path)
    assert reply.status in (200, 206, 304, 404, 405, 416)
    assert OUTSIDE not in reply.body
    assert b"SECRET" not in reply.body
    if reply.status == 200 and method == "GET":
        assert reply.body in FILES.values() or b"location.origin" in reply.body


@given(st.binary(max_size=300))
def test_rewrite_never_raises(module: bytes) -> None:
    same_origin_module(module)
    same_origin_module(b"EVENT:`ws://h/_event`" + module)


# --- Real servers ---------------------------------------------------------------------------


@contextlib.contextmanager
def served(kind: Kind, bundle: Path, **options: Any) -> Iterator[str]:
    module = bundle.parent / "served.py"
    module.write_text(
        "from rxbridge.asgi.spa import SPAStaticApp\n"
        f"app = SPAStaticApp({str(bundle)!r}, is_route=lambda p: p[:6] == '/post/', **{options!r})"
    )
    with run_server(kind, "served:app", cwd=bundle.parent) as server:
        yield server.url
    assert "Traceback" not in server.log


def fetch(url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, headers=named)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


@pytest.mark.server
@pytest.mark.parametrize("max_memory", [64 * 1024 * 1024, 0], ids=["in memory", "streamed"])
@pytest.mark.parametrize("kind", KINDS)
def test_on_a_real_server(kind: Kind, bundle: Path, max_memory: int) -> None:
    (bundle.parent / "outside.txt").write_bytes(OUTSIDE)
    large = os.urandom(3_000_000)
    (bundle / "film.mp4").write_bytes(large)
    with served(kind, bundle, max_memory=max_memory) as url:
        status, headers, body = fetch(url + JS)
        assert (status, body) == (200, APP_JS)
        assert fetch(url + JS, if_none_match=headers["etag"])[0] == 304
        assert fetch(url + JS, accept_encoding="br")[2] == FILES[f"{JS[1:]}.br"]
        assert fetch(url + JS, range="bytes=0-0")[::2] == (206, APP_JS[:1])
        assert fetch(url + "/film.mp4")[2] == large
        assert fetch(url + "/film.mp4", range="bytes=2000000-")[2] == large[2_000_000:]
        assert fetch(url + "/post/x.y", accept="text/html")[0] == 200
        assert fetch(url + "/caf%C3%A9.txt")[0] == 200
        assert fetch(url + "/nope", accept="text/html")[::2] == (404, b"<html>lost</html>")
        for path in ("/../outside.txt", "/..%2foutside.txt", "/%2e%2e/outside.txt", "/%00"):
            assert fetch(url + path, accept="text/html")[0] == 404
