"""SessionRevoker at real servers: one worker, and two that share a Redis."""

import asyncio
import contextlib
import json
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
import redis
import websockets
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connections as databases
from django.test import Client

from rxbridge.asgi import ConnectionRegistry
from rxbridge.asgi.connections import BROWSER_COOKIE
from rxbridge.events.sessions.broadcast import RedisBroadcast
from rxbridge.events.sessions.channel import Channel
from rxbridge.events.sessions.revoker import SessionRevoker
from rxbridge.events.sessions.tracked import digest
from tests.events.app import Counter
from tests.events.wire import Socket, connect
from tests.servers import Server, free_port, run_server

pytestmark = [pytest.mark.server, pytest.mark.django_db(transaction=True)]

needs_redis = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed"
)
BROWSER = {"rxbridge_browser_test": "b" * 32}


@dataclass
class Redis:
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--save", "", "--bind", "127.0.0.1"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
                return
            except redis.RedisError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture(scope="module")
def store() -> Iterator[Redis]:
    store = Redis(free_port())
    store.start()
    yield store
    store.stop()


@contextlib.contextmanager
def worker(folder, **environment) -> Iterator[Server]:
    database = str(databases["default"].settings_dict["NAME"])
    with run_server(
        "uvicorn",
        "tests.events.revoked_site:application",
        env={"RXBRIDGE_TEST_DB": database, **environment},
        cwd=folder,
    ) as server:
        yield server


@pytest.fixture(scope="module")
def alone(django_db_setup, tmp_path_factory) -> Iterator[Server]:
    with worker(tmp_path_factory.mktemp("alone")) as server:
        yield server


@pytest.fixture(scope="module")
def workers(django_db_setup, tmp_path_factory, store) -> Iterator[tuple[Server, Server]]:
    with (
        worker(tmp_path_factory.mktemp("one"), RXBRIDGE_TEST_REDIS=store.url) as one,
        worker(tmp_path_factory.mktemp("two"), RXBRIDGE_TEST_REDIS=store.url) as two,
    ):
        yield one, two


@pytest.fixture
def ada() -> User:
    return User.objects.create_superuser("ada", password="first")


@pytest.fixture
def cookies(ada) -> dict[str, str]:
    return sign_in(ada) | BROWSER


def sign_in(user: User) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}


signed_in_elsewhere = sync_to_async(sign_in)


async def seconds_until_closed(tab: Socket, timeout: float = 5) -> float:
    began = time.monotonic()
    async with asyncio.timeout(timeout):
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await tab.read()
    return time.monotonic() - began


async def log_out(server: Server, cookies) -> None:
    """Log out through the admin, as a browser posts its form."""
    async with httpx.AsyncClient(base_url=server.url, cookies=cookies) as client:
        page = await client.get("/admin/password_change/")
        token = page.text.split('csrfmiddlewaretoken" value="')[1].split('"')[0]
        answer = await client.post("/admin/logout/", data={"csrfmiddlewaretoken": token})
        assert answer.status_code == 200


async def disconnect(server: Server, user: User) -> int:
    async with httpx.AsyncClient(base_url=server.url) as client:
        return (await client.get("/disconnect", params={"user": user.pk})).json()


async def change_the_password(cookies, server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.url, cookies=cookies) as client:
        url = "/admin/password_change/"
        token = (await client.get(url)).text.split('csrfmiddlewaretoken" value="')[1]
        form = {"old_password": "first", "new_password1": "a-2nd-one", "new_password2": "a-2nd-one"}
        answer = await client.post(url, data={"csrfmiddlewaretoken": token.split('"')[0], **form})
        assert answer.status_code == 302


async def test_a_logout_in_the_admin_closes_the_socket_and_the_tab_comes_back_anonymous(
    alone, cookies
):
    async with connect(alone.ws_url, cookies=cookies) as tab:
        await tab.fire(Counter.who)
        await tab.var("name", "ada")
        await log_out(alone, cookies)
        assert await seconds_until_closed(tab) < 1
    async with connect(alone.ws_url, cookies=cookies, token=tab.token) as again:
        assert again.vars()["name"] == ""  # Her vars are not for who comes after her.
        await again.fire(Counter.who)
        await again.var("name", "")


async def test_a_password_change_in_the_admin_closes_the_tabs_of_other_browsers(
    alone, ada, cookies
):
    async with connect(alone.ws_url, cookies=cookies) as tab:
        await change_the_password(await signed_in_elsewhere(ada), alone)
        assert await seconds_until_closed(tab) < 1


SECRET = "reflex___state____state.tests___events___revoked_site____secret"


