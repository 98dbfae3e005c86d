"""reflex_asgi: what it serves, how much of it at once, and what it refuses to."""

import asyncio
import contextlib

import pytest
import websockets
from django.db import connections as databases
from reflex_base.config import get_config
from reflex_base.utils.format import format_event_handler

from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import reflex_asgi
from rxbridge.testing import RawClient
from tests.events.app import Counter, app, bridge, journal
from tests.events.wire import connect
from tests.servers import KINDS, run_server

SLOW = "reflex___state____state.tests___events___slow_site____slow"
TOO_LARGE = "That is too large to be sent."

on_a_server = [pytest.mark.server, pytest.mark.django_db(transaction=True)]


def served(kind, folder, **environment):
    database = {"RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"])}
    application = "tests.events.slow_site:application"
    return run_server(kind, application, env=environment | database, cwd=folder)


@pytest.fixture(params=KINDS)
def site(request, django_db_setup, tmp_path):
    with served(request.param, tmp_path) as server:
        yield server


async def fire_all(tab, handler, payloads, sent):
    for payload in payloads:
        await tab.fire(handler, **payload)
        sent.append(payload)


async def stalled(sent):
    """Wait until no more gets through."""
    before = -1
    while len(sent) != before:
        before = len(sent)
        await asyncio.sleep(1)


class TestBackPressure:
    pytestmark = on_a_server

    @pytest.mark.parametrize(
        ("count", "size"), [(60, 800_000), (2_000, 12_000)], ids=["large", "many"]
    )
    async def test_socket_is_not_read_while_its_events_wait(self, site, count, size):
        async with (
            connect(site.ws_url, compression=None) as tab,
            connect(site.ws_url) as other,
        ):
            await tab.fire(f"{SLOW}.hold")
            await tab.var("begun", "hold")
            sent = []
            payloads = [{"text": "x" * size}] * count
            sender = asyncio.create_task(fire_all(tab, f"{SLOW}.take", payloads, sent))
            await stalled(sent)
            assert len(sent) < count / 2
            # Another tab is served meanwhile; then all the rest comes through.
            await other.fire(f"{SLOW}.release")
            await tab.var("taken", count * size, timeout=120)
            await sender


@pytest.mark.django_db(transaction=True)
async def test_socket_that_is_closed_while_it_is_not_read_is_over_for_reflex_too():
    journal.clear()
    connections = ConnectionRegistry()
    application = connections.wrap(reflex_asgi(app, backlog=2))
    async with RawClient(application) as raw, raw.connect() as socket:
        for _ in range(3):
            with contextlib.suppress(TimeoutError):
                name = format_event_handler(Counter.background_waits)
                await socket.send(name, timeout=0.1)
        assert socket.token in app.event_namespace.token_to_sid
        connections.close(lambda _: True)
        try:
            async with asyncio.timeout(30):
                while socket.token in app.event_namespace.token_to_sid:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            journal.append("released")


class TestTooLarge:
    pytestmark = on_a_server

    async def test_event_is_refused_alone_and_the_visitor_told(self, site):
        async with connect(site.ws_url) as tab:
            await tab.fire(f"{SLOW}.take", text="é" * 999_000)
            await tab.var("taken", 999_000)
            await tab.fire(f"{SLOW}.take", text="é" * 1_100_000)
            await tab.text(TOO_LARGE)
            await tab.fire(f"{SLOW}.take", text="again")
            await tab.var("taken", 999_005)
        assert "tests.events.slow_site.Slow.take did not run: 413. its message has 1100" in site.log

    async def test_bound_is_the_apps_to_set(self, django_db_setup, tmp_path):
        bound = {"REFLEX_SOCKET_MAX_HTTP_BUFFER_SIZE": "3000"}
        with served("uvicorn", tmp_path, **bound) as site:
            async with connect(site.ws_url) as tab:
                await tab.fire(f"{SLOW}.take", text="x" * 2_000)
                await tab.var("taken", 2_000)
                await tab.fire(f"{SLOW}.take", text="x" * 3_000)
                await tab.text(TOO_LARGE)

    @pytest.mark.parametrize("site", ["uvicorn"], indirect=True)
    async def test_what_the_server_itself_does_not_take_is_told_as_the_tab_comes_back(self, site):
        async with connect(site.ws_url, compression=None) as tab:
            await tab.fire(f"{SLOW}.take", text="first")
            await tab.var("taken", 5)
            with contextlib.suppress(websockets.ConnectionClosedError):
                await tab.fire(f"{SLOW}.take", text="x" * 17_000_000)
            with pytest.raises(websockets.ConnectionClosedError, match="1009"):
                await tab.text("anything")
        async with connect(site.ws_url, token=tab.token) as back:
            await back.text(TOO_LARGE)
            assert back.vars()["taken"] == 5
        assert "exceeds limit of 16777216 bytes" in site.log


class TestUnreadable:
    pytestmark = on_a_server

    async def test_visitor_is_told_and_the_next_event_runs(self, site):
        async with connect(site.ws_url) as tab:
            for event in ("[" * 100_000, "{", '"text"', "[]", '{"payload":{}}'):
                tab.raw.clear()
                await tab.send_raw(f'["event",{event}]')
                await tab.text("That did not work")
            await tab.fire(f"{SLOW}.take", text="again")
            await tab.var("taken", 5)

    async def test_message_with_binary_parts_is_refused_with_each_of_them(self, site):
        async with connect(site.ws_url) as tab:
            parts = f'451-{tab.namespace},["event",{{"_placeholder":true,"num":0}}]', b"a part"
            for message in parts:
                tab.raw.clear()
                await tab._websocket.send(message)
                await tab.text("That did not work")
            await tab.fire(f"{SLOW}.take", text="again")
            await tab.var("taken", 5)

    async def test_events_of_no_handler_do_not_fill_the_backlog(self, site):
        async with connect(site.ws_url) as tab:
            for _ in range(250):
                await tab.fire("reflex___state____state.renamed_since")
            await tab.fire(f"{SLOW}.take", text="again")
            await tab.var("taken", 5)


def test_app_that_polls_is_not_served(monkeypatch):
    monkeypatch.setattr(app.sio.eio, "transports", ["websocket", "polling"])
    with pytest.raises(ValueError, match="Long polling is on"):
        reflex_asgi(app)


def test_bridge_is_not_made_where_reflex_is_to_poll(monkeypatch):
    monkeypatch.setattr(get_config(), "transport", "polling")
    with pytest.raises(ValueError, match=r"rx\.Config in rxconfig\.py"):
        bridge()


def test_backlog_of_none_is_refused():
    with pytest.raises(ValueError, match="write 1 or more"):
        reflex_asgi(app, backlog=0)


@pytest.mark.parametrize("pages", [set(), {"404"}, {"index", "404"}])
def test_app_without_a_page_is_told_of(monkeypatch, tmp_path, caplog, pages):
    """Nobody imported the modules with ``@rx.page``."""
    monkeypatch.chdir(tmp_path)
    left = {route: page for route, page in app._unevaluated_pages.items() if route in pages}
    monkeypatch.setattr(app, "_unevaluated_pages", left)
    reflex_asgi(app)
    told = [record.message for record in caplog.records if record.name == "rxbridge"]
    assert ["import the modules with @rx.page" in message for message in told] == (
        [] if "index" in pages else [True]
    )
