"""Who is behind a tab changes while it works: a session that expires, a proxy's remote user."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta

import pytest
import reflex as rx
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone

from rxbridge.events import MiddlewareRunner, Sessions, login_required
from rxbridge.state import AppState
from rxbridge.testing import EventClient, assert_refused
from tests.events.app import Counter, app, bridged, connections, gates

pytestmark = pytest.mark.django_db(transaction=True)


class Desk(AppState, rx.State):
    """Work that only who is signed in may do."""

    done: int = 0
    by: str = ""

    @rx.event
    @login_required
    def work(self):
        self.done += 1
        self.by = self.user.get_username()

    @rx.event
    async def sign_in_slowly(self):
        gates["begun"].set()
        await asyncio.Event().wait()

    @rx.event
    async def work_while_the_session_ends(self):
        self.session["draft"] = "of a letter"
        await Session.objects.all().adelete()
        self.done += 1


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


async def test_session_that_expires_leads_to_the_login_and_the_work_begins_anew_after_it(ada: User):
    with bridged():
        async with EventClient(app, user=ada, path="/desk") as tab:
            assert (await tab.fire(Desk.work)).vars["done"] == 1
            await Session.objects.all().aupdate(expire_date=timezone.now() - timedelta(seconds=1))
            fired = await tab.fire(Desk.work)
            assert_refused(fired, status=302)
            assert fired.redirect == "/admin/login/?next=/desk"
            await tab.fire(Counter.sign_in, username="ada")
            # Nobody's click came in between, so the vars are fresh.
            assert (await tab.fire(Desk.work)).vars["done"] == 1


async def test_session_that_ends_while_a_handler_works_is_not_brought_back(ada: User):
    with bridged():
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Desk.work_while_the_session_ends)
            assert not await Session.objects.aexists()
            assert_refused(await tab.fire(Desk.work), status=302)


async def test_a_login_that_a_logout_in_another_tab_overtakes_is_told_of(ada: User):
    gates["begun"] = asyncio.Event()
    sessions = Sessions(connections)
    try:
        with bridged(sessions=sessions, runner=MiddlewareRunner()):
            async with EventClient(app, user=ada) as own, own.tab() as other:
                await own.load("/")
                await other.load("/")
                login = asyncio.ensure_future(other.fire(Desk.sign_in_slowly))
                await gates["begun"].wait()
                assert (await own.fire(Counter.sign_out)).toasts == []
                fired = await login
                assert fired.toasts == [
                    "Something changed in another tab meanwhile. Please try again."
                ]
                assert_refused(fired, status=409)
    finally:
        sessions.revoker.close()
        await sessions.revoker.stop()


@pytest.fixture
def proxy(settings) -> Iterator[None]:
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
    with bridged("django.contrib.auth.middleware.RemoteUserMiddleware"):
        yield


@pytest.mark.parametrize(("header", "expected"), [({"remote-user": "bob"}, "bob"), ({}, "")])
async def test_tab_that_comes_back_is_who_the_proxy_says_now_not_who_the_session_says(
    proxy: None, header: dict[str, str], expected: str
):
    async with EventClient(app, headers={"remote-user": "ada"}) as tab:
        assert (await tab.fire(Counter.who)).vars["name"] == "ada"
        await tab.fire(Counter.set_session, value="ada's")
        session = dict(tab.cookies)
    async with EventClient(app, headers=header, cookies=session) as tab:
        await tab.fire(Counter.who)
        assert (await tab.state(Counter)).name == expected
        await tab.fire(Counter.read_session)
        assert (await tab.state(Counter)).name == ""
