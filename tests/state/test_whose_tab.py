"""What a tab is sent is computed as its own user, whoever causes it to be sent."""

import asyncio
import uuid
from contextlib import asynccontextmanager

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client
from reflex.istate.manager.token import BaseStateToken

from rxbridge.errors import RxBridgeError
from rxbridge.events import current_user, reflex_asgi
from rxbridge.state import AppState
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


class Room(AppState, rx.SharedState):
    """A room whose lines each tab sees its own of."""

    lines: list[str] = []

    @rx.var
    def my_lines(self) -> list[str]:
        return [line for line in self.lines if line.startswith(self.user.get_username() or "?")]

    @rx.var
    def me_in_room(self) -> str:
        return self.user.get_username()

    @rx.event
    async def join(self, room: str):
        await self._link_to(room)

    @rx.event
    async def leave(self):
        return await self._unlink()

    @rx.event
    async def say(self, text: str):
        self.lines = [*self.lines, f"{self.user.get_username()}: {text}"]


async def push(token):
    async with app.modify_state(BaseStateToken(ident=token, cls=Mine)) as root:
        (await root.get_state(Mine)).note = "pushed"


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
        while var not in (found := (await tab.send_message(["ping"])).vars):  # noqa: ASYNC110
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
@pytest.mark.filterwarnings("ignore:coroutine .as_owner. was never awaited")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_state_without_the_mixin_is_sent_nothing_and_says_why():
    async with two_tabs() as (ann, bob):
        fired = await ann.send(name("push_plain", Plain), {"token": bob.token})
        assert "AppState" in fired.vars["told"]
        assert "note_of" not in (await bob.send_message(["ping"])).vars


async def test_in_a_room_each_tab_has_its_own_lines():
    async with two_tabs() as (ann, bob):
        room = {"room": uuid.uuid4().hex}
        await ann.send(name("join", Room), room)
        await bob.send(name("join", Room), room)
        await ann.send(name("say", Room), {"text": "hi"})
        assert await told(bob, "my_lines") == []
        await bob.send(name("say", Room), {"text": "ho"})
        while (lines := await told(bob, "my_lines")) != ["bob: ho"]:
            assert lines == []
