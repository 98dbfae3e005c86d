"""EventClient: a browser tab as a test drives it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from asgiref.sync import sync_to_async
from django.test import Client

from rxbridge.asgi.connections import CONNECTION_HEADER, current_connection
from rxbridge.errors import RxBridgeError
from rxbridge.events._test_context import TestContext, under_test
from rxbridge.testing._cookies import Cookies, plain, sent_headers
from rxbridge.testing._transaction import in_transaction, lent_connections
from rxbridge.testing.fired import Fired, mirrored_messages

if TYPE_CHECKING:
    import reflex as rx
    from django.contrib.auth.base_user import AbstractBaseUser

    from rxbridge.asgi.connections import Connection
    from rxbridge.events.reflex import LocalServer

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(slots=True)
class Browser:
    """What the tabs of one browser have in common; ``known_by`` is rxbridge's own cookie."""

    host: str
    secure: bool
    client: str
    headers: Mapping[str, str]
    cookies: dict[str, str] = field(default_factory=dict)
    known_by: str | None = None

    def sends(self, cookies: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return what every request of this browser says of itself."""
        return sent_headers(self.host, self.secure, cookies=cookies, headers=self.headers)

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Return the same as an ASGI scope has it."""
        sent = self.sends() | ({"cookie": self.known_by} if self.known_by else {})
        return [(name.encode(), value.encode()) for name, value in sent.items()]

    def keep(self, changed: Mapping[str, str | None]) -> None:
        """Take over the cookies an event has changed."""
        for name, value in changed.items():
            if value is None:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = value


class EventClient:
    """One browser tab as a test drives it: fires handlers by reference, reads what came back.

    ::

        async with EventClient(app, user=user) as tab:
            await tab.load("/cart")
            fired = await tab.fire(CartState.add, slug="mug")
            assert fired.toasts == []

    In a test that is not async, ``with EventClient(app) as tab:`` has the same methods, without
    ``await``; see ``SyncEventClient``.

    The chain is the app's own bridge with its registry of connections. Nothing is mocked but
    the socket. In a test that is in a transaction, as with Django's ``TestCase`` or pytest-django's
    ``db``, handlers work in that transaction, one at a time; else events have threads of their
    own, as in production.

    As with Django's test client, what a handler raises and nothing answers is raised in the
    test too; with ``raise_exceptions=False`` it is in ``Fired.exceptions`` only.
    """

    def __init__(
        self,
        app: rx.App,
        *,
        user: AbstractBaseUser | None = None,
        cookies: Cookies | None = None,
        language: str | None = None,
        headers: Mapping[str, str] | None = None,
        host: str = "testserver",
        secure: bool = False,
        path: str = "/",
        client: str = "127.0.0.1",
        raise_exceptions: bool = True,
        beside: EventClient | None = None,
    ) -> None:
        from rxbridge.events.reflex import LocalServer

        self.app = app
        self.user = user
        self.path = path
        self.query = ""
        self.token = str(uuid.uuid4())
        self.connection: Connection | None = None
        given = {"accept-language": language} if language is not None else {}
        self._browser = Browser(host, secure, client, given | dict(headers or {}), plain(cookies))
        self._raise_exceptions = raise_exceptions
        self._beside = beside
        self.server: LocalServer = beside.server if beside else LocalServer(app)
        self._test: TestContext = beside._test if beside else TestContext()  # noqa: SLF001
        self._shown: set[str] = set()
        self._had: Mapping[str, str] = {}
        self._headers: dict[str, str] = {}
        self._stack = contextlib.AsyncExitStack()
        self._socket = contextlib.ExitStack()
        self._synchronous = contextlib.ExitStack()

    async def __aenter__(self) -> Self:
        if self.user is not None:
            self._browser.cookies |= await sync_to_async(_sign_in)(self.user)
        if self._beside is None:
            self._test.in_transaction = await in_transaction()
            with under_test(self._test):
                await self._stack.enter_async_context(self.server)
        self._connect()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._socket.close()
        await self._stack.aclose()

    def __enter__(self) -> SyncEventClient:
        # Undone if the client does not open; else it is for __exit__ to do.
        with contextlib.ExitStack() as stack:
            runner = stack.enter_context(asyncio.Runner(loop_factory=asyncio.new_event_loop))
            stack.enter_context(lent_connections(runner))
            client = stack.enter_context(SyncEventClient(self, runner))
            self._synchronous = stack.pop_all()
        return client

    def __exit__(self, *exc_info: object) -> None:
        self._synchronous.close()

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies the tab's next event will come with; events change them."""
        return self._browser.cookies if self.connection is None else self.connection.cookies

    async def load(self, path: str = "/", *, query: str = "") -> Fired:
        """Open a page as a browser does: the snapshot of all vars, then the page's ``on_load``.

        It comes with the browser's cookies as they are then, so with a login of another tab.
        Raises ``RxBridgeError`` for a path without a page.
        """
        event = self.server.load_event(path)
        self.path, self.query = path, query
        if self.cookies != self._browser.cookies:
            self._connect()
        return await self._send(event)

    async def navigate(self, path: str, *, query: str = "") -> Fired:
        """Go to another page of the app by a link: its ``on_load``, without a new snapshot."""
        event = self.server.navigation_event(path)
        self.path, self.query = path, query
        return await self._send(event)

    async def fire(self, handler: Any, /, **payload: Any) -> Fired:
        """Fire a handler by reference, ``State.handler`` or ``State.handler("argument")``.

        Returns when it and all it chained are done. Background tasks are not waited for, nor
        is the chain that admits them: ``background`` does.
        """
        return await self._send(self.server.event(handler, payload))

    async def upload(
        self, handler: Any, *files: tuple[str, bytes], cookies: Cookies | None = None
    ) -> Fired:
        """Send files, each a name and its content, to a handler that takes ``list[rx.UploadFile]``.

        An upload is a request of its own: it is whoever its cookies say, whatever the tab. They
        are this browser's unless ``cookies`` are given. The app's bridge needs a registry.
        """
        registry = self.server.connections
        if registry is None:
            msg = "upload() needs a bridge whose SyntheticRequestFactory has a ConnectionRegistry."
            raise RxBridgeError(msg)
        sent = self.cookies if cookies is None else plain(cookies)
        with registry.open(
            headers=self._browser.pairs(), cookies=sent, client=(self._browser.client, 0)
        ) as request:
            token = current_connection.set(request)
            try:
                event = self.server.upload_event(handler, files)
                return self._fired(await self.server.fire(self.token, event))
            finally:
                current_connection.reset(token)

    async def background(self, *, timeout: float | None = 10.0) -> Fired:
        """Wait for the background tasks this tab has started, and what they chained.

        Returns what the page received since the last event, in ``timeout`` seconds at most;
        then ``TimeoutError`` is raised. Tasks that run still are cancelled as the client ends.
        """
        return self._fired(await self.server.background(self.token, timeout))

    async def told(self, *, timeout: float | None = 10.0) -> Fired:
        """Wait until the page is told to fire something, as a ``LiveList`` tells it, and fire it.

        ``TimeoutError`` is raised after ``timeout`` seconds.
        """
        return await self._send(await self.server.told(self.token, timeout))

    async def state(self, state: type[Any]) -> Any:
        """Return this tab's instance of a state class, to read its vars."""
        return await self.server.state(self.token, state)

    def tab(self, **options: Any) -> EventClient:
        """Return another tab at the same server: of this browser, if no option is given.

        Tabs of a browser share its cookies, which a tab comes with as it is opened or loads a
        page. With options, such as ``user=``, it is another browser, of another visitor::

            async with EventClient(app, user=ada) as first, first.tab(user=bob) as second:
                ...
        """
        other = EventClient(self.app, beside=self, **options)
        if not options:
            other._browser, other.user = self._browser, None
            other._raise_exceptions = self._raise_exceptions
        return other

    def _connect(self) -> None:
        """Make the handshake, and note the headers that Reflex would keep of it."""
        browser, registry = self._browser, self.server.connections
        if registry is None:
            self._headers = browser.sends(browser.cookies) | {"asgi-scope-client": browser.client}
        else:
            self._socket.close()
            self.connection = self._socket.enter_context(
                registry.open(
                    headers=browser.pairs(),
                    cookies=browser.cookies,
                    scheme="wss" if browser.secure else "ws",
                    client=(browser.client, 0),
                )
            )
            browser.known_by = self.connection.browser
            self._headers = browser.sends() | {CONNECTION_HEADER.decode(): self.connection.id}
        self._had = self.cookies

    async def _send(self, event: Any) -> Fired:
        if self.connection is not None and self.connection.closed:
            self._connect()  # As Reflex's client does when the server has closed its socket.
        router_data = {
            **self.server.router_data(self.path, self.query),
            "headers": dict(self._headers),
            "ip": self._browser.client,
            "sid": self.token,
            "token": self.token,
        }
        return self._fired(
            await self.server.fire(self.token, replace(event, router_data=router_data))
        )

    def _fired(self, exceptions: list[Exception]) -> Fired:
        deltas, events = self.server.received(self.token)
        came = mirrored_messages(deltas)
        before, self._had = self._had, self.cookies
        fired = Fired(
            deltas,
            events,
            exceptions,
            self._test.taken_by(self.token),
            _changes(before, self._had),
            [text for key, text in came.items() if key not in self._shown],
        )
        self._shown |= came.keys()
        self._browser.keep(fired.cookies)
        if fired.exception is not None and self._raise_exceptions:
            raise fired.exception
        return fired


class SyncEventClient:
    """``EventClient`` for a test that is not async: the same methods, without ``await``.

    ::

        with EventClient(app, user=user) as tab:
            tab.load("/cart")
            fired = tab.fire(CartState.add, slug="mug")

    The event loop runs while one of them does, so background tasks go on in ``background()``.
    """

    def __init__(self, client: EventClient, runner: asyncio.Runner) -> None:
        self._client = client
        self._runner = runner

    def __enter__(self) -> Self:
        self._run(self._client.__aenter__())
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._run(self._client.__aexit__(*exc_info))

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies the tab's next event will come with; events change them."""
        return self._client.cookies

    @property
    def connection(self) -> Connection | None:
        """The tab's connection, or ``None`` without a registry."""
        return self._client.connection

    @staticmethod
    def _awaited(
        method: Callable[Concatenate[EventClient, P], Coroutine[Any, Any, T]],
    ) -> Callable[Concatenate[SyncEventClient, P], T]:
        """Return a method that runs the event loop until the other one is done."""

        def called(tab: SyncEventClient, /, *args: P.args, **options: P.kwargs) -> T:
            return tab._run(method(tab._client, *args, **options))

        functools.update_wrapper(called, method)
        return called

    load = _awaited(EventClient.load)
    navigate = _awaited(EventClient.navigate)
    fire = _awaited(EventClient.fire)
    upload = _awaited(EventClient.upload)
    background = _awaited(EventClient.background)
    told = _awaited(EventClient.told)
    state = _awaited(EventClient.state)

    def tab(self, **options: Any) -> SyncEventClient:
        """Return another tab at the same server: of this browser, if no option is given."""
        return SyncEventClient(self._client.tab(**options), self._runner)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)


def _sign_in(user: Any) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return plain(client.cookies)


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """Return the cookies that differ, ``None`` for one that is gone."""
    if before is after:
        return {}
    gone = dict.fromkeys(before.keys() - after.keys())
    return {**gone, **{name: value for name, value in after.items() if before.get(name) != value}}
