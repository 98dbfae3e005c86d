"""Revalidator: identity is checked at connect, on revocation and every interval, else not."""

import asyncio
import copy
import gc
import weakref
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import alogin, alogout
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.exceptions import SynchronousOnlyOperation
from django.test import Client
from django.utils.deprecation import MiddlewareMixin

from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import MiddlewareRunner, ReflexEvent, SyntheticRequestFactory
from rxbridge.events.sessions import revalidator
from rxbridge.events.sessions.revalidator import Revalidator
from rxbridge.events.sessions.revoker import SessionRevoker

pytestmark = pytest.mark.django_db(transaction=True)


class Decorate(MiddlewareMixin):
    """Hang something on the user, as django-otp and django-hijack do."""

    def process_view(self, request, view, args, kwargs):
        request.user.mark = object()


class Site:
    """A chain with a revalidator, its thread pool counting the events that took a thread."""

    def __init__(self, interval=60.0, middleware=(), revoker=False) -> None:
        self.connections = ConnectionRegistry()
        self.requests = SyntheticRequestFactory(self.connections)
        self.revalidator = Revalidator(interval=interval)
        self.runner = runner_with(self.revalidator, [*settings.MIDDLEWARE, *middleware])
        self._leases = set()
        settle = self.runner.threads.settle

        def counted(*changed):
            self._leases.update(lease for lease in changed if not lease.is_over)
            settle(*changed)

        self.runner.threads.settle = counted

    @property
    def hops(self):
        return len(self._leases)

    def open(self, cookies):
        header = "; ".join(f"{name}={value}" for name, value in cookies.items()).encode()
        return self.connections.open(headers=[(b"host", b"localhost"), (b"cookie", header)])

    def build(self, connection):
        return self.requests.build(ReflexEvent(name="event", connection=connection))

    async def event(self, connection, view=None, request=None):
        async def handler(request, /):
            return await view(request) if view else None

        request = request or self.build(connection)
        outcome = await self.runner.run(request, handler)
        for name, morsel in outcome.response.cookies.items():
            if morsel.value and morsel["max-age"] != 0:
                connection.set_cookie(name, morsel.coded_value)
            else:
                connection.delete_cookie(name)
        if outcome.exception is not None:
            raise outcome.exception
        return request


def runner_with(identity, middleware) -> MiddlewareRunner:
    return MiddlewareRunner(middleware, identity=identity)


@pytest.fixture
def user():
    return User.objects.create_user("ada", password="first")


@pytest.fixture
def cookies(user):
    client = Client()
    client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}


async def test_between_checks_an_event_takes_no_thread_and_asks_no_database(user, cookies):
    site = Site()
    with site.open(cookies) as connection:
        first = await site.event(connection)
        assert site.hops == 1
        for _ in range(5):
            request = await site.event(connection)
            assert request.user is first.user._wrapped
            assert await request.auser() is request.user
            assert request.user == user
        assert site.hops == 1


async def test_a_visitor_with_an_anonymous_session_is_known_too(db):
    site = Site()
    client = Client()
    session = await sync_to_async(lambda: client.session)()
    session["cart"] = [1]
    await session.asave()
    with site.open({"sessionid": session.session_key}) as connection:
        for _ in range(3):
            assert not (await site.event(connection)).user.is_authenticated
        assert site.hops == 1


async def test_login_required_lets_the_known_user_through_without_a_thread(cookies):
    site = Site(middleware=["django.contrib.auth.middleware.LoginRequiredMiddleware"])
    with site.open(cookies) as connection:
        await site.event(connection)
        await site.event(connection)
        assert site.hops == 1


async def test_use_does_not_lengthen_the_interval(cookies, monkeypatch):
    site = Site(interval=60)
    now = 1000.0
    monkeypatch.setattr(revalidator, "time", SimpleNamespace(monotonic=lambda: now))
    with site.open(cookies) as connection:
        await site.event(connection)
        await Session.objects.all().adelete()
        now += 59
        assert (await site.event(connection)).user.is_authenticated
        now += 2
        assert not (await site.event(connection)).user.is_authenticated


async def test_what_middleware_hung_on_the_user_stays(cookies):
    site = Site(middleware=[Decorate])
    with site.open(cookies) as connection:
        first = await site.event(connection)
        site.revalidator.forget(connection)
        second = await site.event(connection)
        assert second.user.mark is not first.user.mark
        third = copy.copy((await site.event(connection)).user)
        assert third.mark is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda connection, site: connection.delete_cookie("sessionid"),
        lambda connection, site: connection.set_cookie("sessionid", "another"),
        lambda connection, site: connection.replace_cookies({}),
        lambda connection, site: connection.set_cookie("language", "de"),
        lambda connection, site: site.revalidator.forget(connection),
        lambda connection, site: connection.close(),
    ],
    ids=["deleted", "changed", "emptied", "another cookie", "forgotten", "closed"],
)
async def test_a_new_check_is_made_when(cookies, change):
    site = Site()
    with site.open(cookies) as connection:
        await site.event(connection)
        change(connection, site)
        before = connection.cookies.get("sessionid") == cookies["sessionid"]
        await Session.objects.all().adelete()
        assert not (await site.event(connection)).user.is_authenticated, before


async def test_a_check_with_cookies_that_the_connection_has_no_more_is_not_kept(user, cookies):
    class Waits(MiddlewareMixin):
        def process_request(self, request):
            request.reflex_event.connection.follow(signed_out)

    site = Site(middleware=[Waits])
    signed_out = [("sessionid", None, "/")]
    with site.open(cookies) as connection:
        assert (await site.event(connection)).user == user
        assert not (await site.event(connection)).user.is_authenticated


