"""Packages made for Reflex, and what Reflex brings: the same with a bridge and without."""

import subprocess
import sys
from base64 import b64decode
from functools import partial

import bcrypt
import httpx
import pytest
import reflex as rx
import reflex_google_auth.state
from django.contrib.auth.models import User
from django.db import connections as databases
from django.test import Client
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from reflex.model import get_engine
from reflex.state import UpdateVarsInternalState
from reflex_assistant_ui import AssistantUIState
from reflex_base.config import get_config
from reflex_base.utils.format import format_event_handler
from reflex_google_auth import GoogleAuthState
from reflex_local_auth import LocalAuthState, LoginState, RegistrationState
from reflex_magic_link_auth.page import HandleMagicLinkState
from reflex_otel import ReflexInstrumentor
from sqlmodel import SQLModel

from rxbridge.events import current_request, current_user
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app, recipe
from tests.ecosystem.visitors import package
from tests.events.wire import connect
from tests.servers import run_server

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "correct horse"
COUNTER = "reflex___state____state.tests___events___app____counter"

LocalEntry, GoogleEntry, MagicEntry = recipe(
    "LocalEntry", "GoogleEntry", "MagicEntry", page="reflex-packages.md"
)


@pytest.fixture(params=["bare", "bridged"])
def app(request):
    app = bridged_app()
    if request.param == "bare":
        app._middlewares = []
    return app


@pytest.fixture(autouse=True)
def tables(tmp_path, monkeypatch):
    """The database that these packages keep their accounts in, which is not Django's."""
    monkeypatch.setattr(bcrypt, "gensalt", partial(bcrypt.gensalt, 4))
    monkeypatch.setattr(get_config(), "db_url", f"sqlite:///{tmp_path}/reflex.sqlite3")
    engine = get_engine()
    SQLModel.metadata.create_all(engine)
    yield
    engine.dispose()


async def register(tab, name):
    form = {"username": name, "password": PASSWORD, "confirm_password": PASSWORD}
    await tab.fire(RegistrationState.handle_registration, form_data=form)


async def sign_in(tab, name, password=PASSWORD):
    form = {"username": name, "password": password}
    return await tab.fire(LoginState.on_submit, form_data=form)


@package("reflex-local-auth")
async def test_local_auth(app):
    """who registers signs in and out; a wrong password does not"""
    async with EventClient(app) as tab:
        await tab.load("/")
        await register(tab, "ada")
        assert "problem" in (await sign_in(tab, "ada", "wrong")).vars["error_message"]
        fired = await sign_in(tab, "ada")
        assert fired.vars["authenticated_user"].username == "ada"
        assert (await tab.state(LocalAuthState)).is_authenticated
        await tab.fire(LocalAuthState.do_logout)
        assert not (await tab.state(LocalAuthState)).is_authenticated


@package("reflex-local-auth")
async def test_account_of_local_auth_becomes_the_user():
    """by the handler below its account is `request.user`, and no longer after signing out"""
    async with EventClient(bridged_app()) as tab:
        await tab.load("/")
        await tab.fire(LocalEntry.enter)
        assert not await User.objects.aexists()
        await register(tab, "ada")
        await sign_in(tab, "ada")
        await tab.fire(LocalEntry.enter)
        assert (await tab.fire(Who.look)).vars["name"] == "local:1"
        await tab.fire(LocalEntry.leave)
        assert (await tab.fire(Who.look)).vars["name"] == "nobody"
        assert not (await tab.state(LocalAuthState)).is_authenticated


class Who(rx.State):
    name: str = ""

    @rx.event
    def look(self):
        self.name = current_user().get_username() or "nobody"


@pytest.fixture
def google(monkeypatch):
    """Google's keys, which are out of reach: a token is good if it is the right text."""

    def verify(token, request, audience):
        if token != "good":
            raise ValueError(token)
        return {"sub": "108", "name": "Ada", "email": "ada@example.com", "exp": 4_000_000_000}

    monkeypatch.setattr(reflex_google_auth.state, "verify_oauth2_token", verify)


@package("reflex-google-auth")
async def test_google_auth(app, google):
    """a token that Google vouches for is shown as its owner's; another is forgotten"""
    async with EventClient(app) as tab:
        await tab.load("/")
        fired = await tab.fire(GoogleAuthState.on_success, response={"credential": "good"})
        assert (fired.vars["user_name"], fired.vars["token_is_valid"]) == ("Ada", True)
        fired = await tab.fire(GoogleAuthState.on_success, response={"credential": "forged"})
        assert (fired.vars["user_name"], fired.vars["token_is_valid"]) == ("", False)


