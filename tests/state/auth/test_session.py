"""SessionAuth: signing in and out by events does what Django's views do."""

import pickle
from urllib.parse import quote

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.sessions.models import Session
from django.test import Client

from rxbridge.errors import RxBridgeError
from rxbridge.state.auth import session_auth_mixin
from rxbridge.testing import EventClient
from tests.state.auth.app import Auth, LoginOnly, Visit, app
from tests.state.auth.conftest import PASSWORD, open_page, whoami

GENERAL_ERROR = {
    "form": [
        "Please enter a correct username and password. Note that both fields may be case-sensitive."
    ]
}


def _made() -> type[rx.State]:
    class Made(session_auth_mixin(), rx.State):
        """One that Reflex keeps in a module of its own."""

    return Made


Made = _made()


async def log_in(tab, username="ada", password=PASSWORD):
    return await tab.fire(Auth.login, form_data={"username": username, "password": password})


@pytest.fixture
def signals():
    """Collect what Django's auth signals were sent with."""
    sent = []

    def receive(signal, **kwargs):
        sent.append((signal, kwargs))

    watched = (user_logged_in, user_logged_out, user_login_failed)
    for signal in watched:
        signal.connect(receive)
    yield sent
    for signal in watched:
        signal.disconnect(receive)


async def test_login_signs_in_and_goes_on(tab, ada):
    fired = await log_in(tab)
    assert fired.redirect == "/home"
    assert fired.vars["login_errors"] == {}
    assert await whoami(tab) == "ada"


async def test_session_made_by_an_event_is_one_of_djangos(tab, ada):
    await log_in(tab)
    client = Client(headers={"cookie": f"sessionid={tab.cookies['sessionid']}"})
    await User.objects.filter(pk=ada.pk).aupdate(is_staff=True)
    response = await sync_to_async(client.get)("/admin/password_change/")
    assert response.status_code == 200
    assert response.context["user"].username == "ada"


@pytest.mark.parametrize(
    ("username", "password"),
    [("ada", "wrong"), ("nobody", PASSWORD), ("idle", PASSWORD), ("idle", "wrong")],
    ids=["wrong password", "unknown name", "inactive", "inactive with wrong password"],
)
async def test_login_error_does_not_tell_what_was_wrong(
    tab, ada, django_user_model, username, password
):
    await django_user_model.objects.acreate_user("idle", password=PASSWORD, is_active=False)
    fired = await log_in(tab, username, password)
    assert fired.vars["login_errors"] == GENERAL_ERROR
    assert fired.redirect is None
    assert await whoami(tab) == ""


@pytest.mark.parametrize(
    "form_data",
    [None, [], "username=ada", {"username": ["ada"], "password": {"a": 1}}, {"username": 10**30}],
    ids=repr,
)
async def test_what_no_form_submits_is_refused(tab, ada, form_data):
    fired = await tab.fire(Auth.login, form_data=form_data)
    assert fired.exceptions == []
    assert len(fired.toasts) == 1
    assert fired.vars["login_pending"] is False
    assert (await tab.state(Auth)).login_pending is False
    assert await whoami(tab) == ""


@pytest.mark.parametrize(
    "form_data",
    [{}, {"username": 7, "password": None}, {"username": "ada\x00", "password": PASSWORD}],
    ids=repr,
)
async def test_malformed_form_is_an_error_of_the_form(tab, ada, form_data):
    fired = await tab.fire(Auth.login, form_data=form_data)
    assert fired.exceptions == []
    assert fired.vars["login_errors"]
    assert await whoami(tab) == ""


async def test_form_is_pending_while_it_is_checked(tab, ada):
    fired = await log_in(tab, password="wrong")
    pending = [
        value
        for delta in fired.deltas
        for changes in delta.values()
        for name, value in changes.items()
        if name.startswith("login_pending")
    ]
    assert pending == [True, False]


async def test_errors_are_gone_when_the_page_is_opened_again(tab, ada):
    await log_in(tab, password="wrong")
    await tab.fire(Auth.open_login)
    assert (await tab.state(Auth)).login_errors == {}


