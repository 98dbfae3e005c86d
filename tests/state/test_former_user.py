"""The next user of a tab is sent nothing of what the one before left in its vars."""

import uuid
from contextlib import asynccontextmanager

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.conf import settings as project
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client
from django.utils.deprecation import MiddlewareMixin
from reflex.istate.manager.token import BaseStateToken

from rxbridge.events import MiddlewareRunner, reflex_asgi
from rxbridge.events.reflex.former import NOTE
from rxbridge.state import AppState
from rxbridge.testing import EventClient, RawClient
from tests.events.app import Counter, app, bridged, connections

pytestmark = pytest.mark.django_db(transaction=True)

HYDRATE = f"{rx.State.get_full_name()}.hydrate"
NAVIGATE = "reflex___state____state.reflex___state____on_load_internal_state.on_load_internal"
UPDATE = "reflex___state____state.reflex___state____update_vars_internal_state.update_vars_internal"
SECRET = "a letter"


class Letters(AppState, rx.State):
    """What a user has on a page."""

    letter: str = ""
    all_letters: list[str] = []
    letter_theme: str = rx.LocalStorage("light")
    told_back: str = ""
    _draft: str = ""

    @rx.var
    def letter_opened(self) -> str:
        return f"open: {self._draft}" if self._draft else ""

    @rx.event
    def write(self):
        self.letter, self._draft, self.letter_theme = SECRET, SECRET, "dark"
        self.all_letters.append(SECRET)

    @rx.event
    def look(self):
        self.told_back = f"{self.letter}{self._draft}{len(self.all_letters)}"

    @rx.event
    async def leave(self, username: str):
        self.all_letters.append(f"{SECRET} again")
        await change(self, username)
        self.told_back, self.all_letters = "bye", ["new"]

    @rx.event
    def leave_on_a_thread(self, username: str):
        self.letter = f"{SECRET} again"
        if username:
            login(self.request, User.objects.get(username=username))
        else:
            logout(self.request)
        self.told_back, self.all_letters = "bye", ["new"]

    @rx.event
    async def leave_in_steps(self, username: str):
        await change(self, username)
        yield
        self.told_back, self.all_letters = "bye", ["new"]

    @rx.event
    def leave_without_a_signal(self, username: str):
        self.request.user = User.objects.get(username=username)
        self.told_back = "lost"

    @rx.event
    async def leave_and_fail(self):
        await self.logout()
        msg = "failed"
        raise LookupError(msg)

    @rx.event
    def leave_write_and_fail(self):
        login(self.request, User.objects.get(username="bob"))
        self.letter = f"{SECRET} of bob"
        msg = "failed"
        raise LookupError(msg)

    @rx.event
    async def come_and_fail(self):
        await self.login(await User.objects.aget(username="ann"))
        self.letter = SECRET
        msg = "failed"
        raise LookupError(msg)

    @rx.event
    async def come_without_a_signal_and_fail(self):
        self.request.user = await User.objects.aget(username="ann")
        self.letter = SECRET
        msg = "failed"
        raise LookupError(msg)

    @rx.event
    def theme_now(self):
        self.told_back = self.letter_theme

    @rx.event
    async def leave_to(self):
        await self.logout()
        return rx.redirect("/")

    @rx.event
    async def leave_by(self):
        await self.logout()
        self.navigate("/")

    @rx.event
    async def leave_in_a_step_to(self):
        await self.logout()
        yield [rx.redirect("/")]

    @rx.event(background=True)
    async def look_later(self):
        async with self:
            self.told_back = f"{self.letter}{len(self.all_letters)}"


class Elsewhere(rx.State):
    """Another branch of the tree."""

    hidden: str = ""

    @rx.event
    def keep(self):
        self.hidden = SECRET


class Grown(rx.State):
    """Has a var added to it while the app runs."""

    @rx.event
    def grow(self):
        self.added = SECRET


class Loaded(rx.State):
    """What a page load fills."""

    page_loads: int = 0
    page_catalogue: list[str] = []

    @rx.event
    def load(self):
        self.page_loads += 1
        self.page_catalogue = ["a lamp"]


class Club(AppState, rx.SharedState):
    """A room that others are in too."""

    club_lines: list[str] = []
    _mine: str = ""

    @rx.event
    async def enter(self, room: str):
        self.club_lines = ["before the room"]
        await self._link_to(room)

    @rx.event
    def say(self, text: str):
        self.club_lines = [*self.club_lines, text]


app.add_page(lambda: rx.text(Loaded.page_loads), route="/catalogue", on_load=Loaded.load)


