"""django-axes: failed logins in a handler lock the address out."""

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from axes.models import AccessAttempt
from django.contrib.auth import authenticate, login
from django.contrib.auth.models import User
from django.test import Client

from rxbridge.state import AppState
from rxbridge.state.auth import SessionAuthConfig, session_auth_mixin
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


class Door(AppState, rx.State):
    name: str = ""

    @rx.event
    def sign_in(self, password: str):
        user = authenticate(self.request, username="ada", password=password)
        if user is not None:
            login(self.request, user)
            self.name = user.get_username()

    @rx.event
    async def sign_in_async(self, password: str):
        # Not aauthenticate(): of axes 8.3, that function knows nothing.
        user = await sync_to_async(authenticate)(self.request, username="ada", password=password)
        self.name = "" if user is None else user.get_username()


class Auth(session_auth_mixin(SessionAuthConfig()), rx.State):
    """The ready login form."""


app = bridged_app()


@pytest.fixture(autouse=True)
def ada():
    return User.objects.create_user("ada", password="secret")


@pytest.mark.parametrize("handler", [Door.sign_in, Door.sign_in_async])
async def test_address_is_locked_out_after_failed_logins(handler):
    async with EventClient(app, client="203.0.113.7") as tab:
        assert (await tab.fire(handler, password="wrong")).toasts == []
        locking = await tab.fire(handler, password="wrong")
        assert locking.toasts == ["That was too often. Please wait a moment and try again."]
        refused = await tab.fire(handler, password="secret")
        assert len(refused.toasts) == 1
        assert (await tab.state(Door)).name == ""
    attempt = await AccessAttempt.objects.aget()
    assert (attempt.ip_address, attempt.username) == ("203.0.113.7", "ada")


async def test_another_address_is_not_locked_out():
    async with EventClient(app, client="203.0.113.7") as tab:
        for _ in range(3):
            await tab.fire(Door.sign_in, password="wrong")
    async with EventClient(app, client="203.0.113.8") as tab:
        assert (await tab.fire(Door.sign_in, password="secret")).vars["name"] == "ada"


async def test_ready_login_form_locks_out_as_the_admin_does():
    async with EventClient(app) as tab:
        for _ in range(2):
            await tab.fire(Auth.login, form_data={"username": "ada", "password": "wrong"})
        fired = await tab.fire(Auth.login, form_data={"username": "ada", "password": "secret"})
        assert fired.redirect is None
        assert "sessionid" not in tab.cookies
    admin = await sync_to_async(Client().post)(
        "/admin/login/", {"username": "ada", "password": "secret"}
    )
    assert admin.status_code == 429
