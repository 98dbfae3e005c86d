"""PrefixRouter, called as a plain ASGI app and served by real servers."""

import asyncio
import subprocess
import sys
from collections.abc import Iterable

import httpx
import pytest
import websockets
from asgiref.testing import ApplicationCommunicator
from django.core.asgi import get_asgi_application
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from rxbridge.asgi.prefix_router import REFLEX_PREFIXES, PrefixRouter, reflex_prefixes
from tests.servers import KINDS, Kind, run_server


class Recorder:
    """An app that keeps the scopes it was given and answers nothing."""

    def __init__(self, name="app"):
        self.name = name
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)

    def __repr__(self):
        return self.name


def http(path, **extra):
    return {"type": "http", "method": "GET", "path": path, "headers": [], **extra}


def websocket(path, **extra):
    return {"type": "websocket", "path": path, "headers": [], **extra}


async def call(app, scope, incoming=()):
    """What ``app`` sends; it may receive ``incoming`` and not a message more."""
    messages = iter(incoming)
    sent = []

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def chosen(prefixes: Iterable[str], scope):
    """The prefix whose app gets ``scope``, or None for the default app."""
    apps = {prefix: Recorder(prefix) for prefix in prefixes}
    default = Recorder("default")
    await call(PrefixRouter(apps, default=default), scope)
    hit = [prefix for prefix, app in apps.items() if app.scopes]
    assert len(hit) + len(default.scopes) == 1
    return hit[0] if hit else None


# -- matching -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api", "/api"),
        ("/api/", "/api"),
        ("/api/x", "/api"),
        ("/api//x", "/api"),
        ("/apix", None),
        ("/ap", None),
        ("/API", None),
        ("/api.json", None),
        ("/api/v1", "/api/v1"),
        ("/api/v1/users", "/api/v1"),
        ("/api/v10", "/api"),
        ("/api/v1/deep/down", "/api/v1/deep/down"),
        ("/api/v1/deep/down/x", "/api/v1/deep/down"),
        ("/api/v1/deep", "/api/v1"),
        ("/größe/1", "/größe"),
        ("/", None),
        ("", None),
        ("*", None),
        ("api", None),
        ("api/x", None),
        ("//api", None),
        ("/x/api", None),
    ],
)
async def test_longest_prefix_on_segment_boundaries_wins(path, expected):
    prefixes = ["/api", "/api/v1", "/api/v1/deep/down", "/größe"]
    assert await chosen(prefixes, http(path)) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/admin/../api", "/admin"),
        ("/x/../api", None),
        ("/./api", None),
        ("/api/..", "/api"),
        ("/api\x00", None),
        ("/api\\x", None),
        ("/%61pi", None),
        ("/api%2Fx", None),
        ("/api;x", None),
    ],
)
async def test_path_is_matched_verbatim(path, expected):
    assert await chosen(["/api", "/admin"], http(path)) == expected


async def test_order_of_routes_makes_no_difference():
    assert await chosen(["/a/b", "/a"], http("/a/b/c")) == "/a/b"
    assert await chosen(["/a", "/a/b"], http("/a/b/c")) == "/a/b"


def naive_choice(prefixes, path):
    under = [p for p in prefixes if path == p or path.startswith(p + "/")]
    return max(under, key=len, default=None)


segments = st.sampled_from(["a", "b", "ab", "..", ".", "", "é", "\x00", "a" * 40])
registered = st.lists(
    st.lists(st.sampled_from(["a", "b", "ab", "é", "a" * 40]), min_size=1, max_size=4), max_size=8
).map(lambda rows: sorted({"/" + "/".join(row) for row in rows}))
paths = st.one_of(
    st.lists(segments, max_size=7).map(lambda parts: "/" + "/".join(parts)),
    st.text(alphabet="/ab.é\x00%", max_size=12),
)


@given(prefixes=registered, path=paths)
@example(prefixes=["/a", "/a/b/a/b"], path="/a/b/a")
@example(prefixes=["/a"], path="/" * 50)
@example(prefixes=["/a"], path="/ab")
def test_same_choice_as_a_naive_router(prefixes, path):
    assert asyncio.run(chosen(prefixes, http(path))) == naive_choice(prefixes, path)


@given(prefixes=registered, path=paths, root=st.sampled_from(["/a", "/base", "/a/b", "/base/"]))
def test_same_choice_below_any_root_path(prefixes, path, root):
    full = root.rstrip("/") + "/" + path.lstrip("/")
    scope = http(full, root_path=root)
    expected = naive_choice(prefixes, "/" + path.lstrip("/"))
    assert asyncio.run(chosen(prefixes, scope)) == expected


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [
        ("/base/api/x", "/base", "/api"),
        ("/base/api/x", "/base/", "/api"),
        ("/base", "/base", None),
        ("/base/", "/base", None),
        ("/basement/api", "/base", None),
        ("/api/x", "/a", "/api"),  # not below /a: a segment boundary is missing
        ("/api/x", "/base", "/api"),  # a proxy that cuts the root path off
        ("/api", "/api", None),
        ("/api/api", "/api", "/api"),
        ("/api/x", "", "/api"),
        ("/api/x", "/", "/api"),
        ("/api/x", None, "/api"),
    ],
)
async def test_what_follows_root_path_is_matched(path, root_path, expected):
    assert await chosen(["/api"], http(path, root_path=root_path)) == expected


