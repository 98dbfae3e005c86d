"""Page guards: a page shows itself only to who may see it, and nothing before that is known."""

import subprocess
import sys

import pytest
import reflex as rx
from django.contrib.auth.models import Permission, User
from django.http import HttpResponseRedirect
from django.utils.deprecation import MiddlewareMixin

from rxbridge.events.guards import login_required, permission_required, staff_required
from rxbridge.state._page_guard_state import PageGuardState
from rxbridge.state.page_guards import (
    guarded,
    login_required_page,
    permission_required_page,
    staff_required_page,
)
from rxbridge.testing import EventClient
from tests.events.app import app, bridged

FORBIDDEN = "You are not allowed to see this page."
REQUIRE_LOGIN = "require_login"
ASK = "ask"

HYDRATED = rx.State.is_hydrated
SIGNED_IN = PageGuardState.is_authenticated
STAFF = PageGuardState.is_staff
ANSWERED = PageGuardState.answers.contains("auth.add_group")
ALLOWED = PageGuardState.answers["auth.add_group"]


def shown(component, *true):
    """Return the texts and the mount events a browser would show, given the vars that are true."""
    if type(component).__name__ == "Cond":
        holds = any(str(var) in str(component.cond) for var in true)
        return shown(component.children[0 if holds else 1], *true)
    found = [component.contents._var_value] if type(component).__name__ == "Bare" else []
    mounted = getattr(component.event_triggers.get("on_mount"), "events", ())
    found += [event.handler.fn.__name__ for event in mounted]
    return found + [each for child in component.children for each in shown(child, *true)]


def page():
    return rx.text("CONTENT")


class Loaded(rx.State):
    """What guarded pages load."""

    rows: list[str] = []

    @rx.event
    @login_required
    def for_users(self):
        self.rows = ["for users"]

    @rx.event
    @staff_required
    def for_staff(self):
        self.rows = ["for staff"]

    @rx.event
    @permission_required("auth.add_group")
    async def for_some(self):
        self.rows = ["for some"]

    @rx.event(background=True)
    @staff_required
    async def in_background(self):
        async with self:
            self.rows = ["in the background"]

    @rx.event
    def and_more(self):
        return Loaded.for_staff


PAGES = {
    "guarded/users": (login_required_page, Loaded.for_users),
    "guarded/users-staff": (login_required_page, Loaded.for_staff),
    "guarded/staff": (staff_required_page, Loaded.for_staff),
    "guarded/some": (permission_required_page("auth.add_group"), Loaded.for_some),
    "guarded/background": (staff_required_page, Loaded.in_background),
    "guarded/more": (staff_required_page, Loaded.and_more),
    "guarded/none": (lambda page: page, Loaded.for_staff),
}
for route, (guard, on_load) in PAGES.items():
    app.add_page(guard(lambda: rx.text(Loaded.rows.to_string())), route=route, on_load=on_load)


@pytest.mark.parametrize(
    ("guard", "true", "expected"),
    [
        (login_required_page, [], []),
        (login_required_page, [HYDRATED], [REQUIRE_LOGIN]),
        (login_required_page, [HYDRATED, SIGNED_IN], ["CONTENT"]),
        (login_required_page, [SIGNED_IN], ["CONTENT"]),
        (login_required_page(pending=rx.text("...")), [], ["..."]),
        (staff_required_page, [], []),
        (staff_required_page, [HYDRATED], [REQUIRE_LOGIN]),
        (staff_required_page, [HYDRATED, SIGNED_IN], [FORBIDDEN]),
        (staff_required_page, [HYDRATED, SIGNED_IN, STAFF], ["CONTENT"]),
        (staff_required_page(forbidden=rx.text("No")), [HYDRATED, SIGNED_IN], ["No"]),
        (staff_required_page(pending=rx.text("...")), [], ["..."]),
        (permission_required_page("auth.add_group"), [], []),
        (permission_required_page("auth.add_group"), [HYDRATED], [ASK]),
        (permission_required_page("auth.add_group"), [HYDRATED, ANSWERED], [ASK, FORBIDDEN]),
        (permission_required_page("auth.add_group"), [ANSWERED, ALLOWED], ["CONTENT"]),
        (permission_required_page("auth.add_user"), [HYDRATED, ANSWERED, ALLOWED], [ASK]),
    ],
)
def test_what_is_shown_to_whom(guard, true, expected):
    assert shown(guard(page)(), *true) == expected


def test_a_part_of_a_page_is_shown_while_its_var_is_true():
    part = guarded(rx.text("part"), when=STAFF, fallback=rx.text("other"), pending=rx.text("wait"))
    assert shown(part) == ["wait"]
    assert shown(part, HYDRATED) == ["other"]
    assert shown(part, HYDRATED, STAFF) == ["part"]


def test_page_keeps_its_name_and_module_by_which_reflex_finds_its_route():
    for guard in (login_required_page, staff_required_page, permission_required_page("a.b")):
        assert (guard(page).__name__, guard(page).__module__) == ("page", __name__)


