"""AppState: what a handler sees of Django; nothing of it rests in Reflex's state."""

import pickle

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.test import Client
from reflex_base.registry import RegistrationContext

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.events.app import app

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = {name for name in vars(AppState) if not name.startswith("_")}
NAMES -= {"get_value"}  # Reflex's own, overridden


class Desk(AppState, rx.State):
    """Notes what its handlers see."""

    seen: dict[str, str] = {}
    allowed: list[bool] = []
    token: str = ""

    @rx.event
    def look(self):
        self.seen = {
            "request": self.request.path,
            "user": self.user.get_username(),
            "session": self.session.session_key or "",
            "messages": str(len(self.messages)),
            "response": str(self.response.status_code),
            "resolver_match": self.resolver_match.view_name,
        }

    @rx.event
    async def ask(self, permission: str):
        self.allowed = [*self.allowed, await self.has_perm(permission)]

    @rx.event(background=True)
    async def ask_in_background(self, permission: str):
        allowed = await self.has_perm(permission)
        async with self:
            self.allowed = [allowed]
            self.seen = {"user": self.user.get_username()}

    @rx.event
    def take_token(self):
        self.token = self.csrf_token

    @rx.event
    async def take_token_async(self):
        self.token = self.csrf_token


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


async def test_handler_sees_django(ada):
    async with EventClient(app, user=ada) as tab:
        await tab.load("/product/mug")
        seen = (await tab.fire(Desk.look)).vars["seen"]
        assert seen == {
            "request": "/product/mug",
            "user": "ada",
            "session": tab.cookies["sessionid"],
            "messages": "0",
            "response": "200",
            "resolver_match": "tests.state.test_app_state.Desk.look",
        }


def test_outside_an_event_there_is_nothing():
    state = AppState()
    assert state.request is state.response is state.session is None
    assert state.csrf_token is state.resolver_match is None
    assert state.user.is_anonymous
    assert list(state.messages) == []


async def test_permission_is_asked_of_djangos_backends(ada):
    permission = await Permission.objects.aget(codename="view_user")
    await ada.user_permissions.aadd(permission)
    async with EventClient(app, user=ada) as tab:
        await tab.fire(Desk.ask("auth.view_user"))
        fired = await tab.fire(Desk.ask("auth.delete_user"))
        assert fired.vars["allowed"] == [True, False]
        await tab.fire(Desk.ask_in_background("auth.view_user"))
        fired = await tab.background()
        assert (fired.vars["allowed"], fired.vars["seen"]) == ([True], {"user": "ada"})


async def test_anonymous_visitor_may_nothing():
    async with EventClient(app) as tab:
        assert (await tab.fire(Desk.ask("auth.view_user"))).vars["allowed"] == [False]


@pytest.mark.parametrize("handler", [Desk.take_token, Desk.take_token_async])
@pytest.mark.parametrize("in_session", [False, True])
async def test_csrf_token_is_accepted_by_djangos_form(settings, handler, in_session):
    settings.CSRF_USE_SESSIONS = in_session
    async with EventClient(app) as tab:
        await tab.load("/")
        token = (await tab.fire(handler)).vars["token"]
        jar = dict(tab.cookies)

    def post(token):
        client = Client(enforce_csrf_checks=True)
        client.cookies.load(jar)
        return client.post("/admin/login/", {"csrfmiddlewaretoken": token, "username": "x"})

    assert (await sync_to_async(post)(token)).status_code == 200
    assert (await sync_to_async(post)("a" * 64)).status_code == 403


async def test_nothing_of_django_is_in_the_pickled_state(ada):
    async with EventClient(app, user=ada) as tab:
        await tab.load("/")
        await tab.fire(Desk.ask("auth.view_user"))
        root = (await tab.state(Desk))._get_root_state()
        pickled = root._serialize()
        key = tab.cookies["sessionid"]
    assert key.encode() not in pickled
    assert b"django." not in pickled
    assert pickle.loads(pickled) is not None
    assert not {"request", "user", "session", "_messages"} & set(vars(root.substates.popitem()[1]))


@pytest.mark.parametrize("name", sorted(NAMES))
def test_no_name_of_app_state_is_a_handler_a_browser_could_call(name):
    assert name not in Desk.event_handlers
    handlers = RegistrationContext.get().event_handlers
    for handler in (name, f"set_{name}"):
        assert f"{Desk.get_full_name()}.{handler}" not in handlers
    assert name not in Desk.vars


def test_the_names_are_those_documented():
    assert {
        "request",
        "response",
        "user",
        "session",
        "messages",
        "csrf_token",
        "resolver_match",
        "django_context",
        "has_perm",
        "in_middleware",
        "login",
        "logout",
        "navigate",
    } == NAMES


@pytest.mark.parametrize("name", sorted(NAMES - {"has_perm"}))
async def test_a_property_cannot_be_replaced_by_a_handler(name):
    state = Desk(_reflex_internal_init=True)
    with pytest.raises(AttributeError):
        setattr(state, name, "forged")