class CountingPath(str):
    """A path that counts how often it is searched."""

    searches = 0

    def __getitem__(self, key):
        return CountingPath(super().__getitem__(key))

    def find(self, *args):
        CountingPath.searches += 1
        return super().find(*args)


@pytest.mark.parametrize("path", ["/" * 10_000, "/a" * 5_000, "/" + "a" * 10_000])
async def test_work_is_bounded_by_the_deepest_prefix_not_by_the_path(path):
    router = PrefixRouter({"/a/b/c": Recorder(), "/a": Recorder()}, default=Recorder())
    CountingPath.searches = 0
    await call(router, http(CountingPath(path)))
    assert 1 <= CountingPath.searches <= 3


# -- what an app is given -----------------------------------------------------------------


@pytest.mark.parametrize("make", [http, websocket])
async def test_app_gets_the_very_scope_receive_and_send(make):
    given_to_app = []

    async def app(*arguments):
        given_to_app.extend(arguments)

    async def receive(): ...
    async def send(message): ...

    scope = make("/api/x", root_path="", state={})
    before = dict(scope)
    await PrefixRouter({"/api": app})(scope, receive, send)
    assert [id(a) for a in given_to_app] == [id(scope), id(receive), id(send)]
    assert scope == before


@pytest.mark.parametrize(
    ("path", "root_path", "child_path", "child_root_path"),
    [
        ("/api/x", "", "/api/x", "/api"),
        ("/api", "", "/api", "/api"),
        ("/api/v1/x", "", "/api/v1/x", "/api/v1"),
        ("/base/api/x", "/base", "/base/api/x", "/base/api"),
        ("/base/api/x", "/base/", "/base/api/x", "/base/api"),
        ("/api/x", "/base", "/base/api/x", "/base/api"),
    ],
)
async def test_strip_prefix_moves_the_prefix_to_root_path_of_a_copy(
    path, root_path, child_path, child_root_path
):
    app = Recorder()
    scope = http(path, root_path=root_path, state={})
    before = dict(scope)
    await call(PrefixRouter({"/api": app, "/api/v1": app}, strip_prefix=True), scope)
    [child] = app.scopes
    assert child == {**before, "path": child_path, "root_path": child_root_path}
    assert child["state"] is scope["state"]
    assert scope == before


async def test_default_gets_the_scope_unchanged_even_when_prefixes_are_stripped():
    default = Recorder()
    scope = http("/x", root_path="")
    await call(PrefixRouter({"/api": Recorder()}, default=default, strip_prefix=True), scope)
    assert default.scopes == [http("/x", root_path="")]


async def test_routers_nest_when_the_outer_strips_its_prefix():
    users = Recorder()
    inner = PrefixRouter({"/users": users}, strip_prefix=True)
    await call(PrefixRouter({"/api": inner}, strip_prefix=True), http("/api/users/1"))
    assert users.scopes == [http("/api/users/1", root_path="/api/users")]


async def test_starlette_app_is_mounted_where_its_prefix_is_stripped():
    async def page(request):
        return PlainTextResponse(str(request.url_for("user", number=2)))

    child = Starlette(routes=[Route("/users/{number}", page, name="user")])
    router = PrefixRouter({"/api": child}, strip_prefix=True)
    async with client(router) as browser:
        answer = await browser.get("/api/users/1")
    assert (answer.status_code, answer.text) == (200, "http://testserver/api/users/2")


async def test_django_is_mounted_where_its_prefix_is_stripped():
    router = PrefixRouter({"/django": get_asgi_application()}, strip_prefix=True)
    async with client(router) as browser:
        answer = await browser.get("/django/admin/")
    assert answer.status_code == 302
    assert answer.headers["location"].startswith("/django/admin/login/")


async def test_django_answers_its_own_prefix_where_nothing_is_stripped():
    router = PrefixRouter({"/admin": get_asgi_application()})
    async with client(router) as browser:
        answer = await browser.get("/admin/")
    assert answer.headers["location"].startswith("/admin/login/")


