"""mozilla-django-oidc: an expired session goes to the provider, or waits for the next page."""

import time

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client

from rxbridge.events import SyntheticRequestFactory
from rxbridge.testing import EventClient
from tests.ecosystem.site import as_gets, as_posts, bridged_app

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = 3600


class Desk(rx.State):
    pressed: int = 0

    @rx.event
    def press(self):
        self.pressed += 1


@sync_to_async
def signed_in(expires_in: float) -> dict[str, str]:
    browser = Client()
    ada = User.objects.create_user("ada")
    browser.force_login(ada, backend="mozilla_django_oidc.auth.OIDCAuthenticationBackend")
    session = browser.session
    session["oidc_id_token_expiration"] = time.time() + expires_in
    session.save()
    return {name: morsel.value for name, morsel in browser.cookies.items()}


def session_of(cookies: dict[str, str]) -> dict[str, object]:
    browser = Client()
    browser.cookies.load(cookies)
    return dict(browser.session.items())


@pytest.mark.parametrize("requests", [SyntheticRequestFactory, as_posts, as_gets])
async def test_handler_runs_while_the_session_is_valid(requests):
    async with EventClient(bridged_app(requests), cookies=await signed_in(HOUR)) as tab:
        assert (await tab.fire(Desk.press)).vars["pressed"] == 1


async def test_expired_session_sends_a_get_to_the_provider_and_the_handler_does_not_run():
    async with EventClient(
        bridged_app(as_gets), cookies=await signed_in(-HOUR), path="/orders"
    ) as tab:
        fired = await tab.fire(Desk.press)
        assert fired.redirect.startswith("https://provider.example.org/authorize?")
        assert "prompt=none" in fired.redirect
        assert (await tab.state(Desk)).pressed == 0


async def test_state_of_the_login_is_kept_in_the_session():
    cookies = await signed_in(-HOUR)
    async with EventClient(bridged_app(as_gets), cookies=cookies, path="/orders") as tab:
        await tab.fire(Desk.press)
    session = await sync_to_async(session_of)(cookies)
    assert session["oidc_login_next"] == "/orders"
    assert len(session["oidc_states"]) == 1


@pytest.mark.parametrize("requests", [SyntheticRequestFactory, as_gets])
async def test_expired_session_sends_a_page_that_loads_to_the_provider(requests):
    async with EventClient(bridged_app(requests), cookies=await signed_in(-HOUR)) as tab:
        fired = await tab.load("/")
    assert fired.redirect.startswith("https://provider.example.org/authorize?")


@pytest.mark.parametrize("requests", [SyntheticRequestFactory, as_posts])
async def test_expired_session_does_not_interrupt_a_handler_that_is_a_post(requests):
    async with EventClient(bridged_app(requests), cookies=await signed_in(-HOUR)) as tab:
        assert (await tab.fire(Desk.press)).vars["pressed"] == 1
