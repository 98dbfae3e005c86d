"""SessionRevoker: every way a session ends closes its sockets and stops what works for them."""

import asyncio
import contextlib
import gc
import time
import weakref
from collections.abc import AsyncIterator
from datetime import timedelta
from functools import partial

import httpx
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import alogin, alogout, logout, update_session_auth_hash
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connections as databases
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.test import Client
from django.utils import timezone

from rxbridge.asgi import ConnectionRegistry, CookieHandoff, MemoryTickets
from rxbridge.asgi.connections import Connection
from rxbridge.events import MiddlewareRunner, ReflexEvent, SyntheticRequestFactory
from rxbridge.events.sessions.revoker import SessionRevoker
from rxbridge.events.sessions.tracked import digest

pytestmark = pytest.mark.django_db(transaction=True)

BROWSER = ("rxbridge_browser_test", "b" * 32)
OTHER_BROWSER = ("rxbridge_browser_else", "e" * 32)


class Site:
    """A registry, a chain and a revoker joined as the bridge joins them, without Reflex."""

    def __init__(self, **options) -> None:
        self.connections = ConnectionRegistry()
        self.requests = SyntheticRequestFactory(self.connections)
        self.runner = MiddlewareRunner()
        self.revoker = SessionRevoker(self.connections, **options)
        self._stack = contextlib.ExitStack()

    def open(self, client: Client | None = None, browser=BROWSER) -> Connection:
        """Open a socket with a browser's cookies, as a tab does."""
        cookies = {name: morsel.value for name, morsel in client.cookies.items()} if client else {}
        cookies.pop(BROWSER[0], None)
        if browser:
            cookies[browser[0]] = browser[1]
        header = "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()
        return self._stack.enter_context(
            self.connections.open(headers=[(b"host", b"localhost"), (b"cookie", header)])
        )

    async def tab(self, client: Client | None = None, browser=BROWSER) -> Connection:
        """Open a socket and let its first event pass, as Reflex does within the connect."""
        connection = self.open(client, browser)
        await self.event(connection)
        return connection

    async def event(self, connection: Connection, view=None, *, background=False):
        async def handler(request, /):
            return await view(request) if view else None

        event = ReflexEvent(name="event", connection=connection, background=background)
        request = self.requests.build(event)
        with self.revoker.running(connection):
            outcome = await self.runner.run(request, handler)
            for name, morsel in outcome.response.cookies.items():
                if morsel.value and morsel["max-age"] != 0:
                    connection.set_cookie(name, morsel.coded_value)
                else:
                    connection.delete_cookie(name)
            self.revoker.note(connection, request)
        if outcome.exception is not None:
            raise outcome.exception
        return request

    async def aclose(self) -> None:
        self._stack.close()
        await self.revoker.stop()
        self.revoker.close()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    yield site
    await site.aclose()


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada", password="first")


@pytest.fixture
def browser(user) -> Client:
    return signed_in(user)


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    client.cookies[BROWSER[0]] = BROWSER[1]
    return client


