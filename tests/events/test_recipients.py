"""A stranger who has a tab's token is sent nothing of what works for its signed-in user."""

import asyncio
import json
import uuid
from contextlib import asynccontextmanager

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.conf import settings as project
from django.contrib.auth.models import User
from django.test import Client
from reflex.istate.manager.token import BaseStateToken
from reflex.state import State

from rxbridge.events import reflex_asgi
from rxbridge.events.reflex.presence import Presence
from rxbridge.state import AppState
from rxbridge.testing import RawClient
from tests.events.app import app, bridged, connections, gates, unbridged

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = {"pathname": "/", "asPath": "/"}
HYDRATE = {"name": f"{State.get_full_name()}.hydrate", "payload": {}, "router_data": PAGE}
STRANGER = {"rxbridge_browser_t": "t" * 32}
BEFORE = {"rxbridge_browser_v": "v" * 32}  # who used ada's browser before, and is elsewhere now


class Letters(AppState, rx.State):
    written_by: str = ""

    def _write(self, n: int = 0) -> None:
        self.written_by = f"Dear {self.user.get_username()} {n}"

    @rx.event
    async def write(self):
        await gates["write"].wait()
        self._write()

    @rx.event
    async def write_on(self):
        await gates["write"].wait()
        for n in range(3):
            self._write(n)
            yield

    @rx.event
    async def tell(self):
        await gates["write"].wait()
        return rx.toast(f"Dear {self.user.get_username()}")

    @rx.event
    async def sign_in_and_tell(self):
        await gates["write"].wait()
        await self.login(await User.objects.aget(username="ada"))
        yield
        self._write()
        yield rx.toast(f"Dear {self.user.get_username()}")

    @rx.event(background=True)
    async def write_beside(self):
        await gates["write"].wait()
        async with self:
            self._write()


def sign_in() -> dict[str, str]:
    User.objects.create_user("ada", password="x")
    client = Client()
    client.login(username="ada", password="x")
    session = client.cookies[project.SESSION_COOKIE_NAME].value
    return {"rxbridge_browser_v": "v" * 32, project.SESSION_COOKIE_NAME: session}


@pytest.fixture
async def ada(db):
    return await sync_to_async(sign_in)()


@pytest.fixture
async def raw(ada):
    gates["write"] = asyncio.Event()
    with bridged():
        async with RawClient(connections.wrap(reflex_asgi(app))) as raw:
            yield raw


async def connected(token: str, *, is_open: bool = True) -> None:
    async with asyncio.timeout(10):
        while (token in app.event_namespace.token_to_sid) is not is_open:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@asynccontextmanager
async def left(raw, cookies, handler):
    """Have a tab's handler run on without it, until its token is shown again; yield the token."""
    token = str(uuid.uuid4())
    async with raw.connect(token=token, cookies=cookies, first=HYDRATE) as tab:
        name = f"{Letters.get_full_name()}.{handler}"
        event = ["event", {"name": name, "payload": {}, "router_data": PAGE}]
        tab._text(f"42/_event,{json.dumps(event)}")
        await asyncio.sleep(0.1)
    await connected(token, is_open=False)

    async def go_on():
        await connected(token)
        await asyncio.sleep(0.1)
        gates["write"].set()

    going = asyncio.create_task(go_on())
    yield token
    await going


@pytest.mark.parametrize("first", [HYDRATE, None], ids=["loads", "silent"])
@pytest.mark.parametrize("cookies", [STRANGER, {}, BEFORE], ids=["stranger", "nobody", "before"])
@pytest.mark.parametrize("handler", ["write", "write_on", "tell", "write_beside"])
async def test_handler_that_runs_on_sends_a_stranger_nothing(raw, ada, handler, cookies, first):
    async with (
        left(raw, ada, handler) as token,
        raw.connect(token=token, cookies=cookies, first=first) as thief,
    ):
        await gates["write"].wait()
        fired = await thief.send(HYDRATE["name"])
        assert thief.token == token
        assert "Dear" not in f"{fired.deltas}{fired.events}{thief._updates}"


@pytest.mark.parametrize("handler", ["write_on", "tell", "write_beside", "sign_in_and_tell"])
async def test_handler_that_runs_on_is_shown_to_its_own_browser(raw, ada, handler):
    # As it signs in the browser has no session yet, but the cookie it is known by.
    known_by = (
        "rxbridge_browser_v" if handler == "sign_in_and_tell" else project.SESSION_COOKIE_NAME
    )
    own = {known_by: ada[known_by]}
    async with (
        left(raw, own if handler == "sign_in_and_tell" else ada, handler) as token,
        raw.connect(token=token, cookies=own) as tab,
    ):
        sent = json.dumps(tab._updates)
        assert "Dear ada" in sent


async def test_task_of_a_visitor_goes_on_for_who_signs_in(raw, ada):
    visitor = {"rxbridge_browser_v": ada["rxbridge_browser_v"]}
    async with (
        left(raw, visitor, "write_beside") as token,
        raw.connect(token=token, cookies=ada, first=HYDRATE) as tab,
    ):
        assert "Dear  0" in json.dumps(tab._updates)


async def push(token: str) -> None:
    async with app.modify_state(BaseStateToken(ident=token, cls=Letters)) as state:
        (await state.get_state(Letters)).written_by = "Dear push"


async def pushed(raw, token, cookies, first=HYDRATE) -> str:
    async with raw.connect(token=token, cookies=cookies, first=first) as tab:
        await push(token)
        return str((await tab.send_message(["ping"])).deltas)


async def test_push_is_sent_to_who_was_shown_the_tab(raw, ada):
    token = str(uuid.uuid4())
    assert "Dear push" in await pushed(raw, token, ada)
    await connected(token, is_open=False)
    for other in (STRANGER, BEFORE):
        assert "Dear push" not in await pushed(raw, token, other, first=None)
        await connected(token, is_open=False)
    assert "Dear push" in await pushed(raw, token, ada)


async def test_push_is_sent_to_any_tab_of_an_app_without_a_bridge(raw):
    with unbridged():
        assert "Dear push" in await pushed(raw, str(uuid.uuid4()), {})


async def test_stranger_is_not_taken_for_the_tab_that_came_back(raw, ada):
    token = str(uuid.uuid4())
    async with raw.connect(token=token, cookies=ada, first=HYDRATE):
        (own,) = connections
    await connected(token, is_open=False)
    presence = Presence(app, token, own, 0)
    for cookies, is_over in ((ada, False), (STRANGER, True)):
        async with raw.connect(token=token, cookies=cookies):
            assert await presence.is_over() is is_over
        await connected(token, is_open=False)
