"""DjangoUserState and mirrors(): the page shows Django as it is, from its first paint on."""

import json
import subprocess
import sys
from http import HTTPStatus

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import (
    AnonymousUser,
    Group,
    GroupManager,
    Permission,
    PermissionsMixin,
    User,
)
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db.backends.utils import CursorWrapper
from django.http import HttpResponse
from django.test import Client
from django.test.utils import isolate_apps
from django.utils.safestring import mark_safe
from reflex_base.registry import RegistrationContext

from rxbridge.events.threads.pool import Lease
from rxbridge.state import AppState, DjangoUserState, user_snapshot
from rxbridge.state._permissions import permissions_and_groups
from rxbridge.state.mirrors import ALL, mirrors
from rxbridge.testing import EventClient
from tests.events.app import Counter, app, bridged

pytestmark = pytest.mark.django_db(transaction=True)

SNAPSHOT_OF_NOBODY = {
    "user_id": "",
    "username": "",
    "email": "",
    "first_name": "",
    "last_name": "",
    "is_authenticated": False,
    "is_staff": False,
    "is_superuser": False,
}
NOBODY = {
    **SNAPSHOT_OF_NOBODY,
    "group_names": [],
    "perms": [],
    "messages": [],
    "language": "en",
    "language_bidi": False,
}


class Me(mirrors("is_authenticated", "username", pk=0, group_count=0), rx.State):
    """A few mirrors, and two attributes of the user model."""


class Below(DjangoUserState):
    """A substate of a mirror, which mirrors nothing of its own."""

    own: int = 0
    whose: str = ""

    @rx.event
    def say_whose(self):
        self.whose = self.username


class Flash(AppState, rx.State):
    """Handlers that add messages."""

    said: str = ""

    @rx.event
    def say(self, text: str):
        self.said = text
        messages.warning(self.request, text, extra_tags="big")

    @rx.event
    async def say_async(self, text: str):
        self.said = text
        messages.warning(self.request, text, extra_tags="big")

    @rx.event
    def say_and_go(self, text: str):
        messages.warning(self.request, text)
        self.navigate("/admin/")

    @rx.event
    def say_twice(self):
        messages.warning(self.request, "first")
        yield
        messages.warning(self.request, "second")

    @rx.event
    def say_safe(self):
        messages.warning(self.request, mark_safe("<b>bold</b>"))

    @rx.event
    def grant(self):
        self.user.user_permissions.add(Permission.objects.get(codename="view_user"))

    @rx.event
    def stand_in_at_the_end(self):
        yield
        self.request.user = User(pk=self.user.pk, username="grace")

    @rx.event
    def rename(self, name: str):
        self.user.first_name = name
        self.user.save()


@pytest.fixture
def ada():
    user = User.objects.create_user(
        "ada", "ada@example.com", is_staff=True, first_name="Ada", last_name="Lovelace"
    )
    user.groups.add(Group.objects.create(name="poets"), Group.objects.create(name="engineers"))
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    return user


@pytest.fixture
def shown_of_ada(ada):
    return {
        "user_id": str(ada.pk),
        "username": "ada",
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "is_authenticated": True,
        "is_staff": True,
        "group_names": ["engineers", "poets"],
        "perms": ["auth.view_user"],
    }


def shown(fired, state=DjangoUserState):
    """What each delta says of the mirrors; the CSRF token has tests of its own."""
    found = [
        {
            name.removesuffix("_rx_state_"): value
            for name, value in delta[state.get_full_name()].items()
        }
        for delta in fired.deltas
        if state.get_full_name() in delta
    ]
    for each in found:
        each.pop("csrf_token", None)
    return [each for each in found if each]


def texts(entries):
    return [each["text"] for each in entries]