async def change(state, username):
    if username:
        await state.login(await User.objects.aget(username=username))
    else:
        await state.logout()


def name(handler, state=Letters):
    return f"{state.get_full_name()}.{handler}"


def signed_in(username):
    client = Client()
    client.force_login(User.objects.get_or_create(username=username)[0])
    return client.cookies


@asynccontextmanager
async def client():
    async with RawClient(connections.wrap(reflex_asgi(app))) as raw:
        yield raw


@asynccontextmanager
async def anns_tab(raw, token=None):
    """A tab with what ann has written."""
    jar = await sync_to_async(signed_in)("ann")
    await sync_to_async(signed_in)("bob")
    async with raw.connect(cookies=jar, token=token) as tab:
        await tab.send(HYDRATE)
        for event in (name("write"), name("keep", Elsewhere)):
            await tab.send(event)
        yield tab


def sent(fired):
    return str(fired.deltas)


@pytest.mark.parametrize("username", ["", "bob"])
@pytest.mark.parametrize("handler", ["leave", "leave_on_a_thread", "leave_in_steps"])
async def test_a_handler_that_changes_the_user_goes_on_with_fresh_vars(handler, username):
    async with client() as raw, anns_tab(raw) as tab:
        fired = await tab.send(name(handler), {"username": username})
        assert SECRET not in sent(fired)
        found = fired.vars
        assert (found["letter"], found["letter_opened"], found["hidden"]) == ("", "", "")
        assert (found["told_back"], found["all_letters"]) == ("bye", ["new"])
        assert found["username"] == username
        again = await tab.send(name("look"))
        assert again.vars["told_back"] == "1"
        assert "all_letters" not in again.vars


async def test_who_the_handler_puts_there_without_djangos_login_starts_anew_after_it():
    async with client() as raw, anns_tab(raw) as tab:
        fired = await tab.send(name("leave_without_a_signal"), {"username": "bob"})
        assert SECRET not in sent(fired)
        assert (fired.vars["letter"], fired.vars["told_back"]) == ("", "")


async def test_the_event_after_one_that_failed_starts_anew():
    async with client() as raw, anns_tab(raw) as tab:
        assert SECRET not in sent(await tab.send(name("leave_and_fail")))
        fired = await tab.send(name("look"))
        assert SECRET not in sent(fired)
        assert (fired.vars["told_back"], fired.vars["hidden"]) == ("0", "")


@pytest.mark.parametrize("handler", ["come_and_fail", "come_without_a_signal_and_fail"])
async def test_who_signs_in_as_a_handler_fails_leaves_nothing_to_the_next(handler):
    await User.objects.acreate(username="ann")
    async with client() as raw:
        async with raw.connect() as tab:
            await tab.send(HYDRATE)
            await tab.send(name(handler))
            token = tab.token
        async with raw.connect(cookies=await sync_to_async(signed_in)("bob"), token=token) as tab:
            fired = await tab.send(HYDRATE)
            assert SECRET not in sent(fired)
            assert fired.vars["letter"] == ""


async def test_a_sign_in_that_a_failed_handler_takes_along_leaves_nothing_to_who_was_there(
    settings,
):
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
    ann = await User.objects.acreate_user("ann")
    await User.objects.acreate_user("bob")
    with bridged():  # Session middleware has its engine from when it is made.
        async with EventClient(app, user=ann, raise_exceptions=False) as tab:
            await tab.load("/")
            await tab.fire(Letters.look)
            await tab.fire(Letters.leave_write_and_fail)
            assert SECRET not in sent(await tab.fire(Letters.look))
            assert (await tab.state(Letters)).told_back == "0"
            await tab.fire(Counter.who)
            assert (await tab.state(Counter)).name == "ann"


class CallsTheView(MiddlewareMixin):
    """Decorates the view and calls that, and asks for no user."""

    def process_view(self, request, view, args, kwargs):
        return view(request, *args, **kwargs)


async def test_who_comes_where_a_middleware_calls_the_view_itself_starts_anew():
    runner = MiddlewareRunner([*project.MIDDLEWARE, f"{__name__}.CallsTheView"])
    bob = await sync_to_async(signed_in)("bob")
    with bridged(runner=runner):
        async with client() as raw, anns_tab(raw) as tab:
            for connection in connections:
                connection.replace_cookies({"sessionid": bob["sessionid"].value})
            fired = await tab.send(name("look"))
            assert (fired.vars["username"], fired.vars["told_back"]) == ("bob", "0")
            assert SECRET not in sent(fired)


