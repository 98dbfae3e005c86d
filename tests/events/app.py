"""The Reflex app the event tests fire handlers of, with every kind of handler."""

import asyncio
import contextlib
import random
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import reflex as rx
from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import alogin, alogout
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.utils import timezone
from django.utils.translation import get_language

from rxbridge.asgi import ConnectionRegistry
from rxbridge.errors import NotAllowed, RxBridgeError
from rxbridge.events import (
    EventBridge,
    MiddlewareRunner,
    SyntheticRequestFactory,
    current_user,
    login_required,
)
from rxbridge.state import AppState, DjangoUserState

connections = ConnectionRegistry()
journal: list[str] = []
"""What ran, in order; a test that reads it clears it first."""

gates: dict[str, asyncio.Event] = {}
"""By which a background task and its test wait for each other; each test makes its own."""

thread_local = threading.local()
context_var: ContextVar[str] = ContextVar("user_of_the_event", default="")


class Counter(AppState, rx.State):
    """Handlers of every kind."""

    name: str = ""
    count: int = 0
    seen: list[str] = []

    @rx.event
    def who(self):
        journal.append("handler")
        self.name = self.user.get_username()

    @rx.event
    async def who_async(self):
        journal.append("handler")
        self.name = (await self.request.auser()).get_username()

    @rx.event
    def query_sync(self):
        self.count = User.objects.count()

    @rx.event
    def query_in_steps(self):
        # No generator itself, as what a decorator makes of one.
        return (setattr(self, "count", self.count + User.objects.count()) for _ in range(3))

    @rx.event
    def keep_queries(self):
        User.objects.filter(username="nobody yet").exists()
        self.count += sum("nobody yet" in query["sql"] for query in connection.queries)

    @rx.event
    def count_up(self):
        for _ in range(3):
            self.count += 1
            yield

    @rx.event
    async def count_up_async(self):
        for _ in range(3):
            await asyncio.sleep(0)
            self.count += 1
            yield
        journal.append("last yield")

    @rx.event
    def yield_and_return(self):
        self.count = 1
        yield
        return Counter.add(10)

    @rx.event
    def add(self, number: int, twice: bool = False):
        self.count += number * (2 if twice else 1)

    @rx.event
    def named_state(self, state: str, request: str, payload: str):
        self.seen = [state, request, payload]

    @rx.event
    async def named_state_async(self, state: str, request: str, payload: str):
        self.seen = [state, request, payload]
        yield

    @rx.event
    def named_state_generator(self, state: str, request: str, payload: str):
        self.seen = [state, request, payload]
        yield

    @rx.event
    def deep(self, levels: int):
        self.seen = [*self.seen, self.user.get_username()]
        return Counter.deep(levels - 1) if levels else None

    @rx.event
    async def deep_async(self, levels: int):
        self.seen = [*self.seen, self.user.get_username()]
        if levels:
            yield Counter.deep_async(levels - 1)

    @rx.event
    def on_load(self):
        journal.append("on_load")
        self.name = f"loaded by {self.user.get_username()}"

    @rx.event
    async def sign_in_and_go(self, username: str):
        await alogin(self.request, await User.objects.aget(username=username))
        return [rx.toast("Welcome"), rx.redirect("/members")]

    @rx.event
    def go(self):
        return rx.redirect("/members")

    @rx.event
    async def go_async(self):
        return rx.redirect("/members")

    @rx.event
    def leave(self):
        self.session["left"] = "a trace"
        yield rx.redirect("/members")

    @rx.event(supersedes=True)
    def search(self, words: str):
        self.session["left"] = words

    @rx.event(supersedes=True)
    def compute(self, name: str):
        journal.append(f"{name} in")
        time.sleep(0.2)
        journal.append(f"{name} out")

    @rx.event(supersedes=True)
    def compute_in_steps(self, name: str):
        journal.append(f"{name} in")
        time.sleep(0.2)
        journal.append(f"{name} out")
        yield

    @rx.event
    async def leave_slowly(self):
        await asyncio.sleep(0.1)
        self.session["left"] = "a trace"

    @rx.event(background=True)
    async def background(self):
        journal.append("background")
        async with self:
            self.name = self.user.get_username()
        count = await User.objects.acount()
        async with self:
            self.count = count

    @rx.event(background=True)
    async def background_waits(self):
        await User.objects.acount()
        while "released" not in journal:  # noqa: ASYNC110 - it is written by a thread
            await asyncio.sleep(0.01)

    def _note(self, *words: str):
        journal.append("piece")
        self.session["left"] = " ".join(words)
        place = f"{timezone.get_current_timezone_name()} {getattr(thread_local, 'tenant', 'none')}"
        return f"{place} {self.user.get_username()}"

    async def _note_async(self, *words: str):
        return await sync_to_async(self._note)(*words)

    async def _fail(self):
        raise LookupError

    @rx.event(background=True)
    async def in_pieces(self):
        began = timezone.get_current_timezone_name()
        found = [
            await self.in_middleware(self._note, "a", "trace"),
            await self.in_middleware(self._note_async, "a trace"),
        ]
        with contextlib.suppress(LookupError):
            await self.in_middleware(self._fail)
            found.append("went on")
        async with self:
            self.seen = [began, *found]

    @login_required
    @rx.event(background=True)
    async def in_a_later_piece(self):
        gates["begun"].set()
        await gates["go on"].wait()
        try:
            await self.in_middleware(self._note)
        except NotAllowed as error:
            journal.append(str(error))

    @rx.event(background=True)
    async def sign_in_late(self, username: str):
        try:
            await self.login(await User.objects.aget(username=username))
        except RxBridgeError as error:
            journal.append(str(error))
            yield Counter.sign_in(username)

    @rx.event
    async def in_place(self):
        self.seen = [await self.in_middleware(self._note_async)]

    @rx.event(background=True)
    async def background_forever(self):
        journal.append("background")
        await asyncio.Event().wait()

    @rx.event(background=True)
    async def background_chains(self):
        await gates["go on"].wait()
        return Counter.who

    @rx.event
    def start_background(self):
        return Counter.background

    @login_not_required
    @rx.event
    def open_to_all(self):
        self.count = 99

    @rx.event(background=True)
    async def fail_in_background(self):
        raise LookupError("secret of the task")

    @rx.event
    def fail(self):
        journal.append("handler")
        self.count = -1
        msg = "the secret of the handler"
        raise LookupError(msg)

    @rx.event
    def rest(self, seconds: float):
        journal.append("handler")
        threading.Event().wait(seconds)

    @rx.event
    def stop_iteration(self):
        next(iter(()))

    @rx.event
    def deny(self):
        raise PermissionDenied

    @rx.event
    def yield_nonsense(self):
        try:
            yield 42
        finally:
            journal.append(f"closed for {current_user()}")

    @rx.event
    def set_session(self, value: str):
        self.session["value"] = value

    @rx.event
    async def set_session_async(self, value: str):
        self.session["value"] = value

    @rx.event
    async def set_session_slowly(self, afresh: bool):
        assert "slow" not in self.session
        journal.append("waits")
        while "goes on" not in journal:  # noqa: ASYNC110 - a test appends it
            await asyncio.sleep(0.01)
        if afresh:
            session = type(self.session)(self.session.session_key)
            await session.aset("slow", "ended")
            await session.asave()
        else:
            self.session["slow"] = "ended"

    @rx.event
    def read_session(self):
        self.name = self.session.get("value", "")

    @rx.event
    def add_message_and_leave(self, text: str):
        messages.success(self.request, text)
        self.navigate("/admin/")

    @rx.event
    def add_message(self, text: str):
        messages.success(self.request, text)

    @rx.event
    def read_messages(self):
        self.seen = [str(message) for message in self.messages]

    @rx.event
    def set_cookie(self, name: str, value: str):
        self.response.set_cookie(name, value)

    @rx.event
    def delete_cookie(self, name: str):
        self.response.delete_cookie(name)

    @rx.event
    async def sign_in(self, username: str):
        await alogin(self.request, await User.objects.aget(username=username))

    @rx.event
    async def sign_out(self):
        await alogout(self.request)

    @rx.event
    def look(self):
        """Note what the request says of the page."""
        request = self.request
        self.seen = [
            request.path,
            request.GET.get("q", ""),
            get_language(),
            request.resolver_match.view_name,
        ]

    @rx.event
    async def upload(self, files: list[rx.UploadFile]):
        journal.append("upload")
        sizes = [len(await file.read()) for file in files]
        self.name = self.user.get_username() or "nobody"
        self.count = sum(sizes)
        return Counter.after_upload

    @rx.event
    @login_required
    async def upload_private(self, files: list[rx.UploadFile]):
        self.count = len(files)

    @rx.event(background=True)
    async def upload_stream(self, chunks: rx.UploadChunkIterator):
        journal.append("upload")
        size = 0
        async for chunk in chunks:
            size += len(chunk.data)
        async with self:
            self.name = self.user.get_username() or "nobody"
            self.count = size
        yield Counter.after_upload

    @rx.event
    def after_upload(self):
        self.seen = [self.user.get_username() or "nobody"]


