"""A tab whose network died without a close comes back to its state; a duplicate does not get it."""

import asyncio
import contextlib
import uuid

import pytest
import websockets
from django.db import connections as databases

from rxbridge.testing import RawClient
from tests.events.wire import Socket, answering, connect
from tests.servers import KINDS, run_server

pytestmark = pytest.mark.django_db(transaction=True)

ADD = "reflex___state____state.tests___events___app____counter.add"


BROWSER = {"rxbridge_browser_test": "a" * 32}


@pytest.fixture(scope="module", params=KINDS)
def server(request, django_db_setup, tmp_path_factory):
    environment = {"RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"])}
    folder = tmp_path_factory.mktemp("silent")
    with run_server(
        request.param, "tests.events.site:application", env=environment, cwd=folder
    ) as running:
        yield running


def new_token(socket: Socket) -> bool:
    return any("new_token" in message for message in socket.raw)


@pytest.mark.server
async def test_tab_whose_socket_is_silent_goes_on_with_its_state(server):
    token = str(uuid.uuid4())
    async with connect(server.ws_url, token=token, cookies=BROWSER) as dead:
        await dead.fire(ADD, number=3)
        await dead.var("count", 3)
        # Nothing of it is read any more, so nothing is answered.
        async with connect(server.ws_url, token=token, cookies=BROWSER) as tab:
            assert not new_token(tab)
            assert tab.vars()["count"] == 3
            await tab.fire(ADD, number=1)
            await tab.var("count", 4)


@pytest.mark.server
async def test_clicks_a_gone_page_has_left_on_their_way_are_no_sign_of_life(server):
    token = str(uuid.uuid4())

    async def keep_coming(socket: Socket) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await socket.fire(ADD, number=0)
                await asyncio.sleep(0.05)

    async with connect(server.ws_url, token=token, cookies=BROWSER) as gone:
        await gone.fire(ADD, number=3)
        await gone.var("count", 3)
        clicks = asyncio.create_task(keep_coming(gone))
        async with connect(server.ws_url, token=token, cookies=BROWSER) as tab:
            assert not new_token(tab)
            assert tab.vars()["count"] == 3
        clicks.cancel()


@pytest.mark.server
async def test_an_earlier_answer_that_was_on_its_way_is_no_sign_of_life(server):
    token = str(uuid.uuid4())

    async def arrive(socket: Socket) -> None:
        await asyncio.sleep(0.3)
        await socket.pong()

    async with connect(server.ws_url, token=token, cookies=BROWSER) as gone:
        await gone.fire(ADD, number=3)
        await gone.var("count", 3)
        late = asyncio.create_task(arrive(gone))
        async with connect(server.ws_url, token=token, cookies=BROWSER) as tab:
            assert not new_token(tab)
            assert tab.vars()["count"] == 3
        await late


@pytest.mark.server
async def test_duplicate_of_a_tab_that_answers_is_a_tab_of_its_own(server):
    token = str(uuid.uuid4())
    async with connect(server.ws_url, token=token, cookies=BROWSER) as tab:
        await tab.fire(ADD, number=3)
        await tab.var("count", 3)
        async with (
            answering(tab),
            connect(server.ws_url, token=token, cookies=BROWSER) as duplicate,
        ):
            assert new_token(duplicate)
            assert not duplicate.vars().get("count")
        await tab.fire(ADD, number=1)
        await tab.var("count", 4)


@pytest.mark.server
@pytest.mark.parametrize("cookies", [{}, {"rxbridge_browser_other": "b" * 32}])
async def test_stranger_who_knows_a_token_gets_nothing_and_closes_nothing(server, cookies):
    token = str(uuid.uuid4())
    async with connect(server.ws_url, token=token, cookies=BROWSER) as tab:
        await tab.fire(ADD, number=3)
        await tab.var("count", 3)
        async with connect(server.ws_url, token=token, cookies=cookies) as thief:
            assert new_token(thief)
            assert not thief.vars().get("count")
        await tab.fire(ADD, number=1)
        await tab.var("count", 4)


async def test_handshake_with_nothing_open_waits_for_nothing(monkeypatch):
    from rxbridge.events.reflex import handover
    from tests.events.site import application

    async def never(*_args):
        raise AssertionError

    monkeypatch.setattr(handover, "_answers", never)
    async with RawClient(application) as raw, raw.connect() as socket:
        first = socket.token
    async with RawClient(application) as raw, raw.connect(token=first) as socket:
        assert socket.token == first