def client(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://testserver")


# -- no match -----------------------------------------------------------------------------


async def test_http_without_match_or_default_is_a_plain_404():
    start, body = await call(PrefixRouter({"/api": Recorder()}), http("/other"))
    assert start["status"] == 404
    assert dict(start["headers"])[b"content-type"].startswith(b"text/plain")
    assert b"other" not in body["body"]


CONNECT = {"type": "websocket.connect"}
DISCONNECT = {"type": "websocket.disconnect", "code": 1006}


@pytest.mark.parametrize("default", [None, Recorder("default")])
async def test_websocket_without_match_is_closed_before_accept(default):
    app = Recorder()
    router = PrefixRouter({"/api": app}, default=default)
    [message] = await call(router, websocket("/other"), [CONNECT, DISCONNECT])
    assert message["type"] == "websocket.close"
    assert app.scopes == []
    assert default is None or default.scopes == []


@pytest.mark.parametrize("path", ["/_event", "/_event/", "/shop/_event/"])
async def test_socket_whose_route_lost_its_front_is_refused_with_the_remedy(path, caplog):
    router = PrefixRouter(dict.fromkeys(reflex_prefixes("/shop"), Recorder()))
    root_path = "/shop" if path.startswith("/shop") else ""
    for _ in range(2):
        [message] = await call(router, websocket(path, root_path=root_path), [CONNECT, DISCONNECT])
        assert message["type"] == "websocket.close"
    [record] = caplog.records  # Reflex's client tries again and again; once is said why.
    assert "the route is /shop/_event" in record.getMessage()
    assert "let api_url there end with /shop, and route /_event" in record.getMessage()


@pytest.mark.parametrize("path", ["/", "", "//", "/event", "/shop/other", "/x/_event", "/x\n/y"])
async def test_socket_that_no_route_is_like_is_refused_without_a_word(path, caplog):
    router = PrefixRouter(dict.fromkeys(reflex_prefixes("/shop"), Recorder()))
    await call(router, websocket(path), [CONNECT, DISCONNECT])
    assert caplog.records == []


async def test_nothing_is_sent_to_a_websocket_that_left_before_it_connected():
    assert await call(PrefixRouter({}), websocket("/other"), [DISCONNECT]) == []


async def test_refused_websocket_task_ends_once_the_server_says_disconnect():
    router = PrefixRouter({})
    connection = ApplicationCommunicator(router, websocket("/other"))
    await connection.send_input(CONNECT)
    assert (await connection.receive_output())["type"] == "websocket.close"
    await connection.send_input(DISCONNECT)
    await connection.wait()


async def test_websocket_reaches_the_app_of_its_prefix():
    reflex = Recorder()
    router = PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, reflex), default=Recorder())
    await call(router, websocket("/_event/"))
    assert reflex.scopes == [websocket("/_event/")]


# -- other scopes -------------------------------------------------------------------------


async def test_lifespan_goes_to_the_lifespan_app_alone():
    route, default, lifespan = Recorder(), Recorder(), Recorder()
    scope = {"type": "lifespan", "state": {}}
    await call(PrefixRouter({"/a": route}, default=default, lifespan=lifespan), scope)
    assert lifespan.scopes[0] is scope
    assert route.scopes == default.scopes == []


async def test_lifespan_without_an_app_is_answered():
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = await call(PrefixRouter({}), {"type": "lifespan"}, messages)
    assert [m["type"] for m in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_unknown_scope_type_passes_to_default():
    default = Recorder()
    await call(PrefixRouter({"/a": Recorder()}, default=default), {"type": "mqtt"})
    assert default.scopes == [{"type": "mqtt"}]


async def test_unknown_scope_type_without_default_is_rejected_by_an_exception():
    with pytest.raises(ValueError, match=r"'mqtt'.*default"):
        await call(PrefixRouter({"/a": Recorder()}), {"type": "mqtt"})


async def test_what_an_app_raises_is_not_swallowed():
    async def app(scope, receive, send):
        raise LookupError("from the app")

    with pytest.raises(LookupError, match="from the app"):
        await call(PrefixRouter({"/a": app}), http("/a"))


# -- construction -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prefix", "remedy"),
    [
        ("", "default="),
        ("/", "default="),
        ("//", "write a path"),
        ("/.", "write a path"),
        ("/..", "write a path"),
        ("api", "write '/api'"),
        ("/api/", "write '/api'"),
        ("//api", "write '/api'"),
        ("/a//b", "write '/a/b'"),
        ("/a/./b", "write '/a/b'"),
        ("/a/../b", "write '/a/b'"),
        ("/api?x=1", "query"),
        ("/api#top", "fragment"),
        ("/a%20b", "decoded"),
        ("/api/*", "literal"),
        ("/users/{id}", "literal"),
        ("/users/<int:id>", "literal"),
        ("/a\\b", "separated by '/'"),
        ("/a\x00b", "control character"),
        ("/a\nb", "control character"),
        ("http://example.com/api", "write a path|write '/"),
        (b"/api", "'/api'"),
        (None, "'/api'"),
        (7, "'/api'"),
    ],
)
def test_bad_prefix_is_a_value_error_naming_the_remedy(prefix, remedy):
    with pytest.raises(ValueError, match=remedy):
        PrefixRouter({prefix: Recorder()})