@pytest.mark.parametrize("handler", ["tick", "tell_slowly"])
async def test_what_works_for_an_ended_session_tells_the_tab_nothing_more(alone, cookies, handler):
    async with connect(alone.ws_url, cookies=cookies) as tab:
        await tab.fire(f"{SECRET}.{handler}")
        await tab.var("ticks", -1 if handler == "tell_slowly" else 2)
        await log_out(alone, cookies)
        assert await seconds_until_closed(tab) < 1
    async with connect(alone.ws_url, token=tab.token) as again:
        loaded = len(again.raw)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.2):
                while True:
                    await again.read()
        assert not any("ticks" in message for message in again.raw[loaded:])
        assert not any("the secret" in message for message in again.raw)
        await again.fire(Counter.who)  # the state is not left locked
        await again.var("name", "")


async def test_a_logout_in_an_event_closes_the_other_tab_only(alone, cookies):
    async with (
        connect(alone.ws_url, cookies=cookies) as own,
        connect(alone.ws_url, cookies=cookies) as other,
    ):
        await own.fire(Counter.sign_out)
        assert await seconds_until_closed(other) < 1
        await own.fire(Counter.who)
        await own.var("name", "")


@needs_redis
@pytest.mark.parametrize("end", ["logout", "logout in an event", "password", "disconnect"])
async def test_an_end_at_one_worker_closes_the_tab_at_the_other(workers, ada, cookies, end):
    one, two = workers
    async with connect(two.ws_url, cookies=cookies) as tab:
        if end == "logout":
            await log_out(one, cookies)
        elif end == "logout in an event":
            async with connect(one.ws_url, cookies=cookies) as own:
                await own.fire(Counter.sign_out)
                await own.fire(Counter.who)
                await own.var("name", "")
        elif end == "password":
            await change_the_password(await signed_in_elsewhere(ada), one)
        else:
            assert await disconnect(one, ada) == 0  # none at that worker
        assert await seconds_until_closed(tab) < 1
    # These cookies are the old ones; a tab that shows them sooner is told to come again.
    await asyncio.sleep(0.3)
    async with connect(two.ws_url, cookies=cookies) as again:
        await again.fire(Counter.who)
        await again.var("name", "")


async def begin_a_basket(server: Server) -> str:
    """Let a view begin a session for the browser; return its cookie."""
    async with httpx.AsyncClient(base_url=server.url, cookies=BROWSER) as client:
        return (await client.get("/basket")).cookies["sessionid"]


BASKET = "reflex___state____state.tests___events___revoked_site____basket"


@needs_redis
async def test_a_tab_follows_what_a_view_at_another_worker_sets(workers):
    one, two = workers
    async with connect(two.ws_url, cookies=BROWSER) as tab, connect(two.ws_url) as stranger:
        session = await begin_a_basket(one)
        assert await seconds_until_closed(tab) < 5
        await stranger.fire(Counter.who)
        await stranger.var("name", "")  # still open
    cookies = BROWSER | {"sessionid": session}
    async with connect(two.ws_url, cookies=cookies, token=tab.token) as again:
        await again.fire(f"{BASKET}.count")
        await again.var("content", {"basket": "lamp", "n": 1})
    assert await sync_to_async(Session.objects.count)() == 1


@needs_redis
async def test_a_tab_elsewhere_comes_back_if_the_cookie_it_is_known_by_is_taken_back(workers):
    one, two = workers
    older = {f"{BROWSER_COOKIE}{n}": "o" * 32 for n in range(2)}
    async with connect(two.ws_url, cookies=BROWSER) as tab:
        async with httpx.AsyncClient(base_url=one.url, cookies={**older, **BROWSER}) as client:
            taken_back = (await client.get("/basket")).headers.get_list("set-cookie")
        assert any(each.startswith(f"{next(iter(BROWSER))}=; ") for each in taken_back)
        assert await seconds_until_closed(tab) < 5


@needs_redis
async def test_what_carries_cookies_to_other_workers_tells_nobody_their_values(workers, store):
    client = redis.asyncio.Redis.from_url(store.url)
    async with client, client.pubsub() as channel:
        await channel.subscribe("rxbridge:revocations")
        assert (await channel.get_message(timeout=5))["type"] == "subscribe"
        session = await begin_a_basket(workers[0])
        message = (await channel.get_message(timeout=10))["data"]
    assert json.loads(message)["kind"] == "cookies"
    for secret in (session, BROWSER["rxbridge_browser_test"]):
        assert secret.encode() not in message