async def closes(*connections: Connection, within: float = 1.0) -> bool:
    """Tell whether all are closed within the time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if all(connection.closed for connection in connections):
            return True
        await asyncio.sleep(0.01)
    return False


async def on_another_thread(call, *args, **kwargs):
    """Run what another request would do, and close the database connections it made there."""

    def run():
        try:
            return call(*args, **kwargs)
        finally:
            databases.close_all()

    result = await sync_to_async(run, thread_sensitive=False)()
    await asyncio.sleep(0)  # A thread that was done before it was awaited: nobody has heard yet.
    return result


async def stays_open(*connections: Connection, seconds: float = 0.9) -> bool:
    await asyncio.sleep(seconds)
    return not any(connection.closed for connection in connections)


# The ways a session ends, as code of another request, another thread or another process would
# do it. Each takes the user and the client whose session it is.


def log_out_through_a_view(user, client):
    User.objects.filter(pk=user.pk).update(is_staff=True)
    assert client.post("/admin/logout/").status_code == 200


def delete_the_session_row(user, client):
    Session.objects.get(pk=client.session.session_key).delete()


def delete_sessions_in_bulk(user, client):
    Session.objects.all().delete()


def flush_the_session(user, client):
    SessionStore(client.session.session_key).flush()


def change_the_password(user, client):
    user.set_password("second")
    user.save()


def change_only_the_password_field(user, client):
    user.set_password("second")
    user.save(update_fields=["password"])


def deactivate(user, client):
    user.is_active = False
    user.save()


def delete_the_user(user, client):
    user.delete()


def delete_users_in_bulk(user, client):
    User.objects.all().delete()


def delete_within_a_transaction(user, client):
    with transaction.atomic():
        Session.objects.all().delete()


ENDINGS = [
    log_out_through_a_view,
    delete_the_session_row,
    delete_sessions_in_bulk,
    flush_the_session,
    change_the_password,
    change_only_the_password_field,
    deactivate,
    delete_the_user,
    delete_users_in_bulk,
    delete_within_a_transaction,
]


@pytest.mark.parametrize("end", ENDINGS)
async def test_every_tab_is_closed_within_a_second_however_its_session_ends(
    site, user, browser, end
):
    first, second = await site.tab(browser), await site.tab(browser)
    elsewhere = await site.tab(browser, browser=OTHER_BROWSER)
    stranger = await site.tab(browser=None)
    await on_another_thread(end, user, browser)
    assert await closes(first, second, elsewhere)
    assert not stranger.closed


async def test_user_whose_model_calls_the_inactive_no_user_is_signed_out(
    site, user, browser, monkeypatch
):
    monkeypatch.setattr(User, "is_authenticated", property(lambda user: user.is_active))
    tab, other = await site.tab(browser), await site.tab(browser)
    await on_another_thread(deactivate, user, browser)
    assert await closes(tab, other)
    await site.revoker.disconnect(user=user)
    assert not await Session.objects.aexists()


@pytest.mark.parametrize("end", ENDINGS)
async def test_what_comes_back_is_anonymous(site, user, browser, end):
    first = await site.tab(browser)
    await on_another_thread(end, user, browser)
    assert await closes(first)
    again = site.open(browser)
    request = await site.event(again)
    assert not request.user.is_authenticated


@pytest.mark.parametrize("end", ENDINGS)
async def test_a_running_handler_and_a_background_task_are_stopped_at_once(
    site, user, browser, end
):
    connection = await site.tab(browser)
    delivered, started = [], asyncio.Event()

    async def slow(request):
        started.set()
        await asyncio.sleep(5)
        delivered.append("handler")

    async def background():
        await site.event(connection, background=True)
        site.revoker.track(connection)
        await asyncio.sleep(5)
        delivered.append("background")

    tasks = [asyncio.create_task(site.event(connection, slow)), asyncio.create_task(background())]
    await started.wait()
    await on_another_thread(end, user, browser)
    done, pending = await asyncio.wait(tasks, timeout=1)
    assert not pending
    assert all(task.cancelled() for task in done)
    assert delivered == []


@pytest.mark.parametrize(
    "harmless",
    [
        lambda user, client: user.save(update_fields=["last_login"]),
        lambda user, client: (setattr(user, "first_name", "Ada"), user.save()),
        lambda user, client: client.get("/admin/"),
        lambda user, client: User.objects.create_user("bob"),
        lambda user, client: User.objects.create_user("bob").delete(),
        lambda user, client: signed_in(user).post("/admin/logout/"),
    ],
    ids=["last login", "a name", "a page", "another user", "another's end", "another browser's"],
)
async def test_what_ends_no_session_of_a_tab_leaves_it_open(site, user, browser, harmless):
    connection = await site.tab(browser, browser=OTHER_BROWSER)
    await on_another_thread(harmless, user, browser)
    assert await stays_open(connection)


async def test_a_change_that_is_rolled_back_closes_nothing(site, user, browser):
    connection = await site.tab(browser)

    def change():
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            change_the_password(user, browser)
            Session.objects.all().delete()
            raise ZeroDivisionError

    await on_another_thread(change)
    assert await stays_open(connection)


async def test_tabs_are_closed_after_the_commit_not_before(site, user, browser):
    connection = await site.tab(browser)
    seen = []

    def change():
        with transaction.atomic():
            change_the_password(user, browser)
            time.sleep(0.5)
            seen.append(connection.closed)

    await on_another_thread(change)
    assert seen == [False]
    assert await closes(connection)


async def test_a_save_of_a_user_without_the_password_loaded_asks_the_database_nothing(site, user):
    def save():
        again = User.objects.defer("password").get(pk=user.pk)
        again.first_name = "Ada"
        again.save(update_fields=["first_name"])
        return "password" in again.get_deferred_fields()

    assert await on_another_thread(save)


# In events.


async def test_a_logout_in_an_event_closes_the_other_tabs_and_leaves_its_own(site, browser):
    own, other = await site.tab(browser), await site.tab(browser)
    elsewhere = await site.tab(browser, browser=OTHER_BROWSER)
    request = await site.event(own, alogout)
    assert request.user == AnonymousUser()
    assert await closes(other, elsewhere)
    assert not own.closed


@pytest.mark.parametrize("auths", [False, 5])
async def test_a_malformed_message_of_a_user_s_change_fails_no_event_of_that_user(
    site, user, browser, auths
):
    await site.tab(browser)
    with pytest.raises(TypeError):  # which the wire drops
        site.revoker._obey({"kind": "user", "user": digest("user", str(user.pk)), "auths": auths})
    assert not (await site.tab(browser)).closed


async def test_a_synchronous_logout_in_an_event_does_too(site, browser):
    own, other = await site.tab(browser), await site.tab(browser)
    await site.event(own, sync_to_async(logout))
    assert await closes(other)
    assert not own.closed


async def test_a_logout_in_an_event_stops_the_background_task_of_its_own_tab(site, browser):
    own = await site.tab(browser)

    async def background():
        await site.event(own, background=True)
        site.revoker.track(own)
        await asyncio.sleep(5)

    task = asyncio.create_task(background())
    await asyncio.sleep(0.1)
    await site.event(own, alogout)
    await asyncio.wait([task], timeout=1)
    assert task.cancelled()


async def test_after_a_login_in_an_event_other_tabs_wait_for_the_browser_to_have_the_cookie(
    site, user
):
    own, other = await site.tab(), await site.tab()
    stranger = await site.tab(browser=OTHER_BROWSER)
    await site.event(own, partial(alogin, user=user))
    assert await stays_open(own, other)
    site.revoker.confirmed(own)
    assert other.closed
    assert not own.closed
    assert not stranger.closed


async def test_a_hand_off_takes_the_other_tabs_along(site, user):
    handoff = CookieHandoff(site.connections, on_confirmed=site.revoker.confirmed)
    own, other = await site.tab(), await site.tab()
    await site.event(own, partial(alogin, user=user))
    set_cookie = f"sessionid={own.cookies['sessionid']}; Path=/"
    ticket = await handoff.issue(own, {"sessionid": set_cookie})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(handoff),
        base_url="http://localhost",
        cookies=dict([BROWSER]),
        headers={"x-rxbridge-ticket": ticket, "origin": "http://localhost"},
    ) as page:
        assert (await page.post("/_cookies")).status_code == 204
        assert not other.closed
        assert (await page.put("/_cookies")).status_code == 204
    assert other.closed
    assert not own.closed


class Channel:
    """A broadcast among the revokers of one process."""

    def __init__(self) -> None:
        self.listeners = []

    async def publish(self, message: str) -> None:
        for deliver in self.listeners:
            deliver(message)

    async def listen(self, deliver, gap) -> None:
        self.listeners.append(deliver)
        gap()
        await asyncio.Event().wait()


@pytest.mark.parametrize("confirms", [False, True], ids=["redeemed", "confirmed"])
@pytest.mark.parametrize("workers", [1, 2])
async def test_other_tabs_follow_a_login_whose_own_tab_is_gone_before_it_confirmed(
    user, workers, confirms
):
    """Of two workers the second takes what the page sends."""
    channel, tickets = Channel(), MemoryTickets()
    tickets.shared = workers == 2
    sites = [Site(broadcast=channel) for _ in range(workers)]
    handoffs = [
        CookieHandoff(each.connections, tickets=tickets, on_confirmed=each.revoker.confirmed)
        for each in sites
    ]
    own = await sites[0].tab()
    others = [await each.tab() for each in sites]
    stranger = await sites[0].tab(browser=OTHER_BROWSER)
    while len(channel.listeners) < workers:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await sites[0].event(own, partial(alogin, user=user))
    set_cookie = f"sessionid={own.cookies['sessionid']}; Path=/"
    ticket = await handoffs[0].issue(own, {"sessionid": set_cookie})
    own.close()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(handoffs[-1]),
        base_url="http://localhost",
        cookies=dict([BROWSER]),
        headers={"x-rxbridge-ticket": ticket, "origin": "http://localhost"},
    ) as page:
        assert (await page.post("/_cookies")).status_code == 204
        if confirms:
            assert (await page.put("/_cookies")).status_code == 204
    assert await closes(*others, within=10)
    assert not stranger.closed
    for each in sites:
        await each.aclose()


async def test_a_session_that_was_ended_is_nobody_s_where_a_hand_off_brings_its_key_back(
    site, user
):
    handoff = CookieHandoff(site.connections)
    own = await site.tab()
    await handoff.resume(own, "a-tab")
    await site.event(own, partial(alogin, user=user))
    await handoff.issue(own, {"sessionid": f"sessionid={own.cookies['sessionid']}"})
    own.close()
    await site.revoker.disconnect(user=user)
    back = site.open()
    assert await handoff.resume(back, "a-tab")
    request = await site.event(back)
    assert (await request.auser()).is_anonymous
    assert not back.cookies


async def test_a_tab_that_has_the_new_session_already_is_not_closed(site, user):
    own = await site.tab()
    await site.event(own, partial(alogin, user=user))
    reloaded = site.open()
    for name, value in own.cookies.items():
        reloaded.set_cookie(name, value)
    await site.event(reloaded)
    site.revoker.confirmed(own)
    assert not reloaded.closed


async def test_a_hand_off_that_changed_no_session_closes_nothing(site, browser):
    own, other = await site.tab(browser), await site.tab()
    own.set_cookie("django_language", "de")
    site.revoker.confirmed(own)
    assert await stays_open(own, other, seconds=0.1)


async def test_a_login_through_a_view_takes_the_other_tabs_along_after_its_response(site, user):
    tab = await site.tab()
    stranger = await site.tab(browser=OTHER_BROWSER)

    def sign_in():
        client = Client()
        client.cookies[BROWSER[0]] = BROWSER[1]
        User.objects.filter(pk=user.pk).update(is_staff=True)
        response = client.post(
            "/admin/login/", {"username": "ada", "password": "first", "next": "/admin/"}
        )
        assert response.status_code == 302
        return tab.closed

    assert not await on_another_thread(sign_in)
    assert await closes(tab)
    assert not stranger.closed


async def test_a_password_change_in_an_event_that_keeps_the_session_keeps_its_tab(
    site, user, browser
):
    own, other = await site.tab(browser), await site.tab(browser)
    elsewhere = await site.tab(await client_of(user), browser=OTHER_BROWSER)

    def change(request):
        request.user.set_password("second")
        request.user.save()
        update_session_auth_hash(request, request.user)

    await site.event(own, sync_to_async(change))
    assert await closes(other, elsewhere)
    assert not own.closed
    request = await site.event(own)
    assert request.user == user


async def test_a_password_change_in_an_event_that_forgets_the_session_closes_its_tab(
    site, user, browser
):
    own = await site.tab(browser)

    async def change(request):
        again = await User.objects.aget(pk=user.pk)
        again.set_password("second")
        await again.asave()

    await site.event(own, change)
    assert own.closed


async def test_a_background_task_that_ends_its_own_session_is_closed_but_finishes(site, browser):
    own = await site.tab(browser)
    steps = []

    async def background():
        await site.event(own, background=True)
        site.revoker.track(own)
        await Session.objects.all().adelete()
        await asyncio.sleep(0.05)
        steps.append("went on")

    await asyncio.create_task(background())
    assert steps == ["went on"]
    assert await closes(own)


async def test_an_event_under_way_with_the_old_password_is_not_missed(site, user, browser):
    connection = site.open(browser)
    admitted, changed = asyncio.Event(), asyncio.Event()

    async def slow(request):
        admitted.set()
        await changed.wait()

    first = asyncio.create_task(site.event(connection, slow))
    await admitted.wait()
    await on_another_thread(change_the_password, user, browser)
    await asyncio.sleep(0)
    changed.set()
    await asyncio.wait([first])
    assert await closes(connection)


# Expiry.


@pytest.mark.parametrize("known_from", ["its row", "the event that saved it"])
async def test_an_idle_tab_is_closed_as_its_session_expires(user, browser, known_from):
    site = Site(sweep_interval=0.1)
    if known_from == "its row":
        await Session.objects.all().aupdate(expire_date=timezone.now() + timedelta(seconds=1))
    connection = await site.tab(browser)
    if known_from == "the event that saved it":

        async def shorten(request):
            await request.session.aset_expiry(1)

        await site.event(connection, shorten)
    assert await stays_open(connection, seconds=0.6)
    assert await closes(connection)
    await site.aclose()


async def test_a_busy_tab_does_not_outlive_its_session(user, browser):
    site = Site(sweep_interval=0.1)
    began, is_signed_in = time.monotonic(), True
    await Session.objects.all().aupdate(expire_date=timezone.now() + timedelta(seconds=1))
    connection = await site.tab(browser)
    while is_signed_in and not connection.closed:
        await asyncio.sleep(0.02)
        event = asyncio.create_task(site.event(connection))
        await asyncio.wait([event])  # the sweep may cancel it
        is_signed_in = not event.cancelled() and event.result().user.is_authenticated
    assert 0.99 < time.monotonic() - began < 2
    await site.aclose()


async def test_a_session_whose_row_was_gone_before_the_first_look_is_closed(user, browser):
    site = Site(sweep_interval=0.1)
    site.revoker._signals.close()  # as if another process did it
    connection = await site.tab(browser)
    await Session.objects.all().adelete()
    assert await closes(connection, within=0.5)
    await site.aclose()


async def test_a_session_that_lives_on_is_left_alone_by_the_sweep(user, browser):
    site = Site(sweep_interval=0.05)
    connection = await site.tab(browser)
    assert await stays_open(connection, seconds=0.4)
    await site.aclose()


# For administrators.


async def test_disconnecting_a_user_ends_all_of_its_sessions(site, user, browser):
    here = [await site.tab(browser), await site.tab(signed_in_now := await client_of(user))]
    stranger = await site.tab()
    unopened = await client_of(user)
    bob = await client_of(await User.objects.acreate_user("bob"))
    assert await site.revoker.disconnect(user=user) == 2
    assert all(connection.closed for connection in here)
    assert not stranger.closed
    for client in (browser, signed_in_now, unopened):
        assert not (await site.event(site.open(client))).user.is_authenticated
    assert (await site.event(site.open(bob))).user.is_authenticated


async def test_a_user_may_be_named_by_primary_key(site, user, browser):
    connection = await site.tab(browser)
    assert await site.revoker.disconnect(user=user.pk) == 1
    assert connection.closed


async def test_disconnecting_a_session_leaves_the_user_s_others(site, user, browser):
    other = await client_of(user)
    one, two = await site.tab(browser), await site.tab(other, browser=OTHER_BROWSER)
    key = await sync_to_async(lambda: browser.session.session_key)()
    assert await site.revoker.disconnect(session=key) == 1
    assert one.closed
    assert await stays_open(two)
    assert not (await site.event(site.open(browser))).user.is_authenticated


@pytest.mark.parametrize("value", ['"', 'a"b', '"a"b', '"\\'])
async def test_no_socket_s_cookie_keeps_another_from_being_disconnected(site, user, browser, value):
    tab = await site.tab(browser)
    header = f"sessionid={value}".encode()
    with site.connections.open(headers=[(b"cookie", header)]) as stranger:
        assert await site.revoker.disconnect(user=user) == 1
        assert (tab.closed, stranger.closed) == (True, False)


async def test_a_socket_without_an_event_is_disconnected_with_its_session(site, browser):
    connection = site.open(browser)
    key = await sync_to_async(lambda: browser.session.session_key)()
    assert await site.revoker.disconnect(session=key) == 1
    assert connection.closed


async def test_refreshing_closes_sockets_and_signs_nobody_out(site, user, browser):
    connection = await site.tab(browser)
    assert await site.revoker.refresh(user=user) == 1
    assert connection.closed
    assert (await site.event(site.open(browser))).user == user


async def test_an_administrator_s_view_may_disconnect_from_its_thread(site, user, browser):
    connection = await site.tab(browser)
    disconnect = async_to_sync(site.revoker.disconnect)
    assert await on_another_thread(disconnect, user=user) == 1
    assert connection.closed


@pytest.mark.parametrize("arguments", [{}, {"user": 1, "session": "key"}])
async def test_disconnect_wants_one_of_user_and_session(site, arguments):
    with pytest.raises(ValueError, match="one of the two"):
        await site.revoker.disconnect(**arguments)


async def client_of(user) -> Client:
    return await sync_to_async(signed_in)(user)


# What it costs and leaves behind.


def receivers() -> int:
    return sum(
        len(signal.receivers)
        for signal in (user_logged_in, user_logged_out, post_save, post_delete)
    )


async def test_closing_listens_no_more(user, browser):
    before = receivers()
    site = Site()
    connection = await site.tab(browser)
    assert receivers() > before
    await site.aclose()
    assert receivers() == before
    await on_another_thread(change_the_password, user, browser)
    again = site.open(browser)
    assert await stays_open(again, seconds=0.4)
    assert connection.closed


def test_a_revoker_nobody_holds_is_forgotten():
    revoker = SessionRevoker(ConnectionRegistry())
    gone = weakref.ref(revoker), weakref.ref(revoker._signals)
    del revoker
    gc.collect()
    assert [reference() for reference in gone] == [None, None]
    User.objects.create_user("ada").save()


async def test_several_revokers_each_serve_their_own_registry(site, user, browser):
    another = Site()
    one, two = await site.tab(browser), await another.tab(browser)
    another.revoker.close()
    await on_another_thread(change_the_password, user, browser)
    assert await closes(one)
    assert not two.closed
    await another.aclose()


async def test_nothing_is_left_of_a_thousand_connections(user, browser):
    site = Site(sweep_interval=0.05)
    before = set(asyncio.all_tasks())
    gone = []
    for _ in range(20):
        with contextlib.ExitStack() as stack:
            for _ in range(50):
                connection = stack.enter_context(
                    site.connections.open(cookies={"sessionid": f"key{len(gone)}"})
                )
                with site.revoker.running(connection):
                    pass
                gone.append(weakref.ref(connection))
    await asyncio.sleep(0.15)
    del connection
    gc.collect()
    assert [ref for ref in gone if ref() is not None] == []
    assert len(site.revoker._tracked) == len(site.revoker._tracked._found) == 0
    assert site.revoker._timer is None
    assert set(asyncio.all_tasks()) == before
    await site.aclose()


def test_a_receiver_that_fails_breaks_no_login(monkeypatch, user, caplog):
    revoker = SessionRevoker(ConnectionRegistry())
    monkeypatch.setattr(revoker, "on_browser_change", lambda request: 1 / 0, raising=True)
    client = Client()
    client.force_login(user)
    assert client.session["_auth_user_id"] == str(user.pk)
    assert "could not be followed" in caplog.text
    revoker.close()


def test_without_sockets_a_deleted_session_costs_next_to_nothing(user):
    revoker = SessionRevoker(ConnectionRegistry())
    Session.objects.bulk_create(
        Session(session_key=f"k{i}", session_data="", expire_date=timezone.now())
        for i in range(1000)
    )
    began = time.process_time()
    for index in range(1000):
        revoker.on_session_end(f"k{index}")
    assert time.process_time() - began < 0.1
    revoker.close()


@pytest.mark.parametrize("interval", [0, -1])
def test_a_sweep_interval_must_be_positive(interval):
    with pytest.raises(ValueError, match="sweep_interval"):
        SessionRevoker(ConnectionRegistry(), sweep_interval=interval)


class Wires:
    """A broadcast within this process."""

    def __init__(self) -> None:
        self.listeners = []
        self.published = asyncio.Event()

    async def publish(self, message):
        self.published.set()
        for deliver in self.listeners:
            deliver(message)

    async def listen(self, deliver, gap):
        self.listeners.append(deliver)
        gap()
        await asyncio.Event().wait()


class TestCookiesOfViews:
    """What an answer of one worker sets brings the browser's tabs at all workers back."""

    @pytest.fixture
    async def sites(self):
        wires = Wires()
        sites = [Site(broadcast=wires) for _ in range(2)]
        for each in sites:
            each.revoker.start()
        for each in sites:
            await each.revoker._channel.listening.wait()
        yield sites
        for each in sites:
            await each.aclose()

    async def answer(self, site, *set_cookies, shown=""):
        async def view(scope, receive, send):
            headers = [(b"set-cookie", each.encode()) for each in set_cookies]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b""})

        transport = httpx.ASGITransport(site.connections.identify_browsers(view))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            await client.get("/", headers={"cookie": f"{'='.join(BROWSER)}; {shown}"})

    async def test_only_tabs_of_that_browser_that_lack_it(self, sites):
        here, there = sites
        own, tab = await here.tab(), await there.tab()
        other, has_it = await there.tab(browser=OTHER_BROWSER), await there.tab()
        has_it.set_cookie("tz", "Asia/Tokyo")
        await self.answer(here, "tz=Asia/Tokyo")
        assert await closes(tab, within=10)
        assert await closes(own, within=10)
        assert not any(each.closed for each in (other, has_it))
        assert "tz" not in own.cookies

    async def test_a_tab_that_has_had_no_event_yet(self, sites):
        here, _ = sites
        with here.connections.open(headers=[(b"cookie", "=".join(BROWSER).encode())]) as tab:
            await self.answer(here, "tz=UTC")
            assert await closes(tab, within=10)

    @pytest.mark.parametrize(
        ("set_cookie", "shown"), [("tz=UTC; Path=/admin", ""), ("tz=UTC", "tz=UTC")]
    )
    async def test_not_for_what_no_socket_is_sent_or_the_browser_has(
        self, sites, set_cookie, shown
    ):
        here, there = sites
        tab, sign = await there.tab(), await there.tab()
        await self.answer(here, set_cookie, shown=shown)
        tab.set_cookie("sign", "1")
        await self.answer(here, "sign=1")
        assert await closes(sign, within=10)
        assert not tab.closed

    async def test_not_where_a_hand_off_has_brought_it_meanwhile(self, sites):
        here, there = sites
        tab, sign = await there.tab(), await there.tab()
        await self.answer(here, "tz=UTC")
        await here.revoker._channel._broadcast.published.wait()
        tab.replace_cookies({"tz": "UTC"})
        assert await closes(sign, within=10)
        assert not tab.closed

    async def test_an_event_that_runs_may_send_what_it_has_to_say_first(self, sites):
        here, there = sites
        tab, sign = await there.tab(), await there.tab()
        go_on = asyncio.Event()

        async def view(request):
            await go_on.wait()

        event = asyncio.create_task(there.event(tab, view))
        await asyncio.sleep(0)
        await self.answer(here, "tz=UTC")
        assert await closes(sign, within=10)
        assert not tab.closed
        go_on.set()
        await event
        assert await closes(tab, within=10)

    async def test_a_closed_revoker_is_told_no_more(self, sites):
        here, _ = sites
        here.revoker.close()
        assert not here.connections.followers
