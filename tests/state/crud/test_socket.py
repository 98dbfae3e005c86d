"""A list that follows, at a real server."""

import asyncio

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.test import Client
from reflex.state import OnLoadInternalState
from reflex_base.utils.format import format_event_handler

from tests.events.wire import Socket, connect
from tests.servers import Server
from tests.state.crud.app import Own

pytestmark = pytest.mark.server

ON_LOAD = f"{OnLoadInternalState.get_full_name()}.on_load_internal"


def sign_in(user) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}


async def followers(server: Server, expected: int) -> None:
    """Wait until as many tabs follow."""
    async with httpx.AsyncClient() as http, asyncio.timeout(10):
        while int((await http.get(f"{server.url}/followers")).text) != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def open_notes(server: Server, socket: Socket) -> None:
    await socket.fire(ON_LOAD, path="/notes")
    await followers(server, 1)


async def test_second_tab_hears_of_a_change_and_a_closed_one_is_forgotten(server, ada):
    cookies = await sync_to_async(sign_in)(ada)
    async with connect(server.ws_url, cookies=cookies) as first:
        await open_notes(server, first)
        async with connect(server.ws_url, cookies=cookies) as second:
            await second.fire(Own.create, form_data={"title": "milk", "price": "1"})
            await second.var("total", 1)
        await first.text(f'"{format_event_handler(Own.load)}"')
        await first.fire(Own.load)
        await first.var("total", 1)
    await followers(server, 0)


async def test_leaving_the_page_ends_following(server, ada):
    cookies = await sync_to_async(sign_in)(ada)
    async with connect(server.ws_url, cookies=cookies) as socket:
        await open_notes(server, socket)
        await socket.fire(ON_LOAD, path="/")
        await followers(server, 0)