async def test_password_is_in_no_delta_no_event_and_no_state(tab, ada, caplog):
    caplog.set_level(0)
    secret = "s3cret-that-is-wrong"
    fired = await log_in(tab, password=secret)
    state = await tab.state(Auth)
    assert secret not in repr(fired.deltas) + repr(fired.events) + caplog.text
    assert secret not in repr(state.dict()) + repr(state._backend_vars)


async def test_failed_login_sends_djangos_signal(tab, ada, signals):
    await log_in(tab, password="wrong")
    ((signal, sent),) = signals
    assert signal is user_login_failed
    assert sent["credentials"]["username"] == "ada"
    assert sent["request"].META["REMOTE_ADDR"] == "127.0.0.1"


async def test_login_and_logout_send_djangos_signals(tab, ada, signals):
    await log_in(tab)
    await tab.fire(Auth.logout)
    assert [(signal, sent["user"]) for signal, sent in signals] == [
        (user_logged_in, ada),
        (user_logged_out, ada),
    ]


async def test_lockout_by_a_backend_is_shown_and_refused(tab, ada, settings):
    settings.AUTHENTICATION_BACKENDS = [
        "tests.state.auth.backends.LockedOut",
        "django.contrib.auth.backends.ModelBackend",
    ]
    fired = await log_in(tab)
    assert fired.vars["login_errors"] == {
        "form": ["Too many failed attempts. Please try again later."]
    }
    assert await whoami(tab) == ""


async def test_email_is_a_login_name_with_a_backend_that_takes_it(tab, ada, settings):
    settings.AUTHENTICATION_BACKENDS = [
        "tests.state.auth.backends.ByEmail",
        "django.contrib.auth.backends.ModelBackend",
    ]
    await log_in(tab, username="Ada@example.com")
    assert await whoami(tab) == "ada"


async def test_login_gives_the_session_a_new_key_and_ends_the_old(tab, ada):
    await tab.fire(Visit.fill_cart)
    before = tab.cookies["sessionid"]
    await log_in(tab)
    after = tab.cookies["sessionid"]
    assert after != before
    assert not await Session.objects.filter(session_key=before).aexists()
    async with EventClient(app, cookies={"sessionid": before}) as attacker:
        assert await whoami(attacker) == ""


async def test_anonymous_session_survives_a_failed_and_a_successful_login(tab, ada):
    await tab.fire(Visit.fill_cart)
    before = tab.cookies["sessionid"]
    await log_in(tab, password="wrong")
    assert tab.cookies["sessionid"] == before
    await tab.fire(Visit.look)
    assert (await tab.state(Visit)).cart == "mug"
    await log_in(tab)
    await tab.fire(Visit.look)
    assert (await tab.state(Visit)).cart == "mug"


async def test_another_users_session_is_not_inherited(tab, ada, django_user_model):
    await django_user_model.objects.acreate_user("eve", password=PASSWORD)
    await log_in(tab)
    await tab.fire(Visit.fill_cart)
    await log_in(tab, username="eve")
    await tab.fire(Visit.look)
    visit = await tab.state(Visit)
    assert (visit.name, visit.cart) == ("eve", "")


async def test_logout_ends_the_session(tab, ada):
    await log_in(tab)
    key = tab.cookies["sessionid"]
    fired = await tab.fire(Auth.logout)
    assert fired.redirect == "/bye"
    assert await whoami(tab) == ""
    assert not await Session.objects.filter(session_key=key).aexists()


async def test_logout_of_a_visitor_is_no_error(tab):
    assert (await tab.fire(Auth.logout)).redirect == "/bye"