class Watch(AppState, rx.State):
    """Handlers that wait at random and tell whether anything changed under them."""

    wrong: int = 0

    def _expect(self, username: str) -> None:
        seen = {self.user.get_username(), current_user().get_username(), context_var.get()}
        self.wrong += seen != {username}

    def _expect_thread(self, username: str) -> None:
        self.wrong += getattr(thread_local, "user", None) != username

    @rx.event
    def sync(self, username: str):
        self._expect(username)
        self._expect_thread(username)
        threading.Event().wait(random.random() / 200)
        self._expect_thread(username)

    @rx.event
    async def asynchronous(self, username: str):
        for _ in range(3):
            self._expect(username)
            await sync_to_async(self._expect_thread)(username)
            await asyncio.sleep(random.random() / 200)

    @rx.event
    def generator(self, username: str):
        for _ in range(3):
            self._expect(username)
            self._expect_thread(username)
            yield
            threading.Event().wait(random.random() / 500)

    @rx.event(background=True)
    async def background(self, username: str):
        threads = set()
        for _ in range(3):
            threads.add(await sync_to_async(threading.get_ident)())
            wrong = {self.user.get_username(), current_user().get_username()} != {username}
            async with self:
                self.wrong += wrong
            await asyncio.sleep(random.random() / 100)
        async with self:
            self.wrong += len(threads) != 1


