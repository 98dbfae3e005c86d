"""Uploads and sockets at a real server: identity is that of the request's own cookies."""

import asyncio
import base64
import json
import pickle
from http import cookies as http_cookies

import httpx
import pytest
import websockets
from django.contrib.auth.models import User
from django.db import connections as databases
from django.test import Client
from reflex_base.utils.format import format_event_handler

from rxbridge.asgi.connections import SERVICE_RESTART
from tests.events.app import Counter
from tests.events.wire import connect
from tests.servers import run_server

pytestmark = [pytest.mark.server, pytest.mark.django_db(transaction=True)]

CONTENT = b"0123456789" * 10


@pytest.fixture(scope="module")
def site(django_db_setup, tmp_path_factory):
    """The server, on the database of the tests."""
    environment = {"RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"])}
    with run_server(
        "uvicorn",
        "tests.events.site:application",
        env=environment,
        cwd=tmp_path_factory.mktemp("site"),
    ) as server:
        yield server


def signed_in(username):
    client = Client()
    client.force_login(User.objects.create_user(username))
    return {name: morsel.value for name, morsel in client.cookies.items()}


@pytest.fixture
def ada():
    return signed_in("ada")


@pytest.fixture
def bob():
    return signed_in("bob")


async def post(site, handler, token, cookies):
    async with httpx.AsyncClient(cookies=cookies) as client:
        return await client.post(
            f"{site.url}/_upload",
            headers={
                "reflex-client-token": token,
                "reflex-event-handler": format_event_handler(handler),
            },
            files={"files": ("a.txt", CONTENT, "text/plain")},
        )


@pytest.mark.parametrize("handler", [Counter.upload, Counter.upload_stream])
@pytest.mark.parametrize(
    ("tab_of", "request_of", "expected"),
    [
        ("ada", "ada", "ada"),
        ("", "", "nobody"),
    ],
)
async def test_upload_is_made_by_whose_cookies_came_with_it(
    site, ada, bob, handler, tab_of, request_of, expected
):
    jars = {"ada": ada, "bob": bob, "": {}}
    async with connect(site.ws_url, cookies=jars[tab_of]) as tab:
        response = await post(site, handler, tab.token, jars[request_of])
        assert response.status_code in (200, 202), response.text
        if handler is Counter.upload:
            updates = [json.loads(line) for line in response.text.splitlines()]
            sent = {
                name.removesuffix("_rx_state_"): value
                for update in updates
                for changes in update["delta"].values()
                for name, value in changes.items()
            }
            assert sent["name"] == expected
            assert sent["count"] == len(CONTENT)
            # What an upload chains is its user's too.
            assert sent["seen"] == [expected]
        else:
            await tab.var("name", expected)
            await tab.var("count", len(CONTENT))
            await tab.var("seen", [expected])


@pytest.mark.parametrize("handler", [Counter.upload, Counter.upload_stream, Counter.upload_private])
@pytest.mark.parametrize(
    ("tab_of", "request_of"),
    [
        ("ada", "bob"),
        ("ada", ""),
        ("", "bob"),
        ("", "another browser"),
        ("another browser", ""),
    ],
)
async def test_upload_to_anothers_tab_does_not_run_and_tells_it_nothing(
    site, ada, bob, handler, tab_of, request_of
):
    browser = {"rxbridge_browser_00000000": "a" * 32}
    jars = {"ada": ada, "bob": bob, "": {}, "another browser": browser}
    async with connect(site.ws_url, cookies=jars[tab_of]) as tab:
        await tab.fire(Counter.add, number=5)
        await tab.var("count", 5)
        seen = len(tab.raw)
        response = await post(site, handler, tab.token, jars[request_of])
        assert "delta" not in response.text
        # What comes next is of the next event: neither a delta nor a redirect came before.
        await tab.fire(Counter.add, number=1)
        await tab.var("count", 6)
        assert "name_rx_state_" not in str(tab.raw[seen:])
        assert not any("_redirect" in message or "_call" in message for message in tab.raw[seen:])


async def test_upload_by_the_browsers_next_user_has_its_tab_come_back(site, ada, bob):
    browser = {"rxbridge_browser_00000000": "a" * 32}
    async with connect(site.ws_url, cookies={**ada, **browser}) as tab:
        await tab.fire(Counter.add, number=5)
        await tab.var("count", 5)
        await post(site, Counter.upload_stream, tab.token, {**bob, **browser})
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await tab.text("bob")
    assert closed.value.rcvd.code == SERVICE_RESTART
    async with connect(site.ws_url, cookies={**bob, **browser}, token=tab.token) as tab:
        await tab.var("name", "bob")


async def test_upload_after_a_restart_takes_effect(site, ada):
    response = await post(site, Counter.upload, "a-token-no-socket-ever-had", ada)
    assert '"name_rx_state_":"ada"' in response.text.replace(" ", "")


async def test_no_byte_of_the_session_key_is_in_state_or_on_the_wire(site, ada):
    key = ada["sessionid"]
    async with connect(site.ws_url, cookies=ada) as tab:
        await tab.fire(Counter.who)
        await tab.var("name", "ada")
        async with httpx.AsyncClient() as client:
            pickled = (await client.get(f"{site.url}/pickled")).content
        assert tab.token.encode() in pickled
        for form in (key.encode(), base64.b64encode(key.encode())[:-4], key[8:].encode()):
            assert form not in pickled
        assert not any(key in message for message in tab.raw)
        router_data = dict(pickle.loads(pickled))
        assert router_data
        assert not any("cookie" in known.get("headers", {}) for known in router_data.values())


async def test_anonymous_visitor_keeps_one_session_over_a_sockets_events(site):
    async with connect(site.ws_url) as tab:
        await tab.fire(Counter.set_session, value="kept")
        await tab.fire(Counter.read_session)
        await tab.var("name", "kept")


async def test_cookies_are_those_of_the_handshake_not_of_the_page(site, ada, bob):
    async with connect(site.ws_url, cookies=ada) as tab:
        await tab.send(
            {
                "name": format_event_handler(Counter.who),
                "payload": {},
                "router_data": {
                    "pathname": "/",
                    "asPath": "/",
                    "headers": {
                        "cookie": http_cookies.SimpleCookie(bob).output(header="", sep=";"),
                        "x-rxbridge-connection": "forged",
                    },
                },
            }
        )
        await tab.var("name", "ada")


@pytest.mark.parametrize(
    "event",
    [
        {},
        [],
        "text",
        {"name": "no.such.handler"},
        {"name": 5},
        {"name": format_event_handler(Counter.who), "payload": [1]},
        {"name": format_event_handler(Counter.who), "payload": {"x": 1}},
        {"name": format_event_handler(Counter.who), "router_data": []},
        {"name": format_event_handler(Counter.who), "router_data": {"query": 3}},
        {"name": format_event_handler(Counter.who), "router_data": {"asPath": 3}},
        {"name": format_event_handler(Counter.who), "router_data": {"asPath": "/" + "x" * 99999}},
    ],
)
async def test_malformed_event_runs_nothing_and_the_next_one_works(site, ada, event):
    async with connect(site.ws_url, cookies=ada) as tab:
        await tab.send(event)
        await asyncio.sleep(0.1)
        assert tab.vars()["name"] == ""
        await tab.fire(Counter.add, number=5)
        await tab.var("count", 5)
        assert tab.vars()["name"] == ""