@needs_redis
async def test_a_message_puts_no_cookie_into_a_jar(workers, store):
    name, value = next(iter(BROWSER.items()))
    forged = {
        "worker": "another",
        "kind": "cookies",
        "browsers": [digest("browser", f"{name}={value}")],
        "cookies": [["sessionid", "of-an-attacker", "/"]],
    }
    async with connect(workers[0].ws_url, cookies=BROWSER) as tab:
        with redis.Redis.from_url(store.url) as client:
            client.publish("rxbridge:revocations", json.dumps(forged))
        # The worst it does: the tab comes back, with what its browser has.
        assert await seconds_until_closed(tab) < 5


@needs_redis
async def test_an_end_in_a_process_without_sockets_reaches_the_workers(
    workers, store, ada, cookies
):
    revoker = SessionRevoker(ConnectionRegistry(), broadcast=RedisBroadcast(store.url))
    try:
        async with connect(workers[0].ws_url, cookies=cookies) as tab:
            ada.set_password("second")
            await ada.asave()
            assert await seconds_until_closed(tab) < 1
    finally:
        revoker.close()
        await revoker.stop()


@needs_redis
async def test_messages_carry_no_session_key_and_no_hash_of_a_password(
    workers, store, ada, cookies
):
    received = []
    client = redis.asyncio.Redis.from_url(store.url)
    async with client, client.pubsub() as channel:
        await channel.subscribe("rxbridge:revocations")
        assert (await channel.get_message(timeout=5))["type"] == "subscribe"
        async with connect(workers[0].ws_url, cookies=cookies) as tab:
            await log_out(workers[0], cookies)
            await change_the_password(await signed_in_elsewhere(ada), workers[0])
            await disconnect(workers[1], ada)
            await seconds_until_closed(tab)
        while message := await channel.get_message(timeout=1):
            received.append(message["data"])
    kinds = {json.loads(message)["kind"] for message in received}
    assert kinds == {"session", "browser", "user", "disconnect"}
    await ada.arefresh_from_db()
    for secret in (cookies["sessionid"], BROWSER["rxbridge_browser_test"], ada.password):
        assert not any(secret.encode() in message for message in received)


@needs_redis
async def test_after_an_outage_who_is_signed_in_is_asked_again(
    django_db_setup, tmp_path, ada, cookies
):
    store = Redis(free_port())
    store.start()
    try:
        with worker(tmp_path, RXBRIDGE_TEST_REDIS=store.url) as server:
            async with (
                connect(server.ws_url, cookies=cookies) as tab,
                connect(server.ws_url) as stranger,
            ):
                await asyncio.sleep(0.2)
                store.stop()
                await asyncio.sleep(0.5)
                await tab.fire(Counter.who)
                await tab.var("name", "ada")
                store.start()
                assert await seconds_until_closed(tab) < 5
                await stranger.fire(Counter.who)
                await stranger.var("name", "")
            assert "Messages of other workers do not arrive" in server.log
    finally:
        store.stop()


@needs_redis
async def test_whether_the_other_workers_are_heard_can_be_asked():
    assert SessionRevoker(ConnectionRegistry()).is_listening
    store = Redis(free_port())
    revoker = SessionRevoker(ConnectionRegistry(), broadcast=RedisBroadcast(store.url))
    try:
        revoker.start()
        assert not revoker.is_listening
        for is_up in (True, False, True):
            store.start() if is_up else store.stop()
            async with asyncio.timeout(30):
                while revoker.is_listening is not is_up:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    finally:
        revoker.close()
        await revoker.stop()
        store.stop()


@needs_redis
async def test_what_was_revoked_during_an_outage_is_told_after_it(caplog):
    store = Redis(free_port())
    revoker = SessionRevoker(ConnectionRegistry(), broadcast=RedisBroadcast(store.url))
    revoker.start()
    revoker.on_session_end("key")
    await asyncio.sleep(0.3)
    store.start()
    with redis.Redis.from_url(store.url) as client, client.pubsub() as subscription:
        # Before the loop runs again, and with it the revoker's next try.
        subscription.subscribe("rxbridge:revocations")
        assert subscription.get_message(timeout=5)["type"] == "subscribe"
        try:
            message = await asyncio.to_thread(subscription.get_message, timeout=10)
            assert b'"session"' in message["data"]
        finally:
            revoker.close()
            await revoker.stop()
            store.stop()


@needs_redis
async def test_a_server_starts_once_its_revoker_listens(store, caplog):
    revoker = SessionRevoker(ConnectionRegistry(), broadcast=RedisBroadcast(store.url))
    sent: asyncio.Queue[str] = asyncio.Queue()
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    inbox.put_nowait({"type": "lifespan.startup"})

    async def send(message):
        sent.put_nowait(message["type"])

    server = asyncio.create_task(revoker.lifespan({"type": "lifespan"}, inbox.get, send))
    assert await asyncio.wait_for(sent.get(), timeout=1) == "lifespan.startup.complete"
    with redis.Redis.from_url(store.url) as client:
        channel = "rxbridge:revocations"
        listeners = dict(client.pubsub_numsub(channel))[channel.encode()]
    inbox.put_nowait({"type": "lifespan.shutdown"})
    assert await asyncio.wait_for(sent.get(), timeout=1) == "lifespan.shutdown.complete"
    await server
    revoker.close()
    assert listeners >= 1
    assert caplog.text == ""