@package("reflex-google-auth")
async def test_account_of_google_becomes_the_user(google):
    """by the handler below its account is `request.user`, and no longer after signing out"""
    async with EventClient(bridged_app()) as tab:
        await tab.load("/")
        await tab.fire(GoogleAuthState.on_success, response={"credential": "forged"})
        await tab.fire(GoogleEntry.enter)
        assert (await tab.fire(Who.look)).vars["name"] == "nobody"
        await tab.fire(GoogleAuthState.on_success, response={"credential": "good"})
        await tab.fire(GoogleEntry.enter)
        assert (await tab.fire(Who.look)).vars["name"] == "google:108"
        await tab.fire(GoogleEntry.leave)
        assert (await tab.fire(Who.look)).vars["name"] == "nobody"


class Letter(HandleMagicLinkState):
    query: str = ""
    address: str = ""

    @rx.event
    def write(self):
        record, otp = self._generate_otp("ada@example.com")
        if otp is None:
            self.query = "too many"
            return
        self.auth_url = "https://shop.example.com/magic-link-auth"
        self.query = self._get_magic_link(record, otp).partition("?")[2]
        self.address = record.client_ip


async def follow_link(tab):
    """Ask for a link, and follow it."""
    tab.query = (await tab.fire(Letter.write)).vars["query"]
    return await tab.fire(HandleMagicLinkState.on_load)


@package("reflex-magic-link-auth")
async def test_magic_link_auth(app):
    """a link works once; links are counted by the address of the tab"""
    async with EventClient(app, client="203.0.113.7") as tab:
        await tab.load("/")
        fired = await follow_link(tab)
        assert (fired.vars["token_valid"], fired.redirect) == (True, "/")
        fired = await tab.fire(HandleMagicLinkState.on_load)
        assert (fired.vars["token_valid"], fired.redirect) == (False, None)
        for _ in range(5):
            assert (await tab.fire(Letter.write)).vars["address"] == "203.0.113.7"
        assert (await tab.fire(Letter.write)).vars["query"] == "too many"


@package("reflex-magic-link-auth")
async def test_account_of_magic_link_becomes_the_user():
    """by the handler below its account is `request.user`, and no longer after signing out"""
    async with EventClient(bridged_app()) as tab:
        await tab.load("/")
        await follow_link(tab)
        await tab.fire(MagicEntry.enter)
        assert (await tab.fire(Who.look)).vars["name"].startswith("magic:")
        await tab.fire(MagicEntry.leave)
        assert (await tab.fire(Who.look)).vars["name"] == "nobody"


class Traced(rx.State):
    @rx.event
    def work(self):
        tracer.start_span("work").end()

    @rx.event
    def fail(self):
        raise LookupError("for the span")


provider = TracerProvider()
tracer = provider.get_tracer("shop")


@package("reflex-otel")
async def test_otel(app):
    """one span to an event, around the handler's own, and with the error of one that fails"""
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    ReflexInstrumentor().instrument(tracer_provider=provider)
    try:
        async with EventClient(app, raise_exceptions=False) as tab:
            await tab.load("/")
            exporter.clear()
            await tab.fire(Traced.work)
            await tab.fire(Traced.fail)
    finally:
        ReflexInstrumentor().uninstrument()
    inner, outer, failed = exporter.get_finished_spans()
    assert outer.attributes["reflex.event.name"] == format_event_handler(Traced.work)
    assert (inner.name, inner.parent.span_id) == ("work", outer.context.span_id)
    assert [each.attributes["exception.type"] for each in failed.events] == ["LookupError"]


class Chat(AssistantUIState, rx.State):
    async def _respond(self, history):
        yield "Hello "
        yield current_user().get_username() or "nobody"


@package("reflex-assistant-ui")
async def test_assistant_ui(app):
    """an answer comes piece by piece; behind a bridge it knows who asked"""
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada) as tab:
        await tab.load("/")
        await tab.fire(Chat.handle_new, message={"text": "Who am I?"})
        fired = await tab.background()
        question, answer = fired.vars["messages"]
        assert question["content"][0]["text"] == "Who am I?"
        name = "ada" if app._middlewares else "nobody"
        assert answer["content"][0]["text"] == f"Hello {name}"
        assert answer["status"] == {"type": "complete", "reason": "stop"}
        fired = await tab.fire(Chat.handle_cancel)
        assert not fired.exceptions


