"""SyntheticRequestFactory: the request is true to the handshake, and bad input is one error."""

from dataclasses import replace

import pytest
from django.core.handlers.asgi import ASGIRequest
from django.urls import path
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxbridge.asgi import ConnectionRegistry
from rxbridge.errors import InvalidEvent
from rxbridge.events import ReflexEvent, SyntheticRequestFactory, resolve_page
from rxbridge.testing import EventClient, make_event
from tests.events.app import Counter, app, journal

HOST = (b"host", b"shop.example.com")
SOCKET_HEADERS = [
    HOST,
    (b"origin", b"https://shop.example.com"),
    (b"user-agent", b"Firefox"),
    (b"accept-language", b"de"),
    (b"x-forwarded-proto", b"https"),
    (b"x-custom", b"one"),
    (b"x-custom", b"two"),
    (b"connection", b"upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-key", b"key"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-protocol", b"0.10.1"),
    (b"content-length", b"12"),
    (b"content-type", b"multipart/form-data"),
    (b"transfer-encoding", b"chunked"),
]


def build(event=None, **options):
    return SyntheticRequestFactory(**options).build(event or make_event())


@pytest.fixture
def registry():
    return ConnectionRegistry()


def open_socket(registry, **options):
    options.setdefault("headers", SOCKET_HEADERS)
    return registry.open(**options)


def over(connection, **router_data):
    headers = {"x-rxbridge-connection": connection.id, "cookie": "sessionid=claimed"}
    return ReflexEvent(name="state.handler", router_data={"headers": headers, **router_data})


class TestOverAConnection:
    @pytest.mark.parametrize(
        ("scheme", "expected"), [("ws", "http"), ("wss", "https"), ("http", "http")]
    )
    def test_scheme_is_the_handshakes(self, registry, scheme, expected):
        with open_socket(registry, scheme=scheme) as connection:
            request = build(over(connection), connections=registry)
        assert request.scheme == expected
        assert request.is_secure() is (expected == "https")

    def test_addresses(self, registry):
        with open_socket(registry, scheme="wss", client=("203.0.113.7", 4711)) as connection:
            request = build(over(connection, asPath="/cart?a=1#top"), connections=registry)
        assert isinstance(request, ASGIRequest)
        assert request.get_host() == "shop.example.com"
        assert request.build_absolute_uri() == "https://shop.example.com/cart?a=1"
        assert request.build_absolute_uri("/x") == "https://shop.example.com/x"
        assert request.META["REMOTE_ADDR"] == "203.0.113.7"
        assert request.method == request.META["REQUEST_METHOD"] == "POST"

    def test_headers_without_those_of_the_socket_and_of_a_body(self, registry):
        with open_socket(registry) as connection:
            request = build(over(connection), connections=registry)
        assert set(request.headers) == {
            "Host",
            "Origin",
            "User-Agent",
            "Accept-Language",
            "X-Forwarded-Proto",
            "X-Custom",
        }
        assert request.META["HTTP_X_CUSTOM"] == "one,two"
        assert "CONTENT_LENGTH" not in request.META
        assert "HTTP_UPGRADE" not in request.META

    def test_body_is_empty(self, registry):
        with open_socket(registry) as connection:
            request = build(over(connection), connections=registry, method="POST")
        assert request.body == b""
        assert not request.POST
        assert not request.FILES

    def test_cookies_are_the_jars_of_this_moment_not_the_pages(self, registry):
        with open_socket(registry, cookies={"sessionid": "real"}) as connection:
            request = build(over(connection), connections=registry)
            assert request.COOKIES == {"sessionid": "real"}
            connection.set_cookie("sessionid", "rotated")
            connection.set_cookie("quoted", '"a b"')
            request = build(over(connection), connections=registry)
            assert request.COOKIES == {"sessionid": "rotated", "quoted": "a b"}

    def test_unknown_connection_has_no_cookies(self, registry):
        headers = {"x-rxbridge-connection": "forged", "cookie": "sessionid=claimed", "host": "h"}
        event = ReflexEvent(name="x", router_data={"headers": headers})
        assert build(event, connections=registry).COOKIES == {}

    def test_event_of_an_upload_is_its_requests(self, registry):
        with open_socket(registry, cookies={"sessionid": "upload"}) as connection:
            event = ReflexEvent(name="x", connection=connection)
            assert build(event, connections=registry).COOKIES == {"sessionid": "upload"}

    def test_root_path_is_the_script_name(self, registry):
        with open_socket(registry) as connection:
            connection.root_path = "/shop"
            request = build(over(connection, asPath="/cart"), connections=registry)
        assert (request.path, request.path_info) == ("/shop/cart", "/cart")
        assert request.META["SCRIPT_NAME"] == "/shop"

    def test_request_keeps_its_connection(self, registry):
        with open_socket(registry) as connection:
            request = build(over(connection), connections=registry)
            assert request.reflex_event.connection is connection


class TestFromRouterDataAlone:
    def test_is_true_to_what_reflex_keeps_of_the_handshake(self):
        event = make_event(
            host="shop.example.com",
            secure=True,
            cookies={"sessionid": "abc"},
            headers={"Accept-Language": "de", "Sec-WebSocket-Key": "key"},
            client="203.0.113.7",
        )
        request = build(event)
        assert request.build_absolute_uri() == "https://shop.example.com/"
        assert request.COOKIES == {"sessionid": "abc"}
        assert request.META["REMOTE_ADDR"] == "203.0.113.7"
        assert request.headers["Accept-Language"] == "de"
        assert "Sec-Websocket-Key" not in request.headers

    def test_its_cookies_count_for_nothing_with_a_registry(self, registry):
        event = make_event(cookies={"sessionid": "claimed"})
        assert build(event, connections=registry).COOKIES == {}

    def test_registry_around_nothing_is_told_once(self, caplog):
        """Whoever forgets ``connections.wrap(…)`` would wonder why nobody is signed in."""
        factory = SyntheticRequestFactory(ConnectionRegistry())
        for _ in range(2):
            factory.build(ReflexEvent(name="n", router_data={"headers": {"host": "shop"}}))
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert "connections.wrap(reflex_asgi(app))" in caplog.text

    def test_event_of_no_socket_is_not_told_of(self, registry, caplog):
        factory = SyntheticRequestFactory(registry)
        with open_socket(registry) as connection:
            factory.build(over(connection))
        factory.build(ReflexEvent(name="n"))
        assert caplog.records == []

    def test_event_over_no_connection_has_the_fallback_host(self):
        request = build(ReflexEvent(name="x"), fallback_host="shop.example.com")
        assert request.get_host() == "shop.example.com"
        assert request.path == "/"


class TestPage:
    @pytest.mark.parametrize(
        ("router_data", "path", "query"),
        [
            ({"asPath": "/cart"}, "/cart", ""),
            ({"asPath": "/cart?q=1&q=2#top"}, "/cart", "q=1&q=2"),
            # What Reflex makes of pathname is the route.
            ({"asPath": "/product/mug", "pathname": "/product/[slug]"}, "/product/mug", ""),
            ({"asPath": "/a?x=1", "query": {"x": "2"}}, "/a", "x=1"),
            ({"pathname": "/a", "query": {"x": ["1", "2"]}}, "/a", "x=1&x=2"),
            ({"asPath": "", "pathname": "/a"}, "/a", ""),
            ({}, "/", ""),
            ({"asPath": "/?"}, "/", ""),
            ({"asPath": "/%C3%A4%20b"}, "/ä b", ""),
            ({"asPath": "/ä"}, "/ä", ""),
            ({"asPath": "/a%3Fb%23c"}, "/a?b#c", ""),
            ({"asPath": "/%ff"}, "/\ufffd", ""),
            ({"asPath": "//evil.test/x"}, "//evil.test/x", ""),
        ],
    )
    def test_path_and_query(self, router_data, path, query):
        request = build(ReflexEvent(name="x", router_data=router_data))
        assert request.path == request.path_info == path
        assert request.META["QUERY_STRING"] == query

    def test_repeated_keys_are_kept(self):
        request = build(ReflexEvent(name="x", router_data={"asPath": "/?q=1&q=2&r=%C3%A4"}))
        assert request.GET.getlist("q") == ["1", "2"]
        assert request.GET["r"] == "ä"

    def test_two_slashes_are_not_another_host(self):
        request = build(ReflexEvent(name="x", router_data={"asPath": "//evil.test/x"}))
        assert request.build_absolute_uri() == "http://localhost//evil.test/x"

    def test_raw_path_is_encoded(self):
        request = build(ReflexEvent(name="x", router_data={"asPath": "/ä%20b"}))
        assert request.scope["raw_path"] == b"/%C3%A4%20b"

    def test_frontend_path_is_put_in_front(self):
        assert build(make_event(path="/cart"), frontend_path="/ui").path == "/ui/cart"

    def test_resolve_page_asks_the_urlconf(self):
        assert resolve_page(build(make_event(path="/admin/"))).view_name == "admin:index"
        assert resolve_page(build(make_event(path="/nowhere"))) is None

    def test_resolve_page_respects_a_middlewares_urlconf(self):
        request = build(make_event(path="/here"))
        request.urlconf = (path("here", lambda request: None, name="found"),)
        assert resolve_page(request).view_name == "found"


class TestEvent:
    def test_resolver_match_is_of_the_handler(self):
        event = make_event(handler=Counter.add.fn, payload={"number": 3})
        match = build(event).resolver_match
        assert match.func is Counter.add.fn
        assert match.kwargs == {"number": 3}
        assert match.view_name == "tests.events.app.Counter.add"

    def test_handler_without_a_qualified_name_has_one(self):
        class Callable:
            def __call__(self):
                pass

        event = make_event(handler=Callable())
        assert event.handler_name.endswith("Callable")
        assert build(event).resolver_match.view_name == event.handler_name

    def test_reflex_event_is_on_the_request(self):
        event = make_event("state.add", payload={"number": 3})
        assert build(event).reflex_event.name == "state.add"
        assert build(event).reflex_event.payload == {"number": 3}

    def test_page_is_a_get_and_a_handler_is_a_post(self):
        page = replace(make_event("hydrate"), shows_page=True)
        assert build(page).method == "GET"
        assert build(make_event("add")).method == "POST"

    def test_method_is_an_option(self):
        assert build(method="PUT").method == "PUT"
        assert build(method=lambda event: event.name).method == "EVENT"

    @pytest.mark.parametrize(
        "options",
        [
            {"method": "post"},
            {"method": "FETCH"},
            {"frontend_path": "ui"},
            {"frontend_path": "/u/"},
        ],
    )
    def test_bad_option_is_a_value_error(self, options):
        with pytest.raises(ValueError, match=r"must|one of"):
            SyntheticRequestFactory(**options)


@pytest.mark.parametrize(
    "router_data",
    [
        {"asPath": 3},
        {"asPath": ["/"]},
        {"asPath": "relative"},
        {"asPath": "http://evil.test/"},
        {"asPath": "/a\r\nb"},
        {"asPath": "/%00"},
        {"asPath": "/%0d%0a"},
        {"asPath": "/\ud800"},
        {"asPath": "/?\ud800"},
        {"asPath": "/?a\x00"},
        {"asPath": "/" + "a" * 8192},
        {"asPath": "/?" + "a" * 8192},
        {"pathname": 3},
        {"pathname": "relative"},
        {"pathname": "/", "query": "a=1"},
        {"pathname": "/", "query": {"a": 1}},
        {"pathname": "/", "query": {"a": "\ud800"}},
        {"pathname": "/", "query": {"a": {"b": "c"}}},
        {"headers": "text"},
        {"headers": {"host": 3}},
        {"headers": {"host": "a\r\nb"}},
        {"headers": {"ho st": "a"}},
        {"headers": {"": "a"}},
        {"headers": {"host": "\ud800"}},
        {"headers": {"x": "a" * 70000}},
        {3: "a"},
        ["asPath"],
        "text",
        None,
    ],
)
def test_malformed_router_data_is_an_invalid_event(router_data):
    with pytest.raises(InvalidEvent):
        build(ReflexEvent(name="x", router_data=router_data))


def nested(levels):
    value = []
    for level in range(levels):
        value = {"x": value} if level % 2 else [value]
    return {"argument": value}


def test_payload_has_a_depth():
    assert build(ReflexEvent(name="x", payload=nested(98)))
    with pytest.raises(InvalidEvent, match="more than 100 deep"):
        build(ReflexEvent(name="x", payload=nested(101)))


@pytest.mark.parametrize("payload", [[], "text", None, {1: 2}])
def test_malformed_payload_is_an_invalid_event(payload):
    with pytest.raises(InvalidEvent):
        build(ReflexEvent(name="x", payload=payload))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
paths = st.text().map(lambda text: f"/{text}") | json_values
router_data_like = st.fixed_dictionaries(
    {},
    optional={
        "asPath": paths,
        "pathname": paths,
        "query": json_values | st.dictionaries(st.text(), json_values),
        "headers": json_values
        | st.dictionaries(
            st.sampled_from(["host", "cookie", "origin", "asgi-scope-client"]) | st.text(),
            st.text() | json_values,
        ),
    },
)


@given(router_data=router_data_like | json_values, payload=json_values)
@settings(max_examples=400)
@pytest.mark.parametrize("connections", [None, ConnectionRegistry()])
def test_any_json_is_a_request_or_an_invalid_event(connections, router_data, payload):
    event = ReflexEvent(name="x", router_data=router_data, payload=payload)
    try:
        request = build(event, connections=connections)
    except InvalidEvent:
        return
    assert request.path.startswith("/")
    assert "\n" not in request.get_full_path()
    request.GET, request.COOKIES, request.headers  # noqa: B018 - all are computed when asked for


def malformed(event):
    try:
        build(ReflexEvent(name="x", router_data=event.router_data, payload=event.payload))
    except InvalidEvent:
        return True
    return False


# What Reflex enqueues of what a browser sends: it puts headers and the page's route of its own,
# and drops an event whose query is no object.
enqueued = st.fixed_dictionaries(
    {}, optional={"asPath": paths, "query": st.dictionaries(st.text(), json_values)}
)


@pytest.mark.django_db(transaction=True)
@given(router_data=enqueued, payload=json_values)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_malformed_event_runs_no_handler_and_the_next_event_works(router_data, payload):
    journal.clear()
    async with EventClient(app, raise_exceptions=False) as tab:
        await tab.load("/")
        event = tab.server.event(Counter.who, {})
        event = replace(event, payload=payload, router_data={**router_data, "token": tab.token})
        await tab.server.fire(tab.token, event)
        if malformed(event):
            assert journal == []
        assert (await tab.fire(Counter.add(1))).vars["count"] == 1
