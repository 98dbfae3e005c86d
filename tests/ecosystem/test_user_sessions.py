"""django-user-sessions: its view "log out my other devices" closes the tabs of these."""

import asyncio
from datetime import timedelta

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from user_sessions.models import Session

from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import EventBridge, Sessions
from rxbridge.events.sessions.signals import session_model
from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


class Desk(AppState, rx.State):
    name: str = ""

    @rx.event
    def who(self):
        self.name = self.user.get_username()


@pytest.fixture
async def sessions():
    connections = ConnectionRegistry()
    sessions = Sessions(connections, sweep_interval=0.05)
    app._middlewares = [EventBridge(connections, sessions=sessions)]
    yield sessions
    sessions.revoker.close()
    await sessions.revoker.stop()


app = bridged_app()


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


async def closed(tab) -> None:
    async with asyncio.timeout(10):
        while not tab.connection.closed:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)


def log_out_the_others(client: Client, ada: User) -> None:
    client.force_login(ada)
    assert client.post(reverse("user_sessions:session_delete_other")).status_code == 302


def log_out_each(client: Client, ada: User) -> None:
    client.force_login(ada)
    for row in Session.objects.filter(user=ada).exclude(pk=client.session.session_key):
        url = reverse("user_sessions:session_delete", kwargs={"pk": row.pk})
        assert client.post(url).status_code == 302


def delete_the_rows(client: Client, ada: User) -> None:
    Session.objects.filter(user=ada).delete()


def test_its_model_is_the_one_of_sessions():
    assert session_model() is Session


@pytest.mark.parametrize("end", [log_out_the_others, log_out_each, delete_the_rows])
async def test_sessions_ended_on_another_device_have_their_tabs_closed(sessions, ada, end):
    async with EventClient(app, user=ada) as tab:
        assert (await tab.fire(Desk.who)).vars["name"] == "ada"
        await sync_to_async(end)(Client(), ada)
        await closed(tab)
        assert (await tab.fire(Desk.who)).vars["name"] == ""


async def test_an_expired_one_has_too(sessions, ada):
    async with EventClient(app, user=ada) as first:
        await first.fire(Desk.who)  # The engine saves the session with the tab's browser.
        await Session.objects.aupdate(expire_date=timezone.now() + timedelta(seconds=3))
        async with first.tab(cookies=first.cookies) as tab:
            assert (await tab.fire(Desk.who)).vars["name"] == "ada"
            await closed(tab)


async def test_device_that_logs_the_others_out_keeps_its_tab(sessions, ada):
    client = Client()
    async with EventClient(app, user=ada) as other:
        await other.fire(Desk.who)
        await sync_to_async(client.force_login)(ada)
        own = {name: morsel.value for name, morsel in client.cookies.items()}
        async with other.tab(cookies=own) as tab:
            assert (await tab.fire(Desk.who)).vars["name"] == "ada"
            url = reverse("user_sessions:session_delete_other")
            await sync_to_async(client.post)(url)
            await closed(other)
            assert not tab.connection.closed


async def test_an_administrator_ends_all_sessions_of_a_user(sessions, ada):
    await sync_to_async(Client().force_login)(ada)
    async with EventClient(app, user=ada) as tab:
        await tab.fire(Desk.who)
        assert await sessions.revoker.disconnect(user=ada) == 1
        assert tab.connection.closed
    assert not await Session.objects.filter(user=ada).aexists()