@pytest.mark.parametrize(
    "prefix", ["/api", "/a/b", "/.well-known", "/a b", "/größe", "/a..b", "/~x"]
)
async def test_good_prefix_matches_itself(prefix):
    assert await chosen([prefix], http(prefix)) == prefix


@pytest.mark.parametrize(
    ("arguments", "options", "name"),
    [
        ({"/api": None}, {}, "'/api'"),
        ({"/api": "module:app"}, {}, "'/api'"),
        ({}, {"default": 1}, "default"),
        ({}, {"lifespan": []}, "lifespan"),
    ],
)
def test_app_that_cannot_be_called_is_a_type_error(arguments, options, name):
    with pytest.raises(TypeError, match=name):
        PrefixRouter(arguments, **options)


async def test_changing_the_mapping_later_changes_nothing():
    routes = {"/a": Recorder()}
    router = PrefixRouter(routes)
    routes["/b"] = late = Recorder()
    await call(router, http("/b"))
    assert late.scopes == []


# -- Reflex's prefixes --------------------------------------------------------------------


def test_reflex_prefixes_are_all_of_reflexes_endpoints():
    from reflex_base.constants import Endpoint

    assert set(REFLEX_PREFIXES) == {str(endpoint) for endpoint in Endpoint}


@pytest.mark.parametrize("backend_path", ["", "/", "api", "/api", "/api/", "/a/b"])
def test_reflex_prefixes_are_where_reflex_puts_them(backend_path):
    from reflex_base.config import Config

    config = Config(app_name="probe", backend_path=backend_path, _skip_plugins_checks=True)
    expected = {"/" + config.prepend_backend_path(p).lstrip("/") for p in REFLEX_PREFIXES}
    assert set(reflex_prefixes(backend_path)) == expected


def test_reflex_prefixes_make_a_router():
    PrefixRouter(dict.fromkeys(reflex_prefixes("/backend"), Recorder()))


def test_loads_neither_django_nor_reflex():
    program = (
        "import sys, rxbridge.asgi.prefix_router;"
        "print([m for m in sys.modules if m.split('.')[0] in ('django', 'reflex', 'reflex_base')])"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert output.stdout.strip() == b"[]"


# -- real servers -------------------------------------------------------------------------


async def echo(session):
    await session.accept()
    await session.send_text(session.scope["path"])
    await session.close()


async def hello(request):
    return PlainTextResponse(f"{request.scope['root_path']} {request.scope['path']}")


served = PrefixRouter(
    {
        "/live": Starlette(routes=[WebSocketRoute("/live/echo", echo)]),
        "/http": Starlette(routes=[Route("/http/{rest:path}", hello)]),
    }
)


@pytest.mark.server
@pytest.mark.parametrize("kind", KINDS)
async def test_real_server_refuses_unmatched_websockets_with_403_and_a_clean_log(kind: Kind):
    with run_server(kind, "tests.asgi.test_prefix_router:served") as server:
        refusals = await asyncio.gather(*(refusal(f"{server.ws_url}/other") for _ in range(50)))
        assert set(refusals) == {403}
        async with websockets.connect(f"{server.ws_url}/live/echo") as socket:
            assert await socket.recv() == "/live/echo"
        async with httpx.AsyncClient(base_url=server.url) as browser:
            assert (await browser.get("/other")).status_code == 404
            assert (await browser.head("/other")).status_code == 404
            assert (await browser.get("/http/x")).text == " /http/x"
    assert_no_complaint(server.log)


@pytest.mark.server
@pytest.mark.parametrize(
    ("kind", "option", "requested"),
    [
        ("uvicorn", "--root-path", "/http/x"),  # uvicorn itself puts the root path in front
        ("granian", "--url-path-prefix", "/base/http/x"),
        ("granian", "--url-path-prefix", "/http/x"),
    ],
)
async def test_real_server_with_a_root_path_reaches_the_same_app(kind, option, requested):
    target = "tests.asgi.test_prefix_router:mounted"
    with run_server(kind, target, args=[option, "/base"]) as server:
        async with httpx.AsyncClient(base_url=server.url) as browser:
            answer = await browser.get(requested)
    assert answer.text == "/base/http /base/http/x"


mounted = PrefixRouter(
    {"/http": Starlette(routes=[Route("/{rest:path}", hello)])}, strip_prefix=True
)


async def refusal(url):
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(url)
    return refused.value.response.status_code


def assert_no_complaint(log):
    assert not [
        line
        for line in log.splitlines()
        if any(word in line for word in ("ERROR", "WARN", "Traceback", "Exception"))
    ], log
