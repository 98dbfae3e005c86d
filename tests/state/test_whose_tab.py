"""What a tab is sent is computed as its own user, whoever causes it to be sent."""

import asyncio
import gc
import uuid
from contextlib import asynccontextmanager
from contextvars import Context

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from reflex.istate.manager.token import BaseStateToken
from reflex.istate.shared import UPDATE_OTHER_CLIENT_TASKS

from rxbridge.errors import RxBridgeError
from rxbridge.events import current_user, reflex_asgi
from rxbridge.state import AppState, switch_language
from rxbridge.testing import RawClient
from tests.events.app import app, connections

pytestmark = pytest.mark.django_db(transaction=True)


class Mine(AppState, rx.State):
    """Shows whose it is."""

    note: str = ""
    said: str = ""

    @rx.var(cache=False)
    def me(self) -> str:
        return self.user.get_username()

    @rx.var
    def note_for(self) -> str:
        return f"{self.note} for {current_user().get_username()}"

    @rx.event
    async def push(self, token: str):
        await push(token)

    @rx.event(background=True)
    async def push_in_background(self, token: str):
        await push(token)

    @rx.event
    async def peek(self, token: str):
        async with app.modify_state(BaseStateToken(ident=token, cls=Mine)) as root:
            other = await root.get_state(Mine)
            try:
                self.said = other.user.get_username()
            except RxBridgeError:
                self.said = f"refused to {self.user.get_username()}"


class Plain(rx.State):
    """Reads the binder, and has no way to know another tab's user."""

    note: str = ""
    told: str = ""

    @rx.var
    def note_of(self) -> str:
        return f"{self.note} of {current_user().get_username()}" if self.note else ""

    @rx.event
    async def push_plain(self, token: str):
        try:
            async with app.modify_state(BaseStateToken(ident=token, cls=Plain)) as root:
                (await root.get_state(Plain)).note = "pushed"
        except RxBridgeError as error:
            self.told = str(error)


class Late(AppState, rx.State):
    """Calls what belongs to an event when its event has been answered."""

    @rx.event
    async def call_late(self, method: str):
        answered = asyncio.Event()
        later.append((answered, asyncio.create_task(self._call_late(method, answered))))

    async def _call_late(self, method, answered):
        await answered.wait()
        match method:
            case "login":
                await self.login(self.user)
            case "logout":
                await self.logout()
            case "switch_language":
                switch_language("de")
            case "navigate":
                self.navigate("/elsewhere")


class Room(AppState, rx.SharedState):
    """A room whose lines each tab sees its own of."""

    lines: list[str] = []
    count: int = 0
    read_by: list[str] = []

    @rx.var
    def count_for(self) -> str:
        return f"{self.count} for {self.user.get_username()}"

    @rx.var
    def my_lines(self) -> list[str]:
        return [line for line in self.lines if line.startswith(self.user.get_username() or "?")]

    @rx.var
    def me_in_room(self) -> str:
        return self.user.get_username()

    @rx.var
    async def me_awaited(self) -> str:
        return self.user.get_username()

    @rx.var
    def room_greeting(self) -> str:
        return f"{self.count} hi {self.me_in_room}"

    @rx.event
    async def read_who(self):
        self.read_by = [self.me_in_room, await self.me_awaited]

    @rx.event
    async def join(self, room: str):
        await self._link_to(room)

    @rx.event
    async def leave(self):
        return await self._unlink()

    @rx.event
    async def say(self, text: str):
        self.lines = [*self.lines, f"{self.user.get_username()}: {text}"]

    @rx.event
    async def add(self):
        self.count += 1

    @rx.event(background=True)
    async def add_in_background(self):
        async with self:
            self.count += 1


async def push(token):
    async with app.modify_state(BaseStateToken(ident=token, cls=Mine)) as root:
        (await root.get_state(Mine)).note = "pushed"


later: list[tuple[asyncio.Event, asyncio.Task[None]]] = []


async def push_view(request, token):
    await push(token)
    return HttpResponse(status=204)


urlpatterns = [path("push/<token>", push_view)]

# A message that Reflex answers nothing to, unlike a ping.
NOTHING = ["nothing"]
HYDRATE = f"{rx.State.get_full_name()}.hydrate"


def name(handler, state=Mine):
    return f"{state.get_full_name()}.{handler}"


@asynccontextmanager
async def two_tabs():
    def cookies(username):
        client = Client()
        client.force_login(User.objects.create_user(username))
        return client.cookies

    jars = [await sync_to_async(cookies)(username) for username in ("ann", "bob")]
    async with (
        RawClient(connections.wrap(reflex_asgi(app))) as raw,
        raw.connect(cookies=jars[0]) as ann,
        raw.connect(cookies=jars[1]) as bob,
    ):
        for tab in (ann, bob):
            await tab.send(HYDRATE)
        yield ann, bob


async def told(tab, var):
    """Return what a tab is sent of ``var`` next."""
    async with asyncio.timeout(10):
        while var not in (found := (await tab.send_message(NOTHING)).vars):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found[var]