@pytest.mark.parametrize("handler", ["look", "look_later"])
async def test_a_session_ended_elsewhere_leaves_nothing_to_the_next_event(handler):
    async with client() as raw, anns_tab(raw) as tab:
        await Session.objects.all().adelete()
        fired = await tab.send(name(handler))
        assert SECRET not in sent(fired)
        found = fired.vars
        assert (found["letter"], found["letter_opened"], found["hidden"]) == ("", "", "")
        assert found["told_back"] == "0"
        assert found["username"] == ""


@pytest.mark.parametrize("username", ["", "bob"])
@pytest.mark.parametrize("event", [HYDRATE, f"{HYDRATE}_and_load"])
async def test_the_next_user_of_a_token_is_shown_fresh_vars(event, username):
    async with client() as raw:
        async with anns_tab(raw) as tab:
            token = tab.token
        jar = await sync_to_async(signed_in)(username) if username else None
        async with raw.connect(cookies=jar, token=token) as tab:
            assert tab.token == token
            fired = await tab.send(event)
            assert SECRET not in sent(fired)
            assert (fired.vars["letter"], fired.vars["username"]) == ("", username)


@pytest.mark.parametrize("event", [HYDRATE, f"{HYDRATE}_and_load"])
async def test_what_outlived_its_root_state_is_not_the_next_users(event):
    async with client() as raw:
        async with anns_tab(raw) as tab:
            token = tab.token
        await forget_root(token)
        async with raw.connect(cookies=await sync_to_async(signed_in)("bob"), token=token) as tab:
            fired = await tab.send(event)
            assert SECRET not in sent(fired)
            assert (fired.vars["letter"], fired.vars["username"]) == ("", "bob")


async def forget_root(token):
    """Have the tab's root state be a new one, as in Redis when it alone has expired."""
    async with app.state_manager.modify_state(BaseStateToken(ident=token, cls=rx.State)) as root:
        assert vars(root).pop(NOTE)
        root.is_hydrated = False


async def test_a_refused_page_load_is_nobodys():
    async with client() as raw:
        async with anns_tab(raw) as tab:
            token = tab.token
        with bridged(closed):
            async with raw.connect(token=token) as tab:
                fired = await tab.send(HYDRATE)
                assert SECRET not in sent(fired)
                assert fired.vars["letter"] == ""


@pytest.mark.parametrize("event", [HYDRATE, f"{HYDRATE}_and_load", NAVIGATE])
async def test_a_page_load_that_an_outage_refuses_shows_nothing_and_is_sent_again(event):
    async with client() as raw:
        async with anns_tab(raw) as tab:
            token = tab.token
        jar = await sync_to_async(signed_in)("ann")
        async with raw.connect(cookies=jar, token=token) as tab:
            with bridged(out_of_order):
                fired = await tab.send(event)
            assert fired.vars == {}
            again = fired.events[-1].payload
            assert "setTimeout" in again["javascript_code"]
            assert event in again["callback"]
            assert (await tab.send(HYDRATE)).vars["letter"] == SECRET


async def test_a_refused_event_shows_nothing_of_what_outlived_its_root_state():
    async with client() as raw:
        async with anns_tab(raw) as tab:
            token = tab.token
        await forget_root(token)
        with bridged(closed):
            async with raw.connect(token=token) as tab:
                fired = await tab.send(name("look"))
                assert SECRET not in sent(fired)
                assert fired.vars["letter"] == ""


def closed(get_response):
    return lambda request: HttpResponse(status=403)


def out_of_order(get_response):
    return lambda request: HttpResponse(status=503)


async def test_the_same_user_goes_on_with_the_same_vars():
    async with client() as raw:
        async with anns_tab(raw) as tab:
            await tab.send(name("leave"), {"username": "ann"})
            token = tab.token
            assert "letter" not in (await tab.send(name("look"))).vars
        async with raw.connect(cookies=await sync_to_async(signed_in)("ann"), token=token) as tab:
            assert (await tab.send(HYDRATE)).vars["letter"] == SECRET


async def test_who_signs_in_keeps_what_the_visitor_had():
    await User.objects.acreate(username="ann")
    async with client() as raw, raw.connect() as tab:
        await tab.send(HYDRATE)
        await tab.send(name("write"))
        fired = await tab.send(name("sign_in", Counter), {"username": "ann"})
        assert fired.vars["username"] == "ann"
        assert "letter" not in fired.vars
        assert (await tab.send(HYDRATE)).vars["letter"] == SECRET


