"""django-otp: what its middleware puts on the user reaches the handler."""

import django_otp
import pytest
import reflex as rx
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django_otp.plugins.otp_static.models import StaticDevice

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


class Vault(AppState, rx.State):
    opened: bool = False

    @rx.event
    def verify(self, token: str):
        device = django_otp.match_token(self.user, token)
        if device is not None:
            django_otp.login(self.request, device)

    @rx.event
    def open(self):
        if not self.user.is_verified():
            raise PermissionDenied
        self.opened = True

    @rx.event
    async def open_async(self):
        if not (await self.request.auser()).is_verified():
            raise PermissionDenied
        self.opened = True


app = bridged_app()


@pytest.fixture
def ada():
    user = User.objects.create_user("ada")
    device = StaticDevice.objects.create(user=user, name="paper")
    device.token_set.create(token="123456")
    return user


@pytest.mark.parametrize("handler", [Vault.open, Vault.open_async])
async def test_user_without_second_factor_is_refused(ada, handler):
    async with EventClient(app, user=ada) as tab:
        fired = await tab.fire(handler)
        assert fired.toasts == ["You are not allowed to do that."]
        assert not (await tab.state(Vault)).opened


@pytest.mark.parametrize("handler", [Vault.open, Vault.open_async])
async def test_user_is_verified_from_the_event_after_the_token(ada, handler):
    async with EventClient(app, user=ada) as tab:
        await tab.fire(Vault.verify, token="123456")
        assert (await tab.fire(handler)).vars["opened"] is True


async def test_wrong_token_verifies_nobody(ada):
    async with EventClient(app, user=ada) as tab:
        await tab.fire(Vault.verify, token="654321")
        await tab.fire(Vault.open)
        assert not (await tab.state(Vault)).opened


async def test_visitor_is_not_verified():
    async with EventClient(app) as tab:
        assert (await tab.fire(Vault.open)).toasts == ["You are not allowed to do that."]