@pytest.mark.parametrize("handler", ["push", "push_in_background"])
async def test_a_pushed_delta_is_computed_as_the_tabs_own_user(handler):
    async with two_tabs() as (ann, bob):
        await ann.send(name(handler), {"token": bob.token})
        assert await told(bob, "note_for") == "pushed for bob"


async def test_who_is_no_longer_signed_in_is_not_shown_what_the_actor_may_see():
    async with two_tabs() as (ann, bob):
        await User.objects.filter(username="bob").adelete()
        await ann.send(name("push"), {"token": bob.token})
        assert await told(bob, "note_for") == "pushed for "


async def test_a_handler_reads_no_user_through_another_tabs_state():
    async with two_tabs() as (ann, bob):
        fired = await ann.send(name("peek"), {"token": bob.token})
        assert fired.vars["said"] == "refused to ann"


# What the other vars of that delta were to be awaited for is lost with it.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_state_without_the_mixin_is_sent_nothing_and_says_why():
    async with two_tabs() as (ann, bob):
        fired = await ann.send(name("push_plain", Plain), {"token": bob.token})
        assert "AppState" in fired.vars["told"]
        assert "note_of" not in (await bob.send_message(NOTHING)).vars
    gc.collect()  # Here, and not in a later test.


async def test_in_a_room_each_tab_has_its_own_lines():
    async with two_tabs() as (ann, bob):
        room = {"room": uuid.uuid4().hex}
        await ann.send(name("join", Room), room)
        await bob.send(name("join", Room), room)
        await ann.send(name("say", Room), {"text": "hi"})
        assert await told(bob, "my_lines") == []
        said = await bob.send(name("say", Room), {"text": "ho"})
        assert said.vars["my_lines"] == ["bob: ho"]


@asynccontextmanager
async def one_room():
    """Two tabs in a room, each shown its own user there."""
    async with two_tabs() as (ann, bob):
        room = {"room": uuid.uuid4().hex}
        for tab, username in ((ann, "ann"), (bob, "bob")):
            joined = await tab.send(name("join", Room), room)
            assert joined.vars["count_for"] == f"0 for {username}"
        yield ann, bob


@pytest.mark.parametrize("handler", ["add", "add_in_background"])
async def test_in_a_room_what_one_does_each_is_shown_as_themselves(handler):
    async with one_room() as (ann, bob):
        await ann.send(name(handler, Room))
        assert await told(bob, "count_for") == "1 for bob"
        await bob.send(name(handler, Room))
        while (shown := await told(ann, "count_for")) != "2 for ann":
            assert shown == "1 for ann"


async def test_who_joins_or_leaves_a_room_is_shown_as_themselves():
    async with one_room() as (ann, bob):
        await ann.send(name("add", Room))
        assert await told(bob, "count_for") == "1 for bob"
        left = await bob.send(name("leave", Room))
        assert left.vars["count_for"] == "0 for bob"
        added = await ann.send(name("add", Room))
        assert added.vars["count_for"] == "2 for ann"
        await asyncio.gather(*UPDATE_OTHER_CLIENT_TASKS)
        assert "count_for" not in (await bob.send_message(NOTHING)).vars


async def push_in_a_task(token):
    await asyncio.create_task(push(token), context=Context())


async def push_from_a_view(token):
    with override_settings(ROOT_URLCONF=__name__):
        client = AsyncClient()
        await client.aforce_login(await User.objects.aget(username="ann"))
        assert (await client.post(f"/push/{token}")).status_code == 204


@pytest.mark.parametrize("pushed", [push_in_a_task, push_from_a_view])
async def test_a_push_outside_of_events_is_computed_as_the_tabs_own_user(pushed):
    async with two_tabs() as (_, bob):
        await pushed(bob.token)
        assert await told(bob, "note_for") == "pushed for bob"


@pytest.mark.parametrize("method", ["login", "logout", "navigate", "switch_language"])
async def test_what_belongs_to_an_event_is_an_error_after_its_answer(method):
    async with two_tabs() as (ann, _):
        await ann.send(name("call_late", Late), {"method": method})
        answered, call = later.pop()
        answered.set()
        with pytest.raises(RxBridgeError, match=f"{method}\\(\\) was called after its event"):
            await call


async def test_what_was_computed_for_one_tab_of_a_room_is_read_by_no_other():
    async with two_tabs() as (ann, bob):
        room = {"room": uuid.uuid4().hex}
        for tab in (ann, bob):
            await tab.send(name("join", Room), room)
        for tab, username in ((ann, "ann"), (bob, "bob"), (ann, "ann")):
            fired = await tab.send(name("read_who", Room))
            assert fired.vars["read_by"] == [username, username]
        for count, (tab, username) in enumerate(((bob, "bob"), (ann, "ann"), (bob, "bob")), 1):
            fired = await tab.send(name("add", Room))
            assert fired.vars["room_greeting"] == f"{count} hi {username}"
