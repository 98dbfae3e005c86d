"""reflex_asgi: what it serves, how much of it at once, and what it refuses to."""

import asyncio
import contextlib
import json
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import reflex as rx
import websockets
from django.db import connections as databases
from reflex_base.config import get_config
from reflex_base.registry import RegistrationContext
from reflex_base.utils.format import format_event_handler
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

import rxbridge
from rxbridge.asgi import (
    REFLEX_PREFIXES,
    ConnectionRegistry,
    OriginGuard,
    PrefixRouter,
    SPAStaticApp,
)
from rxbridge.events import reflex_asgi
from rxbridge.testing import RawClient
from tests.events.app import Counter, app, bridge, journal
from tests.events.wire import connect
from tests.servers import KINDS, run_server

SLOW = "reflex___state____state.tests___events___slow_site____slow"
OURS = tuple(str(Path(rxbridge.__file__).parent / each) for each in ("asgi", "events"))
TOO_LARGE = "That is too large to be sent."

on_a_server = [pytest.mark.server, pytest.mark.django_db(transaction=True)]


def served(kind, folder, **environment):
    database = {"RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"])}
    application = "tests.events.slow_site:application"
    return run_server(kind, application, env=environment | database, cwd=folder)


@pytest.fixture(scope="module", params=KINDS)
def site(request, django_db_setup, tmp_path_factory):
    with served(request.param, tmp_path_factory.mktemp("site")) as server:
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
async def test_idle_socket_waits_for_reflex_in_two_functions_of_ours():
    # Each keeps some 280 bytes of every open socket.
    async with RawClient(ConnectionRegistry().wrap(reflex_asgi(app))) as raw, raw.connect():
        waiting = [[*functions_awaited(task.get_coro())] for task in asyncio.all_tasks()]
    assert ["ConnectionRegistry.wrap.<locals>.connected", "_Served.__call__"] in waiting


def functions_awaited(coroutine):
    """Yield the library's functions that a task waits in, from the outermost on."""
    while coroutine is not None:
        code = getattr(coroutine, "cr_code", None)
        if code is not None and code.co_filename.startswith(OURS):
            yield code.co_qualname
        coroutine = getattr(coroutine, "cr_await", None)


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

    @pytest.mark.parametrize("site", ["uvicorn"], indirect=True, scope="module")
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


class TestApiTransformer:
    """The table of docs/topologies.md."""

    OWN = "http://localhost"
    OTHER = "https://evil.example"

    @pytest.fixture
    def application(self, tmp_path):
        async def tell(request):
            return JSONResponse(request.cookies)

        routes = [Route(path, tell, methods=["GET", "POST"]) for path in ("/search", "/hooks/paid")]
        with RegistrationContext.ensure_context().fork():
            backend = reflex_asgi(rx.App(api_transformer=Starlette(routes=routes)))
            reflex = OriginGuard(ConnectionRegistry().wrap(backend))
            hooks = OriginGuard(backend, allow_missing=True)
            yield PrefixRouter(
                dict.fromkeys(REFLEX_PREFIXES, reflex) | {"/search": reflex, "/hooks": hooks},
                default=SPAStaticApp(tmp_path),
            )

    @pytest.mark.parametrize(
        ("method", "path", "origin", "status"),
        [
            ("POST", "/search", OWN, 200),
            ("POST", "/search", OTHER, 403),
            ("POST", "/search", None, 403),
            ("GET", "/search", None, 200),
            ("POST", "/hooks/paid", OWN, 200),
            ("POST", "/hooks/paid", OTHER, 403),
            ("POST", "/hooks/paid", None, 200),
            ("GET", "/hooks/paid", None, 200),
        ],
    )
    async def test_route_and_guard_are_the_prefixs(
        self, application, caplog, method, path, origin, status
    ):
        transport = httpx.ASGITransport(application)
        cookies = {"sessionid": "x"}
        async with httpx.AsyncClient(
            transport=transport, base_url=self.OWN, cookies=cookies
        ) as client:
            headers = {} if origin is None else {"origin": origin}
            answer = await client.request(method, path, headers=headers)
        assert answer.status_code == status
        if status == 200:
            assert answer.json() == (cookies if path == "/hooks/paid" else {})
        elif origin is None:
            assert "allow_missing=True" in caplog.text


RXCONFIG = """
import reflex as rx
config = rx.Config(app_name="early", state_auto_setters=True, plugins=[],
                   disable_plugins=[rx.plugins.SitemapPlugin])
"""

EARLY = """
import reflex as rx

class Form(rx.State):
    name: str = ""
    age: int = 0

    def set_age(self, age: str):
        "Of the form's own."

app = rx.App()

@rx.page(route="/")
def index():
    return rx.input(on_change=Form.set_name)
"""


def test_setters_are_there_whatever_was_imported_first(tmp_path):
    (tmp_path / "rxconfig.py").write_text(RXCONFIG)
    (tmp_path / "early.py").write_text(EARLY)

    def states(*how):
        probe = Path(__file__).parents[1] / "probes" / "early_states.py"
        command = [sys.executable, probe, *how]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert not done.returncode, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    normal = states("after", "served")
    assert normal == {"had": True, "name": "Ada", "schema": normal["schema"]}
    assert states("before", "served") == {**normal, "had": False}
    assert states("before", "tested") == {**normal, "had": False}