async def test_an_event_with_former_cookies_does_not_have_the_present_user(user, cookies):
    site = Site()
    with site.open({}) as connection:
        waiting = site.build(connection)
        connection.follow([("sessionid", cookies["sessionid"], "/")])
        assert (await site.event(connection)).user == user
        assert not (await site.event(connection, request=waiting)).user.is_authenticated
        before = site.hops
        assert (await site.event(connection)).user == user
        assert site.hops == before


async def test_each_connection_is_checked_for_itself(user, cookies):
    bob = await User.objects.acreate_user("bob")
    client = Client()
    await sync_to_async(client.force_login)(bob)
    site = Site()
    with (
        site.open(cookies) as one,
        site.open({"sessionid": client.cookies["sessionid"].value}) as two,
    ):
        for _ in range(3):
            assert (await site.event(one)).user == user
            assert (await site.event(two)).user == bob


async def test_a_login_and_a_logout_in_an_event_hold_at_once(user):
    site = Site()

    async def sign_in(request):
        await alogin(request, user)

    with site.open({}) as connection:
        assert not (await site.event(connection)).user.is_authenticated
        await site.event(connection, sign_in)
        assert (await site.event(connection)).user == user
        await site.event(connection, alogout)
        assert not (await site.event(connection)).user.is_authenticated


async def test_a_check_that_fails_leaves_nothing_behind(cookies, monkeypatch):
    site = Site()

    def broken(*args, **kwargs):
        msg = "the database is gone"
        raise ConnectionError(msg)

    with site.open(cookies) as connection:
        with monkeypatch.context() as patch:
            patch.setattr("django.contrib.auth.get_user", broken)
            for _ in range(2):
                with pytest.raises(ConnectionError):
                    await site.event(connection)
        await Session.objects.all().adelete()
        assert not (await site.event(connection)).user.is_authenticated


async def test_what_was_forgotten_during_its_check_is_not_learned(cookies):
    site = Site()
    forgotten = []

    class Slow(MiddlewareMixin):
        def process_view(self, request, view, args, kwargs):
            request.user.is_authenticated  # noqa: B018 - resolved now, before the revocation
            site.revalidator.forget(request.reflex_event.connection)
            forgotten.append(True)

    site = Site(middleware=[Slow])
    with site.open(cookies) as connection:
        await site.event(connection)
        assert forgotten
        await Session.objects.all().adelete()
        assert not (await site.event(connection)).user.is_authenticated


async def test_a_user_an_event_changed_in_memory_is_not_handed_to_the_next(cookies):
    site = Site()

    async def change(request):
        request.user.is_superuser = True

    with site.open(cookies) as connection:
        await site.event(connection)
        await site.event(connection, change)
        assert not (await site.event(connection)).user.is_superuser


# The session.


async def test_the_session_is_read_afresh_where_a_handler_wants_it(cookies):
    site = Site()
    found = []

    async def read(request):
        found.append(await request.session.aget("cart"))

    with site.open(cookies) as connection:
        await site.event(connection)
        session = (await site.event(connection)).session
        await session.aset("cart", "elsewhere")
        await session.asave()
        await site.event(connection, read)
    assert found == ["elsewhere"]


async def test_no_write_to_the_session_is_lost(cookies):
    site = Site()

    async def add(request):
        count = await request.session.aget("count", 0)
        await request.session.aset("count", count + 1)

    with site.open(cookies) as connection:
        await site.event(connection)
        await asyncio.gather(*(site.event(connection) for _ in range(3)))
        for _ in range(4):
            await site.event(connection, add)
        session = (await site.event(connection)).session
        assert await session.aget("count") == 4
        assert await session.aget("_auth_user_id") is not None


async def test_a_synchronous_look_from_the_loop_is_refused_by_django_not_answered_stale(cookies):
    site = Site()

    async def look(request):
        return request.session["cart"]

    with site.open(cookies) as connection:
        await site.event(connection)
        with pytest.raises(SynchronousOnlyOperation):
            await site.event(connection, look)


# With a revoker.


@pytest.mark.parametrize("end", ["session", "password", "name"])
async def test_what_a_revoker_learns_of_is_noticed_at_once(user, cookies, end):
    site = Site()
    revoker = SessionRevoker(site.connections, revalidator=site.revalidator)
    with site.open(cookies) as connection:
        with revoker.running(connection):
            revoker.note(connection, await site.event(connection))
        if end == "session":
            await Session.objects.all().adelete()
        else:
            if end == "password":
                user.set_password("second")
            user.first_name = "Ada"
            await user.asave()
        await asyncio.sleep(0.01)
        request = await site.event(connection)
        assert request.user.is_authenticated is (end == "name")
        assert end != "name" or request.user.first_name == "Ada"
    await revoker.stop()
    revoker.close()


# Memory.


async def test_nothing_is_left_of_a_thousand_connections(cookies):
    site = Site()
    gone = []
    for _ in range(1000):
        with site.open({}) as connection:
            request = site.requests.build(ReflexEvent(name="event", connection=connection))
            request.user = user = User(username="ada")
            # As bad as it gets: the user leads back to its connection.
            user.request = request
            assert not site.revalidator.restore(request)
            site.revalidator.store(request)
            gone.append(weakref.ref(connection))
    del connection, request, user
    gc.collect()
    assert len(site.revalidator) <= 64
    assert sum(reference() is not None for reference in gone) <= 64


@pytest.mark.parametrize("interval", [0, -1])
def test_an_interval_must_be_positive(interval):
    with pytest.raises(ValueError, match="interval"):
        Revalidator(interval=interval)
