"""No event ever reads what another event's middleware left behind."""

import asyncio
from contextvars import copy_context
from typing import ClassVar

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.urls import get_urlconf, set_urlconf
from django.utils import translation

from rxbridge.events import MiddlewareRunner, current_request, database_threads
from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.events.app import Counter, Watch, app, bridged, context_var, thread_local

pytestmark = pytest.mark.django_db(transaction=True)

USERS = 20
EVENTS = 200


class KeepUser:
    """Keep the user where much real middleware does: in a thread-local, in a ContextVar."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        token = context_var.set(request.user.get_username())
        thread_local.user = request.user.get_username()
        request.urlconf = "tests.urls"
        try:
            return self.get_response(request)
        finally:
            thread_local.user = None
            context_var.reset(token)


class TenantBackend(ModelBackend):
    """Keep whose tenant it is in a thread-local, for routers and managers to read."""

    def get_user(self, user_id):
        user = super().get_user(user_id)
        thread_local.tenant = user.get_username()
        return user


class Tenant(AppState, rx.State):
    """Says in whose tenant its handlers work, and for whom."""

    seen: list[str] = []
    served: ClassVar[asyncio.Event]

    def _look(self):
        self.seen = [self.user.get_username(), thread_local.tenant]

    @rx.event
    async def await_the_other(self):
        await self.served.wait()
        await sync_to_async(self._look)()

    @rx.event
    def look(self):
        self._look()


@pytest.fixture
def users():
    return [User.objects.create_user(f"user{number}") for number in range(USERS)]


class Crowd:
    """Twenty tabs, each of another user, at one server."""

    def __init__(self, users):
        self._users = users
        self.tabs = []

    async def __aenter__(self):
        self._server = EventClient(app)
        await self._server.__aenter__()
        for user in self._users:
            self.tabs.append(await self._server.tab(user=user).__aenter__())
        return self

    async def __aexit__(self, *exc_info):
        for tab in [*self.tabs, self._server]:
            await tab.__aexit__(None, None, None)


@pytest.mark.parametrize("wrapped", ["alone", "below an async middleware"])
async def test_concurrent_events_read_their_own_user_only(users, wrapped):
    handlers = [Watch.sync, Watch.asynchronous, Watch.generator]

    def around(get_response):
        async def middleware(request):
            await asyncio.sleep(0)
            return await get_response(request)

        return middleware

    around.async_capable, around.sync_capable = True, False
    middleware = [KeepUser] if wrapped == "alone" else [around, KeepUser]
    with bridged(*middleware):
        async with Crowd(users) as crowd:
            await asyncio.gather(
                *(
                    tab.fire(handlers[number % 3], username=tab.user.username)
                    for number in range(EVENTS)
                    for tab in [crowd.tabs[number % USERS]]
                )
            )
            wrong = [(await tab.state(Watch)).wrong for tab in crowd.tabs]
    assert wrong == [0] * USERS


async def test_handler_that_awaited_is_in_the_tenant_its_users_backend_set(users, settings):
    settings.AUTHENTICATION_BACKENDS = ["tests.events.test_isolation.TenantBackend"]
    threads, looks = database_threads(), []
    threads.release = lambda: looks.append(1)
    Tenant.served = asyncio.Event()
    with bridged(runner=MiddlewareRunner(threads=threads)):
        async with (
            EventClient(app, user=users[0]) as tab,
            tab.tab(user=users[1]) as other,
        ):
            looks.clear()
            waiting = asyncio.create_task(tab.fire(Tenant.await_the_other))
            async with asyncio.timeout(5):
                # The pool has looked again, or has let the thread go.
                while len(looks) < 2 and not (looks and threads.free == threads.size):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            assert (await other.fire(Tenant.look)).vars["seen"] == ["user1", "user1"]
            Tenant.served.set()
            assert (await waiting).vars["seen"] == ["user0", "user0"]


async def test_the_watch_sees_a_stranger(users):
    """The test above can fail: with the name of another user, every look is wrong."""
    with bridged(KeepUser):
        async with EventClient(app, user=users[0]) as tab:
            await tab.fire(Watch.sync, username="somebody else")
            assert (await tab.state(Watch)).wrong == 3


async def test_background_task_keeps_its_own_user_and_a_thread_of_its_own(users):
    with bridged(KeepUser):
        async with Crowd(users) as crowd:
            await asyncio.gather(
                *(tab.fire(Watch.background, username=tab.user.username) for tab in crowd.tabs),
                *(tab.fire(Watch.sync, username=tab.user.username) for tab in crowd.tabs),
            )
            await asyncio.gather(*(tab.background(timeout=30) for tab in crowd.tabs))
            wrong = [(await tab.state(Watch)).wrong for tab in crowd.tabs]
    assert wrong == [0] * USERS


async def test_context_is_as_before_after_each_event(users):
    set_urlconf("tests.urls")
    try:
        with translation.override("de"), bridged(KeepUser):
            async with EventClient(
                app, user=users[0], headers={"accept-language": "ar"}, raise_exceptions=False
            ) as tab:
                before = dict(copy_context())
                for handler in (Counter.look, Counter.fail, Counter.count_up, Counter.deny):
                    await tab.fire(handler)
                    assert translation.get_language() == "de"
                    assert get_urlconf() == "tests.urls"
                    assert context_var.get() == ""
                    assert current_request() is None
                    assert dict(copy_context()) == before
    finally:
        set_urlconf(None)


async def test_language_of_one_event_is_not_the_next_ones():
    async with EventClient(app, language="ar") as arab, arab.tab(language="en") as other:
        for _ in range(3):
            assert (await arab.fire(Counter.look)).vars["seen"][2] == "ar"
            await other.load("/")
            assert (await other.fire(Counter.look)).vars["seen"][2] == "en"
