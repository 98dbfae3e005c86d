"""An event that ends while its tab has another socket, or none: its delta and cookies arrive."""

import asyncio
import re
import uuid
from collections.abc import Iterator

import httpx
import pytest
import redis.asyncio as redis

from tests.browser.running import Club, found, run_club, run_workers
from tests.events.wire import Socket, connect
from tests.servers import KINDS
from tests.state.redis_server import needs_redis

pytestmark = pytest.mark.server

MEMBER = "reflex___state____state.tests___browser___club___ui____member"
SECONDS = 0.4
"""How long the event takes."""


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    database = tmp_path_factory.mktemp("members") / "club.sqlite3"
    found(database)
    return database


@pytest.fixture(scope="module", params=[*KINDS, pytest.param("workers", marks=needs_redis)])
def club(request, members, tmp_path_factory) -> Iterator[Club]:
    folder = tmp_path_factory.mktemp("club")
    if request.param == "workers":
        with run_workers(members, folder) as (club, _):
            yield club
    else:
        with run_club(request.param, members, folder) as club:
            yield club


@pytest.fixture
def addresses(club: Club) -> tuple[str, str]:
    """Where a tab begins, and where it comes back to."""
    return club.servers[0].url, club.servers[-1].url


class Browser:
    """A browser with one tab, at whatever worker."""

    def __init__(self, token: str = "") -> None:
        self.token = token or str(uuid.uuid4())
        self.cookies = {f"rxbridge_browser_{uuid.uuid4().hex[:6]}": uuid.uuid4().hex}

    def open(self, url: str):
        ws_url = url.replace("http:", "ws:")
        return connect(ws_url, token=self.token, cookies=self.cookies, origin=url)

    async def redeem(self, tab: Socket, url: str) -> dict[str, str]:
        """Do what the page does with the ticket it is sent; return the cookies."""
        await tab.text("x-rxbridge-ticket")
        tickets = re.findall(r"x-rxbridge-ticket\W+([\w-]{43})", " ".join(tab.raw))
        headers = {"x-rxbridge-ticket": tickets[-1], "origin": url}
        async with httpx.AsyncClient(base_url=url, headers=headers, cookies=self.cookies) as http:
            for method in ("POST", "PUT"):
                await http.request(method, "/_cookies")
            return dict(http.cookies)


@pytest.fixture
def browser() -> Browser:
    return Browser()


async def begin(tab: Socket) -> None:
    await tab.fire(f"{MEMBER}.enter_slowly", name="ada", seconds=SECONDS)
    await tab.var("kept", "waits")


async def is_closed(club: Club, token: str) -> None:
    """Wait until no worker has a socket of the tab: another's would be taken for a duplicate."""
    if not club.redis_url:
        return  # One process is told of the end of a socket before it is of the next one.
    async with redis.Redis.from_url(club.redis_url) as client, asyncio.timeout(10):
        while await client.exists(f"token_manager_socket_record_{token}"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def check_that_it_is_ada(browser: Browser, tab: Socket, url: str) -> None:
    """Expect the delta and the cookies of the event, and that the next one has them."""
    assert not any("new_token" in message for message in tab.raw)
    await tab.var("kept", "entered")
    await tab.var("username", "ada")
    assert (await browser.redeem(tab, url))["sessionid"]
    await tab.fire(f"{MEMBER}.who")
    await tab.var("seen", "ada 1")


@pytest.mark.parametrize("away", [0.1, SECONDS + 0.5], ids=["back before", "back after"])
async def test_event_of_a_tab_without_a_socket(addresses, browser, away):
    here, there = addresses
    async with browser.open(here) as tab:
        await begin(tab)
    await asyncio.sleep(away)
    async with browser.open(there) as tab:
        await check_that_it_is_ada(browser, tab, there)


async def test_event_of_a_tab_whose_socket_is_silent(addresses, browser):
    here, there = addresses
    async with browser.open(here) as dead:
        await begin(dead)
        await asyncio.sleep(SECONDS + 0.3)
        # Nothing of it is read any more, so nothing is answered.
        async with browser.open(there) as tab:
            await check_that_it_is_ada(browser, tab, there)


async def test_stranger_who_has_the_token_while_it_runs_is_sent_nothing_of_it(
    club, addresses, browser
):
    here, there = addresses
    async with browser.open(here) as tab:
        await begin(tab)
    await is_closed(club, browser.token)
    async with Browser(browser.token).open(there) as thief:
        sent = " ".join(thief.raw)
        assert "new_token" not in sent
        assert "entered" not in sent
        assert not thief.vars().get("username")
    async with browser.open(there) as tab:
        await tab.var("username", "ada")
        assert (await browser.redeem(tab, there))["sessionid"]


async def test_stranger_who_has_the_token_by_then_gets_no_cookie_of_it(addresses, browser):
    here, there = addresses
    async with browser.open(here) as tab:
        await begin(tab)
    await asyncio.sleep(SECONDS + 0.6)
    stranger = Browser(browser.token)
    async with stranger.open(there) as thief:
        assert "sessionid" not in await stranger.redeem(thief, there)
        assert not thief.vars().get("username")
    async with browser.open(there) as tab:
        await tab.var("username", "ada")
        assert (await browser.redeem(tab, there))["sessionid"]