@pytest.mark.parametrize("permissions", [(), ("add_group",), ("",)])
def test_permission_without_its_app_is_a_mistake(permissions):
    with pytest.raises(ValueError, match="permission_required_page"):
        permission_required_page(*permissions)


def test_importing_the_module_registers_no_state():
    code = (
        "import django; django.setup()\n"
        "from reflex_base.registry import RegistrationContext\n"
        "import reflex as rx; rx.State\n"
        "states = lambda: set(RegistrationContext.get().base_states)\n"
        "before = states()\n"
        "import rxbridge.state.page_guards\n"
        "assert states() == before, states() - before\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.django_db(transaction=True)
class TestTheServersSide:
    async def test_anonymous_visitor_is_sent_to_login_and_back(self):
        async with EventClient(app) as tab:
            await tab.load("/members", query="page=2")
            fired = await tab.fire(PageGuardState.require_login)
            assert fired.redirect == "/admin/login/?next=/members%3Fpage%3D2"
            fired = await tab.fire(PageGuardState.ask(["auth.add_group"]))
            assert fired.redirect == "/admin/login/?next=/members%3Fpage%3D2"
            assert (await tab.state(PageGuardState)).answers == {}

    async def test_signed_in_user_stays(self):
        user = await User.objects.acreate_user("ada")
        async with EventClient(app, user=user) as tab:
            await tab.load("/members")
            assert (await tab.fire(PageGuardState.require_login)).redirect is None

    async def test_answers_by_the_users_permissions(self):
        user = await User.objects.acreate_user("ada")
        await user.user_permissions.aadd(await Permission.objects.aget(codename="add_group"))
        async with EventClient(app, user=user) as tab:
            await tab.load("/members")
            fired = await tab.fire(PageGuardState.ask(["auth.add_group"]))
            assert fired.vars["answers"] == {"auth.add_group": True}
            fired = await tab.fire(PageGuardState.ask(["auth.add_group", "auth.add_user"]))
            assert fired.vars["answers"] == {"auth.add_group auth.add_user": False}

    async def test_answer_is_forgotten_when_the_session_ends(self):
        user = await User.objects.acreate_superuser("root")
        async with EventClient(app, user=user) as tab:
            await tab.load("/members")
            await tab.fire(PageGuardState.ask(["auth.add_group"]))
            tab.connection.delete_cookie("sessionid")
            fired = await tab.navigate("/members")
            assert fired.vars["answers"] == {}


GUARDED = [path for path in PAGES if path != "guarded/none"]


@pytest.mark.django_db(transaction=True)
class TestOneRefusal:
    """A page that shows itself to nobody it should not is not told so by what it loads as well."""

    @pytest.mark.parametrize("path", GUARDED)
    @pytest.mark.parametrize(
        "more", [[], ["django.contrib.auth.middleware.LoginRequiredMiddleware"]]
    )
    async def test_anonymous_visitor_is_sent_to_login_by_the_page_alone(self, path, more):
        with bridged(*more):
            async with EventClient(app) as tab:
                fired = await tab.load(f"/{path}")
                assert (fired.redirect, fired.toasts) == (None, [])
                assert fired.vars.get("rows") == []
                asked = await tab.fire(PageGuardState.require_login)
                assert asked.redirect == f"/admin/login/?next=/{path}"

    async def test_redirect_of_who_may_see_the_page_is_told(self):
        class SecondFactor(MiddlewareMixin):
            def process_view(self, request, view, args, kwargs):
                return HttpResponseRedirect("/code/") if request.method == "POST" else None

        user = await User.objects.acreate(username="ada")
        with bridged(SecondFactor):
            async with EventClient(app, user=user) as tab:
                fired = await tab.load("/guarded/users")
        assert fired.redirect == "/code/"
        assert fired.vars.get("rows") == []

    @pytest.mark.parametrize(
        ("path", "told"),
        [
            ("guarded/users", False),
            ("guarded/users-staff", True),  # which the page itself does show
            ("guarded/staff", False),
            ("guarded/some", False),
            ("guarded/background", False),
            ("guarded/more", False),
            ("guarded/none", True),
        ],
    )
    async def test_user_is_told_once(self, path, told):
        user = await User.objects.acreate_user("ada")
        async with EventClient(app, user=user) as tab:
            fired = await tab.load(f"/{path}")
            await tab.background()
            assert len(fired.toasts) == told

    async def test_click_is_told_although_the_page_refuses(self):
        user = await User.objects.acreate_user("ada")
        async with EventClient(app, user=user) as tab:
            await tab.load("/guarded/staff")
            assert len((await tab.fire(Loaded.for_staff)).toasts) == 1

    async def test_refusal_that_is_not_told_is_logged(self, caplog):
        user = await User.objects.acreate_user("ada")
        async with EventClient(app, user=user) as tab:
            await tab.load("/guarded/staff")
        assert "Loaded.for_staff" in caplog.text
        assert "403" in caplog.text