NEXT = [
    ("/cart", "/cart"),
    ("/cart?page=2&x=%2F#total", "/cart?page=2&x=%2F#total"),
    ("cart", "/cart"),
    ("http://testserver/cart", "/cart"),
    ("https://testserver/cart", "/cart"),
    ("https://help.example.com/start", "https://help.example.com/start"),
    ("", "/home"),
    ("/login", "/home"),
    ("/login?next=/login", "/home"),
    ("https://evil.example/", "/home"),
    ("//evil.example/", "/home"),
    ("///evil.example/", "/home"),
    ("/..//evil.example", "/evil.example"),
    ("/a/../..//evil.example", "/evil.example"),
    ("/x//evil.example", "/home"),
    ("\\\\evil.example", "/home"),
    ("/\\evil.example", "/home"),
    ("/\t/evil.example", "/home"),
    ("\x08//evil.example", "/home"),
    ("http:evil.example", "/home"),
    ("http:///evil.example", "/home"),
    ("http://testserver@evil.example/", "/home"),
    ("http://testserver.evil.example/", "/home"),
    ("http://evil.example#testserver", "/home"),
    ("http://testserver:8000/", "/home"),
    ("javascript:alert(1)", "/home"),
    ("JavaScript:alert(1)", "/home"),
    ("data:text/html,x", "/home"),
]


@pytest.mark.parametrize(("target", "destination"), NEXT)
async def test_next_leads_only_to_safe_places(tab, ada, target, destination):
    await open_page(tab, Auth.open_login, "/login", f"next={quote(target)}")
    assert (await log_in(tab)).redirect == destination


async def test_next_is_not_led_from_https_to_http(transactional_db, ada):
    async with EventClient(app, secure=True) as tab:
        await open_page(tab, Auth.open_login, "/login", "next=http://testserver/cart")
        assert (await log_in(tab)).redirect == "/home"


async def test_signed_in_visitor_of_the_login_page_is_sent_on(transactional_db, ada):
    async with EventClient(app, user=ada) as tab:
        fired = await open_page(tab, Auth.open_login, "/login", "next=/cart")
        assert fired.redirect == "/cart"
        fired = await open_page(tab, Auth.open_login, "/login", "next=//evil.example")
        assert fired.redirect == "/home"


async def test_visitor_of_the_login_page_stays(tab):
    assert (await open_page(tab, Auth.open_login, "/login")).redirect is None


async def test_handlers_are_open_under_login_required_middleware():
    for name in ("login", "logout", "open_login", "register", "request_password_reset"):
        assert Auth.event_handlers[name].fn.login_required is False
    for name in ("open_registration", "open_password_reset", "open_reset_confirm"):
        assert Auth.event_handlers[name].fn.login_required is False
    for name in ("change_password", "open_password_change"):
        assert not hasattr(Auth.event_handlers[name].fn, "login_required")


def test_what_is_not_added_is_not_there():
    assert set(LoginOnly.event_handlers) == {"login", "logout", "open_login", "setvar"}
    assert set(LoginOnly.base_vars) == {"login_errors", "login_pending"}


def test_state_is_registered_under_its_own_module_and_holds_no_configuration():
    assert LoginOnly.get_full_name().endswith("tests___state___auth___app____login_only")
    assert not [name for name in LoginOnly.get_fields() if "config" in name]
    assert pickle.loads(pickle.dumps(LoginOnly)) is LoginOnly


def test_base_becomes_the_parent_state():
    class Base(rx.State):
        shared: str = ""

    class Child(session_auth_mixin(base=Base)):
        pass

    assert Child.get_parent_state() is Base


def test_login_hidden_by_a_plain_base_is_refused():
    class Mixin:
        async def login(self, user):
            pass

    with pytest.raises(TypeError, match="before it"):

        class Hidden(Mixin, session_auth_mixin(), rx.State):
            pass


async def test_handler_outside_the_bridge_says_what_is_missing():
    with pytest.raises(RxBridgeError, match="EventBridge"):
        await LoginOnly.event_handlers["login"].fn(LoginOnly, {}).__anext__()


async def test_who_is_signed_in_and_out_by_a_state_made_in_a_function_is_shown_at_once(tab, ada):
    form = {"username": "ada", "password": PASSWORD}
    assert (await tab.fire(Made.login, form_data=form)).vars["username"] == "ada"
    assert (await tab.fire(Made.logout)).vars["username"] == ""
