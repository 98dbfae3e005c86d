"""What proxies and servers say of a socket, and what an event's request makes of it."""

from datetime import UTC

import pytest
from django.http import HttpResponse
from django.urls import get_script_prefix

from rxbridge.asgi import ConnectionRegistry
from rxbridge.asgi.connections import Connection
from rxbridge.events import MiddlewareRunner, ReflexEvent, SyntheticRequestFactory
from rxbridge.events.binder import Binding, ContextBinder


def handshake(*headers, root_path="", client=("10.0.0.1", 1), path="/_event/"):
    return Connection(
        {
            "type": "websocket",
            "scheme": "ws",
            "path": path,
            "root_path": root_path,
            "headers": [(b"host", b"shop.example.com"), *headers],
            "client": client,
        }
    )


def request_of(connection, path="/", **options):
    event = ReflexEvent(name="shop.buy", router_data={"asPath": path}, connection=connection)
    return SyntheticRequestFactory(**options).build(event)


@pytest.mark.parametrize(
    ("said", "secure"),
    [
        (b"https", True),
        (b"wss", True),
        (b"WSS", True),
        (b"wss,http", True),
        (b"ws", False),
        (b"http", False),
        (b"http, wss", False),
    ],
)
def test_scheme_a_proxy_says_of_a_socket_is_that_of_its_events(settings, said, secure):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    request = request_of(handshake((b"x-forwarded-proto", said)))
    assert request.is_secure() is secure


def test_scheme_header_is_the_one_the_settings_name(settings):
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_SCHEME", "https")
    headers = (b"x-scheme", b"wss"), (b"x-forwarded-proto", b"wss")
    request = request_of(handshake(*headers))
    assert request.is_secure()
    assert request.headers["X-Forwarded-Proto"] == "wss"


def test_scheme_is_not_believed_where_the_settings_name_no_header():
    assert not request_of(handshake((b"x-forwarded-proto", b"wss"))).is_secure()


@pytest.mark.parametrize(
    ("root_path", "frontend_path", "expected"),
    [
        ("", "", "/cart"),
        ("", "/app", "/app/cart"),
        ("/app", "", "/app/cart"),
        ("/app", "/app", "/app/cart"),
        ("/site", "/app", "/site/app/cart"),
        ("/site/app", "/app", "/site/app/cart"),
    ],
)
def test_prefix_is_on_the_path_once(root_path, frontend_path, expected):
    request = request_of(handshake(root_path=root_path), "/cart", frontend_path=frontend_path)
    assert request.path == expected
    assert request.script_name == root_path


async def test_addresses_of_an_event_are_below_the_servers_root_path():
    async def view(request):
        return HttpResponse(get_script_prefix())

    request = request_of(handshake(root_path="/app"))
    outcome = await MiddlewareRunner([], threads=None).run(request, view)
    assert outcome.response.content == b"/app/"
    assert get_script_prefix() == "/"


async def test_addresses_of_a_background_task_are_below_it_too():
    request = request_of(handshake(root_path="/app"))
    binding = Binding(request, HttpResponse(), time_zone=UTC)
    ContextBinder().bind(binding)
    assert get_script_prefix() == "/app/"


async def test_socket_without_a_client_address_is_served():
    seen = []

    async def reflex(scope, receive, send):
        seen.append(scope)

    async def nothing(message=None):
        return {"type": "http.disconnect"}

    connections = ConnectionRegistry()
    scope = {"type": "http", "method": "POST", "path": "/_upload", "headers": [], "client": None}
    await connections.wrap(reflex)(scope, nothing, nothing)
    # Reflex reads the first item of the address, Django finds none.
    assert seen[0]["client"] == ("", 0)
    assert "REMOTE_ADDR" not in request_of(handshake(client=None)).META