async def test_the_bridge_can_leave_it_to_the_application():
    async with client() as raw:
        with bridged(fresh_vars=False):
            async with anns_tab(raw) as tab:
                token = tab.token
                await tab.send(name("leave"), {"username": ""})
            async with raw.connect(token=token) as tab:
                assert (await tab.send(HYDRATE)).vars["letter"] == SECRET


async def test_a_var_that_was_added_while_the_app_ran_is_a_users_too():
    async with client() as raw:
        async with anns_tab(raw) as tab:
            await tab.send(name("leave"), {"username": ""})
        Grown.add_var("added", str, "")
        async with anns_tab(raw) as tab:
            assert SECRET in sent(await tab.send(name("grow", Grown)))
            fired = await tab.send(name("leave"), {"username": ""})
            assert fired.vars["added"] == ""


async def test_what_the_browser_stores_stays():
    async with client() as raw, anns_tab(raw) as tab:
        fired = await tab.send(name("leave"), {"username": ""})
        assert "letter_theme" not in fired.vars
        assert (await tab.send(name("theme_now"))).vars["told_back"] == "dark"


CATALOGUE = {"pathname": "/catalogue", "asPath": "/catalogue"}


async def test_the_page_is_loaded_again_for_the_next_user():
    async with client() as raw, anns_tab(raw) as tab:
        await tab.send(NAVIGATE, router_data=CATALOGUE)
        fired = await tab.send(name("leave"), {"username": ""}, router_data=CATALOGUE)
        assert (fired.vars["page_loads"], fired.vars["page_catalogue"]) == (1, ["a lamp"])
        assert fired.vars["is_hydrated"] is True


@pytest.mark.parametrize("handler", ["leave_to", "leave_by", "leave_in_a_step_to"])
async def test_a_page_the_handler_leaves_is_not_loaded_again(handler):
    async with client() as raw, anns_tab(raw) as tab:
        await tab.send(NAVIGATE, router_data=CATALOGUE)
        fired = await tab.send(name(handler), router_data=CATALOGUE)
        assert (fired.vars["page_loads"], fired.vars["page_catalogue"]) == (0, [])
        assert len(fired.events) == 1


async def test_no_client_says_whose_the_vars_are():
    claim = {f"{rx.State.get_full_name()}.{NOTE}": "2"}
    async with client() as raw:
        async with anns_tab(raw) as tab:
            token = tab.token
            for event in (UPDATE, f"{HYDRATE}_and_load"):
                fired = await tab.send(event, {"vars": claim}, router_data={**CATALOGUE, NOTE: "2"})
                assert NOTE not in sent(fired)
        bob = await User.objects.aget(username="bob")
        claim = {f"{rx.State.get_full_name()}.{NOTE}": str(bob.pk)}
        async with raw.connect(cookies=await sync_to_async(signed_in)("bob"), token=token) as tab:
            fired = await tab.send(
                f"{HYDRATE}_and_load", {"vars": claim}, router_data={NOTE: str(bob.pk)}
            )
            assert SECRET not in sent(fired)


@asynccontextmanager
async def in_one_room(raw):
    """ann's tab and cat's, in a room where ann has said something."""
    room = {"room": uuid.uuid4().hex}
    jar = await sync_to_async(signed_in)("cat")
    async with anns_tab(raw) as tab, raw.connect(cookies=jar) as cats:
        await cats.send(HYDRATE)
        for each in (cats, tab):
            await each.send(name("enter", Club), room)
        await tab.send(name("say", Club), {"text": SECRET})
        yield tab, cats


@pytest.mark.parametrize("handler", ["", "leave", "leave_on_a_thread"])
async def test_a_room_stays_as_it_is_for_the_others_and_the_next_user_is_not_in_it(handler):
    async with client() as raw, in_one_room(raw) as (tab, cats):
        shown = {}
        if handler:
            fired = await tab.send(name(handler), {"username": "bob"})
            assert SECRET not in sent(fired)
            shown |= fired.vars
        else:
            await User.objects.filter(username="ann").adelete()
        fired = await tab.send(name("look"))
        assert SECRET not in sent(fired)
        shown |= fired.vars
        assert (shown["club_lines"], shown["told_back"]) == ([], "0")
        assert (await tab.send(name("say", Club), {"text": "hi"})).vars["club_lines"] == ["hi"]
        said = await cats.send(name("say", Club), {"text": "ho"})
        assert said.vars["club_lines"][-2:] == [SECRET, "ho"]
        assert "club_lines" not in (await tab.send(name("look"))).vars
