"""What each public package offers: a name that appears or goes is a decision, made here."""

import importlib
import pkgutil

import pytest

import rxbridge
from rxbridge import errors
from rxbridge.asgi import ConnectionRegistry, CookieHandoff
from rxbridge.events import Outcome, Revalidator, SessionRevoker
from rxbridge.testing import MiddlewareRun

PUBLIC = {
    "rxbridge": "InvalidEvent RxBridgeError __version__",
    "rxbridge.asgi": """
        REFLEX_PREFIXES CacheTickets Connection ConnectionRegistry CookieHandoff DevProxy
        LifespanGroup MemoryTickets OriginGuard PrefixRouter SPAStaticApp find_bundle
        reflex_prefixes
    """,
    "rxbridge.django": """
        AdminColorMode PageHeaders SPAView admin_urlpatterns check_application spa_urlpatterns
    """,
    "rxbridge.django.management": "",
    "rxbridge.django.management.commands": "",
    "rxbridge.events": """
        CSP_APP_WRAPS ContextBinder DEFAULT_SKIP EventBridge EventRequest MiddlewareRunner Outcome
        PlanRow RedisBroadcast ReflexEvent Refusal Refused Revalidator SessionRevoker Sessions
        SyntheticRequestFactory ThreadPool check_guards current_csrf_token
        current_language current_messages current_request current_response
        current_session current_user database_threads default_refusal group_required
        login_required permission_required reflex_asgi request request_signals resolve_page
        ends_with_tab outlives_tab staff_required user_passes_test
    """,
    "rxbridge.events.chain": "",
    "rxbridge.events.reflex": """
        CSP_APP_WRAPS EventInProcess Kind LocalServer call_in_event check_transports
        follow_sign_ins frontend_path handlers_without_transaction have_page_fire navigation
        page_task reflex_asgi seconds_until_stored state_schema
    """,
    "rxbridge.events.sessions": "",
    "rxbridge.events.threads": "",
    "rxbridge.state": """
        AppState DjangoContextState DjangoI18nState DjangoUserState PicklingStripper
        collect_context context_mirror guarded i18n_context login_required_page
        permission_required_page serialize_django_values staff_required_page
        switch_language translated user_context user_snapshot
    """,
    "rxbridge.state.auth": """
        AuthPages AuthTexts FieldView FormView PasswordChangeConfig PasswordResetConfig
        RegistrationConfig SessionAuthConfig add_auth_pages card_layout password_change_mixin
        password_reset_mixin registration_mixin session_auth_mixin stacked_form
    """,
    "rxbridge.state.crud": "ModelCRUDConfig crud_mixin",
    "rxbridge.trace": "EventTrace TracedRunner",
    "rxbridge.testing": """
        EventClient Fired MiddlewareRun RawClient RawSocket SyncEventClient assert_refused
        make_event run_middleware
    """,
}


def public_modules() -> list[str]:
    """Every module of rxbridge without an underscore in its path."""
    found = pkgutil.walk_packages(rxbridge.__path__, "rxbridge.")
    return ["rxbridge", *(module.name for module in found if "._" not in module.name)]


MODULES = public_modules()


@pytest.mark.parametrize("package", PUBLIC)
def test_package_offers_exactly_these_names(package: str):
    assert sorted(importlib.import_module(package).__all__) == sorted(PUBLIC[package].split())


@pytest.mark.parametrize("package", PUBLIC)
def test_every_name_is_there_and_documented(package: str):
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        if callable(value):
            assert value.__doc__, f"{package}.{name} has no docstring"


def test_every_package_is_pinned():
    packages = {name for name in MODULES if hasattr(importlib.import_module(name), "__path__")}
    assert packages <= PUBLIC.keys()


@pytest.mark.parametrize(
    ("owner", "former", "now"),
    [
        (ConnectionRegistry, "introduce", "identify_browsers"),
        (CookieHandoff, "offer", "issue"),
        (SessionRevoker, "settled", "confirmed"),
        (Revalidator, "prime", "restore"),
        (Revalidator, "learn", "store"),
        (Outcome, "reached", "view_called"),
        (MiddlewareRun, "reached", "view_called"),
        (errors, "NotAdmitted", "NotAllowed"),
    ],
)
def test_former_name_works_with_a_warning(owner: object, former: str, now: str):
    with pytest.warns(DeprecationWarning, match=f"{former} is called .*{now}") as caught:
        assert getattr(owner, former) == getattr(owner, now)
    assert caught[0].filename == __file__


def test_former_name_is_that_of_the_object():
    with pytest.deprecated_call():
        assert Outcome(response=None, view_called=True).reached is True


def test_former_argument_of_a_hand_off_works_with_a_warning():
    with pytest.warns(DeprecationWarning, match="on_confirmed=") as caught:
        handoff = CookieHandoff(ConnectionRegistry(), on_settled=print)
    assert (handoff.on_confirmed, caught[0].filename) == (print, __file__)
