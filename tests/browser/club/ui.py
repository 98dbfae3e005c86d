"""The club's Reflex app: the ready pages, and a page that tells who its events are run as."""

import asyncio
import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.club.settings")
django.setup()  # `reflex export` imports this module on its own.

import reflex as rx  # noqa: E402 - Django comes first
from django.contrib.auth.models import User  # noqa: E402
from django.core.cache import cache  # noqa: E402

from rxbridge.asgi import CacheTickets, ConnectionRegistry, CookieHandoff  # noqa: E402
from rxbridge.events import CSP_APP_WRAPS, EventBridge, user_passes_test  # noqa: E402
from rxbridge.events.sessions.broadcast import RedisBroadcast  # noqa: E402
from rxbridge.events.sessions.revoker import SessionRevoker  # noqa: E402
from rxbridge.state import AppState, DjangoUserState, PicklingStripper  # noqa: E402
from rxbridge.state.auth import (  # noqa: E402
    AuthPages,
    RegistrationConfig,
    add_auth_pages,
    password_change_mixin,
    password_reset_mixin,
    registration_mixin,
    session_auth_mixin,
)

NOBODY = "nobody"


class Auth(
    session_auth_mixin(),
    registration_mixin(RegistrationConfig(fields=["email"])),
    password_change_mixin(),
    password_reset_mixin(),
    rx.State,
):
    """Everything that there are ready pages for."""


class Member(AppState, PicklingStripper, rx.State):
    """Handlers that tell who they ran as. The next release has one var more."""

    events: int = 0
    seen: str = ""
    kept: str = ""
    uploaded: str = ""
    if "CLUB_RELEASE" in os.environ:
        added: str = ""

    def _name(self) -> str:
        return self.user.get_username() or NOBODY

    @rx.event
    def who(self):
        """Tell who the event is run as, and the how manieth of this tab it is."""
        self.events += 1
        self.seen = f"{self._name()} {self.events}"

    @rx.event
    def keep(self):
        """Give the visitor a session, with something in it."""
        self.session["kept"] = "a cart"

    @rx.event
    def recall(self):
        """Tell what is in the session."""
        self.kept = self.session.get("kept", "nothing")

    @rx.event
    async def enter_slowly(self, name: str, seconds: float):
        """Sign a member in after a while, as where another service is asked first."""
        self.kept = "waits"
        yield
        await asyncio.sleep(seconds)
        await self.login(await User.objects.aget(username=name))
        self.kept = "entered"

    @rx.event
    @user_passes_test(lambda _: False)
    def forbidden(self):
        """Do what nobody may do."""

    @rx.event
    def to_admin(self):
        """Go to a page of Django's."""
        self.navigate("/admin/")

    @rx.event
    async def upload(self, files: list[rx.UploadFile]):
        """Take whole files."""
        size = sum([len(await file.read()) for file in files])
        self.uploaded = f"{size} bytes by {self._name()}"

    @rx.event(background=True)
    async def stream(self, chunks: rx.UploadChunkIterator):
        """Take a file in chunks, and keep none of them."""
        size = 0
        async for chunk in chunks:
            size += len(chunk.data)
        async with self:
            self.uploaded = f"{size} bytes by {self._name()}"


class Room(AppState, rx.SharedState):
    """A room that counts for all in it, and shows each who they are."""

    count: int = 0

    @rx.var
    def count_for(self) -> str:
        return f"{self.count} for {self.user.get_username() or NOBODY}"

    @rx.event
    async def join(self):
        """Enter the one room there is."""
        await self._link_to("hall")

    @rx.event
    async def add(self):
        """Count on for all who are in the room."""
        self.count += 1


def button(name: str, handler) -> rx.Component:
    return rx.button(name, on_click=handler, custom_attrs={"data-testid": name})


def shown(name: str, value) -> rx.Component:
    return rx.text(value, custom_attrs={"data-testid": name})


def home() -> rx.Component:
    signed_in = DjangoUserState.is_authenticated
    return rx.vstack(
        shown("username", rx.cond(signed_in, DjangoUserState.username, NOBODY)),
        button("who", Member.who),
        shown("seen", Member.seen),
        button("keep", Member.keep),
        button("recall", Member.recall),
        shown("kept", Member.kept),
        button("enter-slowly", Member.enter_slowly("ada", 1.5)),
        button("forbidden", Member.forbidden),
        button("compiled", rx.toast("Of the page's own")),
        button("to-admin", Member.to_admin),
        button("sign-out", Auth.logout),
        rx.link("Sign in", href="/login"),
    )


def upload() -> rx.Component:
    return rx.vstack(
        shown("username", DjangoUserState.username),
        rx.upload(rx.text("Files"), id="files"),
        button("send", Member.upload(rx.upload_files(upload_id="files"))),
        button("stream", Member.stream(rx.upload_files_chunk(upload_id="files"))),
        shown("uploaded", Member.uploaded),
    )


def room() -> rx.Component:
    return rx.vstack(
        button("join", Room.join),
        button("add", Room.add),
        shown("count", Room.count_for),
    )


redis_url = os.environ.get("CLUB_REDIS")
connections = ConnectionRegistry()
revoker = SessionRevoker(connections, broadcast=RedisBroadcast(redis_url) if redis_url else None)
handoff = CookieHandoff(
    connections,
    tickets=CacheTickets(cache) if redis_url else None,
    on_confirmed=revoker.confirmed,
)
app = rx.App(head_components=[rx.el.link(rel="icon", href="data:,")], extra_app_wraps=CSP_APP_WRAPS)
app.add_middleware(EventBridge(connections, handoff=handoff, revoker=revoker))
app.add_page(home, route="/", title="Club")
app.add_page(upload, route="/upload", title="Upload")
app.add_page(room, route="/room", title="Room")
add_auth_pages(app, AuthPages(Auth))