@package("reflex-ag-grid")
def test_ag_grid():
    """it does not start with this Reflex, whose `reflex.base` it imports"""
    with pytest.raises(ModuleNotFoundError, match=r"reflex\.base"):
        import reflex_ag_grid  # noqa: F401


@pytest.fixture
def served(tmp_path):
    """The event tests' site on a server, on the database of the tests."""
    environment = {"RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"])}
    target = "tests.ecosystem.guarded_site:application"
    with run_server("uvicorn", target, env=environment, cwd=tmp_path) as server:
        yield server


@pytest.fixture
def cookies():
    client = Client()
    client.force_login(User.objects.create_user("ada"))
    return {name: morsel.value for name, morsel in client.cookies.items()}


@package("reflex-locust-ws")
def test_locust_ws(served):
    """its user passes OriginGuard and fires handlers, as nobody"""
    run = [sys.executable, "-m", "tests.ecosystem.load", served.url, COUNTER]
    told = subprocess.run(run, capture_output=True, text=True, timeout=60, check=False)
    assert told.stdout == "connect None\ncount_up None\nwho None\n", told.stderr


class Drawer(rx.State):
    theme: str = rx.Cookie("light", name="theme")
    draft: str = rx.LocalStorage("")
    step: str = rx.SessionStorage("1")
    seen: str = ""

    @rx.event
    def change(self):
        self.theme, self.draft, self.step = "dark", "Dear", "2"

    @rx.event
    def look(self):
        request = current_request()
        self.seen = request.COOKIES.get("theme", "none") if request else "no request"


@package("rx.Cookie, rx.LocalStorage, rx.SessionStorage")
async def test_client_storage(app):
    """what the browser kept is in the vars, what a handler sets is sent to it; the cookie of the
    handshake is in `request.COOKIES`, and stays what it was"""
    async with EventClient(app, cookies={"theme": "grey"}) as tab:
        await tab.load("/")
        name = f"{Drawer.get_full_name()}.theme_rx_state_"
        await tab.fire(UpdateVarsInternalState.update_vars_internal, vars={name: "grey"})
        assert (await tab.state(Drawer)).theme == "grey"
        fired = await tab.fire(Drawer.change)
        assert [fired.vars[each] for each in ("theme", "draft", "step")] == ["dark", "Dear", "2"]
        seen = (await tab.fire(Drawer.look)).vars["seen"]
        assert seen == ("grey" if app._middlewares else "no request")


class Report(rx.State):
    @rx.event
    def download(self):
        return rx.download(data=f"of {current_user().get_username()}", filename="report.txt")


@package("rx.download")
async def test_download(app):
    """a handler sends a file to the browser, which behind a bridge can be the user's own"""
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada) as tab:
        await tab.load("/")
        [event] = (await tab.fire(Report.download)).events
        assert event.name == "_download"
        assert event.payload["filename"] == "report.txt"
        content = b64decode(event.payload["url"].partition(",")[2])
        assert content == (b"of ada" if app._middlewares else b"of ")


class Board(rx.SharedState):
    count: int = 0
    last: str = ""

    @rx.event
    async def join(self, name: str):
        await self._link_to(name)

    @rx.event
    async def add(self):
        self.count += 1
        self.last = current_user().get_username() or "nobody"


@package("rx.SharedState")
async def test_shared_state(app):
    """tabs that are linked count together; behind a bridge each event is its own user's"""
    ada, bob = [await User.objects.acreate_user(name) for name in ("ada", "bob")]
    async with EventClient(app, user=ada) as first, first.tab(user=bob) as second:
        for tab in (first, second):
            await tab.load("/")
            await tab.fire(Board.join, name="hall")
        await first.fire(Board.add)
        fired = await second.fire(Board.add)
        assert fired.vars["count"] == 2
        assert fired.vars["last"] == ("bob" if app._middlewares else "nobody")


@package("rx.upload_files_chunk")
async def test_upload_files_chunk(served, cookies):
    """a file comes in chunks to a background handler, which is the user's of the upload"""
    async with connect(served.ws_url, cookies=cookies, origin=served.url) as tab:
        async with httpx.AsyncClient(cookies=cookies) as browser:
            answer = await browser.post(
                f"{served.url}/_upload",
                headers={
                    "reflex-client-token": tab.token,
                    "reflex-event-handler": f"{COUNTER}.upload_stream",
                    "origin": served.url,
                },
                files={"files": ("notes.txt", b"0123456789" * 10)},
            )
        assert answer.is_success
        await tab.var("count", 100)
        await tab.var("name", "ada")