async def test_a_server_starts_without_its_broadcast_too(caplog):
    address = f"redis://127.0.0.1:{free_port()}"
    revoker = SessionRevoker(ConnectionRegistry(), broadcast=RedisBroadcast(address))
    sent: asyncio.Queue[str] = asyncio.Queue()
    inbox: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    inbox.put_nowait({"type": "lifespan.startup"})

    async def send(message):
        sent.put_nowait(message["type"])

    server = asyncio.create_task(revoker.lifespan({"type": "lifespan"}, inbox.get, send))
    assert await asyncio.wait_for(sent.get(), timeout=4) == "lifespan.startup.complete"
    assert "cannot be reached yet" in caplog.text
    inbox.put_nowait({"type": "lifespan.shutdown"})
    await server
    revoker.close()


@needs_redis
async def test_stopping_leaves_no_task_and_no_connection(store):
    before = asyncio.all_tasks()
    revoker = SessionRevoker(ConnectionRegistry(), broadcast=RedisBroadcast(store.url))
    with redis.Redis.from_url(store.url) as client:
        connected = len(client.client_list())
        revoker.start()
        await asyncio.sleep(0.3)
        assert len(client.client_list()) == connected + 1
        await revoker.stop()
        revoker.close()
        await asyncio.sleep(0.1)
        assert len(client.client_list()) == connected
    assert asyncio.all_tasks() == before


@needs_redis
@pytest.mark.parametrize("steps", range(6))
async def test_message_cancelled_in_its_last_steps_leaves_no_connection(store, monkeypatch, steps):
    closing = asyncio.Event()
    aclose = redis.asyncio.Redis.aclose

    async def noted(client):
        closing.set()
        await aclose(client)

    monkeypatch.setattr(redis.asyncio.Redis, "aclose", noted)
    with redis.Redis.from_url(store.url) as client:
        connected = len(client.client_list())
        sending = asyncio.create_task(RedisBroadcast(store.url).publish("{}"))
        await closing.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
        await asyncio.sleep(0.05)
        assert len(client.client_list()) == connected


@pytest.mark.parametrize("address", ["localhost:6379", ""])
def test_an_address_that_is_none_of_redis_is_refused(address):
    with pytest.raises(ValueError, match="redis"):
        RedisBroadcast(address)


def test_a_channel_must_have_a_name():
    with pytest.raises(ValueError, match="channel"):
        RedisBroadcast("redis://localhost", channel="")


UNREADABLE = [b"\xff\xfe\x00", b"words", b"[]", b'{"kind": "user"}', b"[" * 200_000]


@needs_redis
async def test_unreadable_messages_are_dropped_and_said_once(store, caplog):
    heard, gaps = asyncio.Queue(), []
    name = f"rxbridge:{uuid.uuid4().hex}"
    channel = Channel(
        RedisBroadcast(store.url, channel=name),
        obey=heard.put_nowait,
        missed=lambda: gaps.append("one"),
        subject="revocations",
        overflow={"kind": "all"},
    )
    listening = asyncio.create_task(channel.listen())
    try:
        await asyncio.wait_for(channel.listening.wait(), 10)
        async with redis.asyncio.Redis.from_url(store.url) as client:
            for message in [*UNREADABLE, b'{"worker": "another", "kind": "session"}']:
                await client.publish(name, message)
        assert (await asyncio.wait_for(heard.get(), 10))["kind"] == "session"
    finally:
        listening.cancel()
        await asyncio.wait([listening])
    assert gaps == ["one"]
    assert [record.levelname for record in caplog.records] == ["ERROR"]


async def test_a_listener_that_ends_comes_back_and_tells_of_the_gap(caplog):
    ends = [LookupError("of its own"), None]
    gaps = []

    class Ending:
        async def listen(self, deliver, gap):
            gap()
            if not ends:
                await asyncio.Event().wait()
            if (error := ends.pop(0)) is not None:
                raise error

    channel = Channel(
        Ending(),
        obey=print,
        missed=lambda: gaps.append("one"),
        subject="revocations",
        overflow={"kind": "all"},
    )
    listening = asyncio.create_task(channel.listen())
    try:
        async with asyncio.timeout(10):
            while len(gaps) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        listening.cancel()
        await asyncio.wait([listening])
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