class TestUser:
    async def test_all_is_in_the_first_delta_of_a_page(self, ada, shown_of_ada):
        async with EventClient(app, user=ada) as tab:
            fired = await tab.load("/members")
            assert DjangoUserState.get_full_name() in fired.deltas[0]
            assert shown(fired)[0] == {**NOBODY, **shown_of_ada}

    async def test_anonymous_visitor_is_nobody(self):
        async with EventClient(app) as tab:
            assert shown(await tab.load("/"))[0] == NOBODY

    async def test_what_did_not_change_is_not_sent_again(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            plain = len(json.dumps((await tab.fire(Counter.add(1))).deltas))
            for number in range(2, 6):
                fired = await tab.fire(Counter.add(1))
                count = {f"{Counter.get_full_name()}": {"count_rx_state_": number}}
                assert [dict(delta) for delta in fired.deltas] == [{**fired.deltas[0], **count}]
                assert len(json.dumps(fired.deltas)) == plain
                assert DjangoUserState.get_full_name() not in fired.deltas[0]

    async def test_sign_in_and_out_by_an_event_are_shown_by_that_event(self, ada, shown_of_ada):
        async with EventClient(app) as tab:
            await tab.load("/")
            assert shown(await tab.fire(Counter.sign_in("ada"))) == [shown_of_ada]
            # All vars of the tab are fresh then, and sent anew.
            (after,) = shown(await tab.fire(Counter.sign_out))
            assert {name: after[name] for name in shown_of_ada} == {
                name: NOBODY[name] for name in shown_of_ada
            }

    @pytest.mark.parametrize("change", ["session", "user", "inactive"])
    async def test_user_signed_out_elsewhere_is_not_in_the_first_delta_after_it(self, ada, change):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            if change == "session":
                await Session.objects.all().adelete()
            elif change == "user":
                await ada.adelete()
            else:
                await User.objects.filter(pk=ada.pk).aupdate(is_active=False)
            fired = await tab.fire(Counter.count_up)
            first = fired.deltas[0][DjangoUserState.get_full_name()]
            assert first["username_rx_state_"] == ""
            assert first["perms_rx_state_"] == []

    async def test_another_user_of_the_browser_is_in_the_first_delta(self, ada):
        bob = await User.objects.acreate_user("bob")
        async with EventClient(app, user=ada) as tab, tab.tab(user=bob) as other:
            await tab.load("/")
            for name, value in other.cookies.items():
                tab.connection.set_cookie(name, value)
            fired = await tab.fire(Counter.count_up)
            first = fired.deltas[0][DjangoUserState.get_full_name()]
            assert first["username_rx_state_"] == "bob"
            assert (first["perms_rx_state_"], first["group_names_rx_state_"]) == ([], [])

    async def test_user_changed_elsewhere_is_shown_by_the_next_event(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            await User.objects.filter(pk=ada.pk).aupdate(email="new@example.com")
            assert shown(await tab.fire(Counter.add(1))) == [{"email": "new@example.com"}]

    async def test_user_changed_by_the_handler_is_shown_by_its_event(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            assert shown(await tab.fire(Flash.rename("Augusta"))) == [{"first_name": "Augusta"}]

    async def test_generator_on_the_event_loop_shows_who_is_there_at_its_end(self, ada):
        with bridged(threaded=False):
            async with EventClient(app, user=ada) as tab:
                await tab.load("/")
                fired = await tab.fire(Flash.stand_in_at_the_end)
        assert fired.vars["username"] == "grace"

    async def test_background_task_shows_it_too(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            await User.objects.filter(pk=ada.pk).aupdate(email="new@example.com")
            await tab.fire(Counter.background)
            assert {"email": "new@example.com"} in shown(await tab.background())

    async def test_var_a_browser_forged_is_put_right(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            (await tab.state(DjangoUserState)).is_superuser = True
            assert {"is_superuser": False} in shown(await tab.fire(Counter.add(1)))

    async def test_refused_page_load_shows_nobody(self, ada, shown_of_ada):
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
                assert shown(await tab.load("/"))[0] == {**NOBODY, **shown_of_ada}

    async def test_restarted_server_shows_the_user_in_the_first_delta(self, ada, shown_of_ada):
        async with EventClient(app, user=ada) as tab:
            fired = await tab.fire(Counter.add(1))
        assert shown(fired)[0] == {**NOBODY, **shown_of_ada}

    async def test_substate_of_a_mirror_is_not_mirrored_twice(self, ada):
        async with EventClient(app, user=ada) as tab:
            fired = await tab.load("/")
            assert shown(fired, Below)[0] == {"own": 0, "whose": ""}


class Generous(ModelBackend):
    """A backend of a project's own, which grants what no table says."""

    def _get_user_permissions(self, user):
        return Permission.objects.filter(codename="add_user")


class OfNoTable(BaseBackend):
    """A backend that has none of Django's tables behind it."""

    def get_all_permissions(self, user_obj, obj=None):
        return {"read"}


class TestPermissions:
    async def test_one_statement_asks_for_those_of_the_user_and_of_the_groups(
        self, ada, monkeypatch
    ):
        group = await ada.groups.aget(name="poets")
        await group.permissions.aadd(*[each async for each in Permission.objects.all()[:3]])
        async with EventClient(app, user=ada) as tab:
            (first, *_) = shown(await tab.load("/"))
            monkeypatch.setattr("rxbridge.state.mirrors.PERMISSIONS_LAST", 0.0)
            asked = [each for each in await queries(tab, Counter.add(1)) if "permission" in each]
        assert first["perms"] == sorted(await sync_to_async(ada.get_all_permissions)())
        assert len(first["perms"]) == 4
        assert first["group_names"] == ["engineers", "poets"]
        assert len(asked) == 1

    async def test_a_page_that_loads_asks_on_the_hop_that_finds_its_user(self, ada, monkeypatch):
        hops, submit, execute = [], Lease.submit, CursorWrapper.execute
        asked = []

        def counted(lease, fn, /, *args, **named):
            hops.append(fn)
            return submit(lease, fn, *args, **named)

        def spy(self, sql, params=None):
            asked.append((len(hops), sql))
            return execute(self, sql, params)

        monkeypatch.setattr(Lease, "submit", counted)
        monkeypatch.setattr(CursorWrapper, "execute", spy)
        async with EventClient(app, user=ada) as tab:
            asked.clear()
            (first, *_) = shown(await tab.load("/"))
        assert first["group_names"] == ["engineers", "poets"]
        found = [hop for hop, sql in asked if "auth_user" in sql and "permission" not in sql]
        assert [hop for hop, sql in asked if "permission" in sql] == found[:1]

    async def test_a_projects_own_backend_is_asked(self, ada, settings):
        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Generous"]
        async with EventClient(app, user=ada) as tab:
            (first, *_) = shown(await tab.load("/"))
        assert first["perms"] == ["auth.add_user"]

    @isolate_apps("django.contrib.auth")
    def test_user_model_without_groups_has_what_a_projects_own_backend_grants(self, settings):
        class Ungrouped(AbstractBaseUser, PermissionsMixin):
            groups = user_permissions = None
            is_active = True

            class Meta:
                app_label = "auth"

        settings.AUTHENTICATION_BACKENDS = [f"{__name__}.OfNoTable"]
        assert permissions_and_groups(Ungrouped(pk=1), {"perms"}) == {"perms": ["read"]}

    async def test_a_projects_own_manager_is_asked_each_time(self, ada, monkeypatch):
        class OfOneTenant(GroupManager):
            """What it answers may be another thing each time."""

        monkeypatch.setattr(Group.objects, "__class__", OfOneTenant)
        monkeypatch.setattr("rxbridge.state.mirrors.PERMISSIONS_LAST", 0.0)
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            asked = [each for each in await queries(tab, Counter.add(1)) if "group" in each]
        assert len(asked) == 2

    async def test_they_are_asked_for_once_while_the_page_is_open(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            asked = await queries(tab, Counter.add(1))
        assert not [query for query in asked if "permission" in query or "group" in query]

    async def test_a_page_shown_anew_asks_again(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            await ada.user_permissions.aclear()
            assert shown(await tab.fire(Counter.add(1))) == []
            assert {"perms": []} in shown(await tab.navigate("/members"))

    async def test_an_old_page_asks_again(self, ada, monkeypatch):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            await ada.groups.aclear()
            monkeypatch.setattr("rxbridge.state.mirrors.PERMISSIONS_LAST", 0.0)
            assert shown(await tab.fire(Counter.add(1))) == [{"group_names": []}]

    async def test_a_promotion_to_superuser_is_shown_at_once(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            await User.objects.filter(pk=ada.pk).aupdate(is_superuser=True)
            (after,) = shown(await tab.fire(Counter.add(1)))
            assert after["is_superuser"]
            assert "auth.delete_user" in after["perms"]

    async def test_an_anonymous_visitor_costs_no_query(self):
        async with EventClient(app) as tab:
            await tab.load("/")
            assert await queries(tab, Counter.add(1)) == []


async def queries(tab, spec):
    """The queries of one event, on whichever thread they ran."""
    seen = []
    execute = CursorWrapper.execute

    def spy(self, sql, params=None):
        seen.append(sql)
        return execute(self, sql, params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", spy)
        await tab.fire(spec)
    return [sql for sql in seen if sql.startswith("SELECT")]


class TestChosen:
    async def test_only_the_named_ones_are_vars(self):
        assert {name for name in Me.base_vars if not name.startswith("rx_")} == {
            "is_authenticated",
            "username",
            "pk",
            "group_count",
        }
        assert "dismiss" not in Me.event_handlers

    async def test_attributes_of_the_user_model_may_ask_the_database(self, ada, monkeypatch):
        count = property(lambda user: user.groups.count())
        monkeypatch.setattr(User, "group_count", count, raising=False)
        async with EventClient(app, user=ada) as tab:
            fired = await tab.load("/")
            assert shown(fired, Me)[0] == {
                "is_authenticated": True,
                "username": "ada",
                "pk": ada.pk,
                "group_count": 2,
            }
            assert shown(await tab.fire(Counter.sign_out), Me) == [
                {"is_authenticated": False, "username": "", "pk": 0, "group_count": 0}
            ]

    def test_all_are_taken_if_none_is_named(self):
        assert set(mirrors().__annotations__) >= set(ALL)

    @pytest.mark.parametrize(
        ("names", "own", "message"),
        [(("user_name",), {}, "no mirror 'user_name'"), ((), {"perms": []}, "already")],
    )
    def test_a_wrong_name_is_an_error(self, names, own, message):
        with pytest.raises(ValueError, match=message):
            mirrors(*names, **own)

    def test_making_a_mixin_registers_nothing(self):
        before = set(RegistrationContext.get().base_states)
        mirrors("username")
        assert set(RegistrationContext.get().base_states) == before


class TestMessages:
    @pytest.mark.parametrize("handler", [Flash.say, Flash.say_async])
    async def test_message_of_a_handler_is_in_its_delta_once(self, handler):
        async with EventClient(app) as tab:
            await tab.load("/")
            fired = await tab.fire(handler("Saved."))
            assert len(fired.deltas) == 1
            (entry,) = shown(fired)[0]["messages"]
            assert entry.pop("id")
            assert entry == {"level": "warning", "tags": "big warning", "text": "Saved."}
            assert shown(await tab.fire(Counter.add(1))) == []

    async def test_page_loaded_anew_does_not_show_it_again(self):
        async with EventClient(app) as tab:
            await tab.load("/")
            await tab.fire(Flash.say("Saved."))
            assert shown(await tab.navigate("/members")) == []
            assert texts((await tab.state(DjangoUserState)).messages) == ["Saved."]
            assert shown(await tab.load("/"))[0]["messages"] == []

    async def test_only_the_tab_that_caused_it_shows_it(self, ada):
        async with EventClient(app, user=ada) as tab, tab.tab(cookies=tab.cookies) as other:
            await tab.load("/")
            await other.load("/")
            await tab.fire(Flash.say("Saved."))
            for fired in (await other.fire(Counter.add(1)), await other.load("/")):
                assert not [each for each in shown(fired) if each.get("messages")]

    async def test_message_of_a_view_waits_for_the_next_page(self):
        root = await User.objects.acreate_superuser("root")
        async with EventClient(app, user=root) as tab, tab.tab(cookies=tab.cookies) as other:
            await other.load("/")
            cookies = await sync_to_async(add_group_in_the_admin)(root)
            tab._browser.keep(cookies)
            other.connection.replace_cookies(cookies)
            # An event of another tab does not take it.
            assert shown(await other.fire(Counter.add(1))) == []
            (entry,) = shown(await tab.load("/"))[0]["messages"]
            assert "editors" in entry["text"]
            assert entry["level"] == "success"
            assert shown(await tab.load("/"))[0]["messages"] == []

    async def test_handler_that_adds_one_leaves_what_a_view_has_stored(self):
        root = await User.objects.acreate_superuser("root")
        cookies = await sync_to_async(add_group_in_the_admin)(root)
        async with EventClient(app, cookies=cookies) as tab:
            (after,) = shown(await tab.fire(Flash.say("Saved.")))[-1:]
            assert texts(after["messages"]) == ["Saved."]
            (entry,) = shown(await tab.load("/"))[0]["messages"]
            assert "editors" in entry["text"]

    async def test_message_before_a_page_of_django_is_left_for_that_page(self):
        root = await User.objects.acreate_superuser("root")
        async with EventClient(app, user=root) as tab:
            await tab.load("/")
            assert shown(await tab.fire(Flash.say_and_go("For the admin."))) == []
            page = await sync_to_async(admin_page)(tab.cookies)
            assert "For the admin." in page

    async def test_each_yield_keeps_what_came_before(self):
        async with EventClient(app) as tab:
            await tab.load("/")
            fired = await tab.fire(Flash.say_twice)
            assert texts(fired.vars["messages"]) == ["first", "second"]

    async def test_dismissed_message_is_gone_and_the_other_stays(self):
        async with EventClient(app) as tab:
            await tab.load("/")
            fired = await tab.fire(Flash.say_twice)
            first = fired.vars["messages"][0]["id"]
            after = (await tab.fire(DjangoUserState.dismiss(first))).vars
            assert texts(after["messages"]) == ["second"]
            assert (await tab.fire(DjangoUserState.dismiss_all)).vars["messages"] == []

    async def test_visitor_may_dismiss_them_although_a_login_is_required(self):
        with bridged("django.contrib.auth.middleware.LoginRequiredMiddleware"):
            async with EventClient(app) as tab:
                await tab.load("/")
                for dismissal in (DjangoUserState.dismiss_all, DjangoUserState.dismiss("x")):
                    assert (await tab.fire(dismissal)).refusals == []

    async def test_they_do_not_pile_up(self):
        async with EventClient(app) as tab:
            await tab.load("/")
            for number in range(25):
                fired = await tab.fire(Flash.say(str(number)))
            assert texts(fired.vars["messages"]) == [str(number) for number in range(5, 25)]

    async def test_safe_text_is_plain_text_in_the_state(self):
        async with EventClient(app) as tab:
            await tab.fire(Flash.say_safe)
            (entry,) = (await tab.state(DjangoUserState)).messages
            assert type(entry["text"]) is str

    @pytest.mark.parametrize("storage", ["cookie.CookieStorage", "session.SessionStorage"])
    async def test_storage_of_the_project_is_used(self, settings, storage):
        settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
        async with EventClient(app) as tab:
            await tab.load("/")
            fired = await tab.fire(Flash.say("Saved."))
            assert texts(fired.vars["messages"]) == ["Saved."]
            assert "messages" not in tab.cookies
            assert shown(await tab.load("/"))[0]["messages"] == []

    async def test_message_of_a_refusing_middleware_is_on_the_next_page(self):
        def middleware(get_response):
            def answer(request):
                if request.reflex_event.name.endswith("who"):
                    messages.error(request, "Not today.")
                    raise PermissionDenied
                return get_response(request)

            return answer

        with bridged(middleware):
            async with EventClient(app) as tab:
                await tab.load("/")
                await tab.fire(Counter.who)
                assert texts(shown(await tab.navigate("/members"))[0]["messages"]) == ["Not today."]
                assert shown(await tab.load("/"))[0]["messages"] == []


def add_group_in_the_admin(user):
    """Do in Django what leaves a message, and go nowhere; return the browser's cookies."""
    client = Client()
    client.force_login(user)
    answer = client.post("/admin/auth/group/add/", {"name": "editors", "permissions": []})
    assert answer.status_code == HTTPStatus.FOUND
    return {name: morsel.value for name, morsel in client.cookies.items()}


def admin_page(cookies):
    client = Client()
    client.cookies.load(dict(cookies))
    return client.get("/admin/").content.decode()


class TestCsrf:
    async def token(self, tab):
        return (await tab.state(DjangoUserState)).csrf_token

    @pytest.mark.parametrize("in_session", [False, True])
    async def test_a_form_with_it_is_accepted_by_a_view(self, settings, in_session):
        settings.CSRF_USE_SESSIONS = in_session
        async with EventClient(app) as tab:
            await tab.load("/")
            token, jar = await self.token(tab), dict(tab.cookies)

        def post(token):
            client = Client(enforce_csrf_checks=True)
            client.cookies.load(jar)
            return client.post("/admin/login/", {"csrfmiddlewaretoken": token}).status_code

        assert await sync_to_async(post)(token) == HTTPStatus.OK
        assert await sync_to_async(post)("a" * 64) == HTTPStatus.FORBIDDEN

    async def test_it_stays_the_same_while_its_secret_does(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            token = await self.token(tab)
            for fired in (await tab.fire(Counter.add(1)), await tab.load("/")):
                assert fired.vars.get("csrf_token", token) == token
            assert len(token) == 64

    async def test_sign_in_makes_another(self, ada):
        async with EventClient(app) as tab:
            await tab.load("/")
            token = await self.token(tab)
            fired = await tab.fire(Counter.sign_in("ada"))
            assert fired.vars["csrf_token"] not in ("", token)

    async def test_an_event_alone_gives_no_browser_a_secret(self):
        async with EventClient(app) as tab:
            await tab.fire(Counter.add(1))
            assert (await self.token(tab), dict(tab.cookies)) == ("", {})

    async def test_a_cookie_the_browser_has_is_not_handed_to_it(self):
        secret = "s" * 32
        async with EventClient(app, cookies={"csrftoken": secret}) as tab:
            fired = await tab.load("/")
            assert await self.token(tab)
            assert fired.events == []
            assert tab.cookies == {"csrftoken": secret}


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
        (None, {}),
        (AnonymousUser(), {}),
        (Minimal(), {"is_authenticated": True, "username": "minimal"}),
        (
            User(pk=7, username="ada", email="ada@example.com", is_staff=True, first_name="Ada"),
            {
                "user_id": "7",
                "username": "ada",
                "email": "ada@example.com",
                "first_name": "Ada",
                "is_authenticated": True,
                "is_staff": True,
            },
        ),
    ],
)
def test_snapshot_of_any_user_model(user, expected):
    assert user_snapshot(user) == {**SNAPSHOT_OF_NOBODY, **expected}


def test_importing_the_state_modules_registers_no_state():
    code = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
django.setup()
import reflex as rx
rx.State, rx.App
from reflex_base.registry import RegistrationContext
before = set(RegistrationContext.get().base_states)
import rxbridge.state, rxbridge.state.mirrors, rxbridge.state.context, rxbridge.testing
import rxbridge.state.pickling, rxbridge.state.language, rxbridge.events.bridge
assert set(RegistrationContext.get().base_states) == before
for name in ("DjangoUserState", "DjangoI18nState", "DjangoContextState"):
    state = getattr(rxbridge.state, name)
    added = set(RegistrationContext.get().base_states) - before
    assert added == {state.get_full_name()}, added
    before |= added
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


async def test_handler_that_reads_a_mirror_sees_who_it_is_now(ada):
    async with EventClient(app, user=ada) as tab:
        await tab.load("/")
        await User.objects.aupdate(username="grace")
        await tab.fire(Below.say_whose)
        assert (await tab.state(Below)).whose == "grace"


@pytest.mark.parametrize(("handler", "ran"), [(Counter.count_up, False), (Counter.deny, True)])
async def test_refusal_of_a_mirror_is_told_as_one_of_before_the_handler(monkeypatch, handler, ran):
    user = await sync_to_async(User.objects.create_user)("ada")
    async with EventClient(app, user=user) as tab:
        await tab.load("/")
        if not ran:
            monkeypatch.setattr(User, "get_email_field_name", _refuse)
        fired = await tab.fire(handler)
    assert [(each.status, each.handler_ran) for each in fired.refusals] == [(403, ran)]


def _refuse(_: object):
    raise PermissionDenied
