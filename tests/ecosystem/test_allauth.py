"""django-allauth: its middleware around events, and a login that both sides of the site share."""

import pytest
import reflex as rx
from allauth.account.forms import LoginForm
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.usersessions.models import UserSession
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.cache import cache
from django.http import Http404, HttpResponseRedirect
from django.test import AsyncClient, Client

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import as_gets, bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


class Door(AppState, rx.State):
    name: str = ""
    error: str = ""
    has_context: bool = False

    @rx.event
    def who(self):
        self.name = self.user.get_username()

    @rx.event
    async def look(self):
        self.has_context = context.request is self.request

    @rx.event
    def sign_in(self, login: str, password: str):
        form = LoginForm({"login": login, "password": password}, request=self.request)
        if not form.is_valid():
            self.error = form.errors.as_text()
            return None
        return rx.redirect(form.login(self.request).url)

    @rx.event
    def turn_away(self):
        raise ImmediateHttpResponse(HttpResponseRedirect("/accounts/login/"))

    @rx.event
    def miss(self):
        raise Http404


app = bridged_app()


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="secret")


async def test_session_of_a_login_at_allauths_page_is_the_events_session(ada):
    browser = Client()
    form = {"login": "ada", "password": "secret"}
    response = await sync_to_async(browser.post)("/accounts/login/", form)
    assert response.status_code == 302
    cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
    async with EventClient(app, cookies=cookies) as tab:
        assert (await tab.fire(Door.who)).vars["name"] == "ada"


async def test_handler_signs_in_by_allauths_form(ada):
    async with EventClient(app) as tab:
        fired = await tab.fire(Door.sign_in, login="ada", password="secret")
        assert fired.redirect == "/"
        assert (await tab.fire(Door.who)).vars["name"] == "ada"


async def test_failed_logins_are_limited(ada):
    async with EventClient(bridged_app()) as tab:
        for _ in range(2):
            await tab.fire(Door.sign_in, login="ada", password="wrong")
        fired = await tab.fire(Door.sign_in, login="ada", password="secret")
        assert "Too many failed login attempts" in fired.vars["error"]


async def test_failed_logins_are_not_limited_when_events_are_sent_as_gets(ada):
    """As allauth has it: it counts no GET. The docs say so."""
    async with EventClient(bridged_app(as_gets)) as tab:
        for _ in range(3):
            await tab.fire(Door.sign_in, login="ada", password="wrong")
        assert (await tab.fire(Door.sign_in, login="ada", password="secret")).redirect == "/"


async def test_allauths_context_has_the_events_request():
    async with EventClient(app) as tab:
        assert (await tab.fire(Door.look)).vars["has_context"] is True


async def test_response_that_a_handler_raises_is_followed():
    async with EventClient(app) as tab:
        assert (await tab.fire(Door.turn_away)).redirect == "/accounts/login/"


async def test_session_is_tracked_with_the_address_of_the_tab(ada):
    async with EventClient(app, user=ada, client="203.0.113.7") as tab:
        await tab.fire(Door.who)
    session = await UserSession.objects.aget(user=ada)
    assert session.ip == "203.0.113.7"


async def test_missed_by_a_handler_is_a_404_where_a_missing_page_leads_to_the_login():
    response = await AsyncClient().get("/accounts/", headers={})
    assert response.headers["Location"] == "/accounts/login/"
    async with EventClient(app, host="testserver", path="/accounts/") as tab:
        fired = await tab.fire(Door.miss)
    assert [(each.status, fired.redirect) for each in fired.refusals] == [(404, None)]
