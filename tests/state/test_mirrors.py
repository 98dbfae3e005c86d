"""DjangoUserState: the page shows who is signed in, from its first paint on."""

import subprocess
import sys

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpResponse

from rxbridge.events import SyntheticRequestFactory
from rxbridge.state import DjangoUserState
from rxbridge.state.mirrors import user_fields
from rxbridge.testing import EventClient, make_event
from tests.events.app import Counter, app, bridged

pytestmark = pytest.mark.django_db(transaction=True)

NOBODY = {
    "is_authenticated": False,
    "username": "",
    "email": "",
    "is_staff": False,
    "is_superuser": False,
}


@pytest.fixture
def ada():
    return User.objects.create_user("ada", "ada@example.com", is_staff=True)


def shown(fired):
    """What each delta says of the user."""
    state = DjangoUserState.get_full_name()
    return [
        {name.removesuffix("_rx_state_"): value for name, value in delta[state].items()}
        for delta in fired.deltas
        if state in delta
    ]


ADA = {
    "is_authenticated": True,
    "username": "ada",
    "email": "ada@example.com",
    "is_staff": True,
    "is_superuser": False,
}


async def test_the_user_is_in_the_first_delta_of_a_page(ada):
    async with EventClient(app, user=ada) as tab:
        fired = await tab.load("/members")
        state = DjangoUserState.get_full_name()
        first = {name.removesuffix("_rx_state_"): v for name, v in fired.deltas[0][state].items()}
    assert first == ADA


async def test_anonymous_visitor_is_nobody():
    async with EventClient(app) as tab:
        assert shown(await tab.load("/"))[0] == NOBODY


async def test_event_that_changes_nothing_sends_nothing(ada):
    async with EventClient(app, user=ada) as tab:
        await tab.load("/")
        assert shown(await tab.fire(Counter.who)) == []


async def test_sign_in_and_out_by_an_event_are_shown_by_that_event(ada):
    async with EventClient(app) as tab:
        await tab.load("/")
        assert shown(await tab.fire(Counter.sign_in("ada"))) == [
            {name: value for name, value in ADA.items() if value != NOBODY[name]}
        ]
        (after,) = shown(await tab.fire(Counter.sign_out))
        assert after == {name: NOBODY[name] for name in after}
        assert after["username"] == ""


async def test_user_changed_elsewhere_is_shown_by_the_next_event(ada):
    async with EventClient(app, user=ada) as tab:
        await tab.load("/")
        await User.objects.filter(pk=ada.pk).aupdate(email="new@example.com")
        assert shown(await tab.fire(Counter.add(1))) == [{"email": "new@example.com"}]


async def test_background_task_shows_it_too(ada):
    async with EventClient(app, user=ada) as tab:
        await tab.load("/")
        await User.objects.filter(pk=ada.pk).aupdate(email="new@example.com")
        await tab.fire(Counter.background)
        assert {"email": "new@example.com"} in shown(await tab.background())


async def test_var_a_browser_forged_is_put_right(ada):
    async with EventClient(app, user=ada) as tab:
        await tab.load("/")
        (await tab.state(DjangoUserState)).is_superuser = True
        assert {"is_superuser": False} in shown(await tab.fire(Counter.add(1)))


async def test_refused_page_load_shows_nobody(ada):
    refused = []

    def middleware(get_response):
        def answer(request):
            return HttpResponse(status=403) if refused else get_response(request)

        return answer

    with bridged(middleware):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            refused.append(True)
            # A refused click leaves the page as it is.
            assert shown(await tab.fire(Counter.who)) == []
            assert shown(await tab.load("/"))[0] == NOBODY
            refused.clear()
            assert shown(await tab.load("/"))[0] == ADA


async def test_restarted_server_shows_the_user_in_the_first_delta(ada):
    async with EventClient(app, user=ada) as tab:
        fired = await tab.fire(Counter.add(1))
    assert shown(fired)[0] == ADA


class Minimal(AbstractBaseUser):
    """A custom user model with a name and nothing else."""

    USERNAME_FIELD = "pk"

    class Meta:
        app_label = "auth"

    def get_username(self):
        return "minimal"


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (None, NOBODY),
        (AnonymousUser(), NOBODY),
        (Minimal(), {**NOBODY, "is_authenticated": True, "username": "minimal"}),
        (User(username="ada", email="ada@example.com", is_staff=True), ADA),
    ],
)
def test_fields_of_any_user_model(user, expected):
    request = SyntheticRequestFactory().build(make_event())
    if user is not None:
        request.user = user
    assert user_fields(request) == expected


def test_no_request_is_nobody():
    assert user_fields(None) == NOBODY


def test_importing_the_state_modules_registers_no_state():
    code = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
import reflex as rx
rx.State
from reflex_base.registry import RegistrationContext
before = set(RegistrationContext.get().base_states)
import rxbridge.state, rxbridge.state.mirrors, rxbridge.testing
import rxbridge.events.bridge
assert set(RegistrationContext.get().base_states) == before
from rxbridge.state import DjangoUserState
(added,) = set(RegistrationContext.get().base_states) - before
assert added.endswith("django_user_state")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
