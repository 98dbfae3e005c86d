"""Redis goes away amid clicks: events fail with a toast or wait, and all resumes by itself.

A proxy stands for it: one that refuses connections is a Redis that is being restarted, and one
that passes nothing on a Redis, or a network, that hangs.
"""

import asyncio
import contextlib
import pickle
from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

import pytest
import redis
from reflex.state import StateUpdate
from reflex.utils.token_manager import LostAndFoundRecord, RedisTokenManager

from tests.events.wire import Socket, connect
from tests.servers import Server, run_server
from tests.state.proxy import Proxy, run_proxy
from tests.state.redis_server import needs_redis, run_redis

pytestmark = [pytest.mark.server, needs_redis]

AWAY = "reflex___state____state.tests___state___away_site____away"
FAILED = "An error occurred."
REFUSED = "That did not work. Please try again."


class Site:
    """The running site, and the proxies of what it needs."""

    proxies: dict[str, Proxy]

    def __init__(
        self, server: Server, redis_url: str, *, has_timeout: bool, **proxies: Proxy
    ) -> None:
        self.server = server
        self.redis_url = redis_url
        self.has_timeout = has_timeout

    @contextlib.asynccontextmanager
    async def visit(self) -> AsyncIterator[Socket]:
        async with connect(self.server.ws_url) as tab:
            yield tab


async def click(tab: Socket, handler: str) -> None:
    """Click, and wait until a click is counted."""
    count = tab.vars()["count"]
    await tab.fire(f"{AWAY}.{handler}")
    async with asyncio.timeout(10):
        while tab.vars()["count"] <= count:
            await tab.read()


async def check_that_page_shows_what_is_stored(tab: Socket) -> None:
    """Clicks that waited are counted first; then all vars come, as on a reload."""
    before = len(tab.received)
    await tab.fire("reflex___state____state.hydrate_and_load")
    async with asyncio.timeout(10):
        while not any("is_hydrated" in str(update) for update in tab.received[before:]):
            await tab.read()
    deltas = [
        changes for update in tab.received for changes in (update.get("delta") or {}).values()
    ]
    counts = [delta["count_rx_state_"] for delta in deltas if "count_rx_state_" in delta]
    assert counts == sorted(counts)
    assert counts[-1] == counts[-2]


@pytest.fixture(scope="module", params=["", "?socket_timeout=1"], ids=["as it is", "timeout"])
def site(request, tmp_path_factory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("away")
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(run_redis())
        port = urlsplit(url).port
        assert port is not None
        names = ("states", "cache", "broadcast")
        proxies = {name: stack.enter_context(run_proxy(port)) for name in names}
        urls = {name: f"redis://127.0.0.1:{proxy.port}/0" for name, proxy in proxies.items()}
        environment = {
            "REFLEX_REDIS_URL": urls["states"] + request.param,
            "AWAY_CACHE": urls["cache"] + request.param,
            "AWAY_BROADCAST": urls["broadcast"],
            "DJANGO_SETTINGS_MODULE": "tests.state.away_settings",
            "RXBRIDGE_TEST_DB": str(folder / "db.sqlite3"),
        }
        target = "tests.state.away_site:application"
        server = stack.enter_context(run_server("uvicorn", target, env=environment, cwd=folder))
        site = Site(server, url, has_timeout=bool(request.param))
        site.proxies = proxies
        yield site


@pytest.mark.parametrize("how", [Proxy.cut, Proxy.fall_silent], ids=["refuses", "hangs"])
@pytest.mark.parametrize(
    ("role", "handler", "toast"),
    [
        ("states", "click", FAILED),
        ("states", "click_in_steps", FAILED),
        ("cache", "click_in_session", REFUSED),
        ("cache", "click_in_cache", FAILED),
    ],
)
async def test_events_fail_with_a_toast_or_wait_and_all_resumes(site, role, handler, toast, how):
    proxy = site.proxies[role]
    waits = how is Proxy.fall_silent and not site.has_timeout
    async with site.visit() as tab:
        await click(tab, handler)
        how(proxy)
        await tab.fire(f"{AWAY}.{handler}")
        if waits:
            await asyncio.sleep(1)
        else:
            await tab.text(toast)
        assert any(toast in message for message in tab.raw) is not waits
        proxy.back()
        await click(tab, handler)
        await click(tab, handler)
        await check_that_page_shows_what_is_stored(tab)


async def test_events_go_on_without_the_broadcast(site):
    async with site.visit() as tab:
        site.proxies["broadcast"].cut()
        await click(tab, "click_in_session")
        site.proxies["broadcast"].back()
        await click(tab, "click_in_session")
        assert not any(REFUSED in message for message in tab.raw)


async def test_worker_is_heard_again_after_redis_was_away_for_long(site):
    """Reflex's listener gives up after five seconds; a worker without one is taken for dead."""
    client = redis.Redis.from_url(site.redis_url)
    async with site.visit() as tab:
        note = client.get(f"token_manager_socket_record_{tab.token}")
    worker = pickle.loads(note).instance_id
    channel = f"channel:{RedisTokenManager._get_lost_and_found_key(worker)}"
    site.proxies["states"].cut()
    await asyncio.to_thread(site.server.wait_for_log, "lost_and_found_updates: task exceeded")
    site.proxies["states"].back()
    update = pickle.dumps(LostAndFoundRecord(token="nobody", update=StateUpdate()))
    async with asyncio.timeout(10):
        while not client.publish(channel, update):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.05)