class Shown(AppState, rx.State):
    """What a page computes of the user."""

    touched: int = 0

    @rx.var(cache=False)
    def greeting(self) -> str:
        return f"Hello {self.user.get_username() or 'nobody'}"


class Placed(rx.State):
    """What a page computes of what middleware keeps beside the request."""

    @rx.var(cache=False)
    def zone(self) -> str:
        return timezone.get_current_timezone_name()


def bridge(*middleware: Any, **options: Any) -> EventBridge:
    """Return a bridge whose chain is startproject's middleware and then ``middleware``."""
    runner = options.pop("runner", None) or MiddlewareRunner([*settings.MIDDLEWARE, *middleware])
    requests = options.pop("requests", None) or SyntheticRequestFactory(connections)
    return EventBridge(requests=requests, runner=runner, **options)


@contextlib.contextmanager
def bridged(*middleware: Any, **options: Any) -> Iterator[rx.App]:
    """Put another bridge into the app, for the length of a block."""
    before = app._middlewares
    app._middlewares = [bridge(*middleware, **options)]
    try:
        yield app
    finally:
        app._middlewares = before


@contextlib.contextmanager
def unbridged() -> Iterator[rx.App]:
    """Take the bridge out of the app, for the length of a block."""
    before, app._middlewares = app._middlewares, []
    try:
        yield app
    finally:
        app._middlewares = before


def recorder(name: str) -> Any:
    """Return a middleware that writes each phase into the journal."""

    def factory(get_response: Any) -> Any:
        async def middleware(request: Any) -> Any:
            journal.append(f"{name} in")
            response = await get_response(request)
            journal.append(f"{name} out")
            return response

        return middleware

    factory.async_capable, factory.sync_capable = True, False  # type: ignore[attr-defined]
    return factory


app = rx.App()
app.add_page(
    lambda: rx.fragment(
        rx.text(Counter.name), rx.text(DjangoUserState.username), rx.text(Shown.greeting)
    ),
    route="/",
)
app.add_page(lambda: rx.upload(on_drop=Counter.upload(rx.upload_files("u"))), route="/upload")
app.add_page(lambda: rx.text("members"), route="/members", on_load=Counter.on_load)
app.add_page(lambda: rx.text("gone"), route="/leaving", on_load=Counter.leave)
app.add_page(lambda: rx.text("going"), route="/leaving-slowly", on_load=Counter.leave_slowly)
app.add_page(lambda: rx.text("a product"), route="/product/[slug]", on_load=Counter.look)
app.add_middleware(bridge())
