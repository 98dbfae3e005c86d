"""Test handlers and middleware without a browser or a socket.

``EventClient`` fires handlers through the real middleware chain and Reflex's real event
processor. ``run_middleware`` runs one middleware alone around one event.
"""

from __future__ import annotations

import contextlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.test import Client

from rxbridge.asgi.connections import CONNECTION_HEADER, current_connection
from rxbridge.errors import RxBridgeError
from rxbridge.events.request_factory import ReflexEvent, SyntheticRequestFactory
from rxbridge.events.runner import MiddlewareRunner

if TYPE_CHECKING:
    import reflex as rx
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.http.response import HttpResponseBase

    from rxbridge.asgi.connections import Connection
    from rxbridge.events.request_factory import EventRequest

# What Reflex makes of rx.toast("…") and rx.toast.error("…").
_STRING = r"""("(?:[^"\\]|\\.)*")"""
_REDIRECT = re.compile(r"""ReflexEvent\("_redirect", \{path:""" + _STRING)
_SCRIPT = re.compile(r"""ReflexEvent\("_call_script", \{javascript_code:""" + _STRING)
_TOAST = re.compile(r"""\['__toast'\](?:\?\.\["\w+"\])?\(("(?:[^"\\]|\\.)*")""")

__all__ = ["EventClient", "Fired", "MiddlewareRun", "make_event", "run_middleware"]


def make_event(
    name: str = "event",
    *,
    handler: Callable[..., Any] | None = None,
    payload: Mapping[str, Any] | None = None,
    path: str = "/",
    query: str = "",
    host: str = "localhost",
    secure: bool = False,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    client: str = "127.0.0.1",
) -> ReflexEvent:
    """Return an event as a browser on page ``path`` would send it, for a part under test."""
    scheme = "https" if secure else "http"
    sent = {"host": host, "origin": f"{scheme}://{host}", "asgi-scope-client": client}
    if cookies:
        sent["cookie"] = "; ".join(f"{key}={value}" for key, value in cookies.items())
    event = ReflexEvent(
        name=name,
        payload=payload or {},
        router_data={
            "pathname": quote(path),
            "asPath": f"{quote(path)}?{query}" if query else quote(path),
            "headers": {**sent, **{key.lower(): value for key, value in (headers or {}).items()}},
        },
        token="test",  # noqa: S106 - a tab, not a secret
    )
    return event if handler is None else replace(event, handler=handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class MiddlewareRun:
    """What one middleware made of one event."""

    request: EventRequest
    response: HttpResponseBase
    reached: bool
    exception: Exception | None


async def run_middleware(
    *middleware: str | Callable[[Any], Any],
    event: ReflexEvent | None = None,
    view: Callable[..., Any] | None = None,
    **attributes: Any,
) -> MiddlewareRun:
    """Run ``middleware`` (classes or dotted paths, outermost first) around ``event``.

    ``attributes``, such as ``user=`` and ``session=``, are set on the request beforehand, as
    middleware further out would have done. ``view`` stands for the handler; it is called with
    the request and the payload.
    """
    request = SyntheticRequestFactory().build(event or make_event())
    for name, value in attributes.items():
        setattr(request, name, value)
    runner = MiddlewareRunner(middleware, threads=None)
    outcome = await runner.run(request, view or _nothing, kwargs=request.reflex_event.payload)
    return MiddlewareRun(
        request=request,
        response=outcome.response,
        reached=outcome.reached,
        exception=outcome.exception,
    )


@dataclass(slots=True)
class Fired:
    """What came of one fired event and of all it chained.

    ``deltas`` and ``events`` are in the order the page received them; ``exceptions`` is what
    handlers raised and no middleware answered.
    """

    deltas: list[Mapping[str, Any]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    exceptions: list[Exception] = field(default_factory=list)

    @property
    def exception(self) -> Exception | None:
        """The first of ``exceptions``."""
        return next(iter(self.exceptions), None)

    @property
    def vars(self) -> dict[str, Any]:
        """The vars the page was sent, by bare name; the last value of each."""
        return {
            name.removesuffix("_rx_state_"): value
            for delta in self.deltas
            for changes in delta.values()
            for name, value in changes.items()
        }

    @property
    def redirect(self) -> str | None:
        """Where the browser was taken, if it was: a page of the app, or an address to load."""
        return next(filter(None, map(_destination, self.events)), None)

    @property
    def toasts(self) -> list[str]:
        """The messages of the toasts that were shown."""
        return [text for event in self.events if (text := _toast(event)) is not None]


class EventClient:
    """One browser tab as a test drives it: fires handlers by reference, reads what came back.

    ::

        async with EventClient(app, user=user) as tab:
            await tab.load("/cart")
            fired = await tab.fire(CartState.add, slug="mug")
            assert fired.toasts == []

    The chain is the app's own bridge with its registry of connections. Nothing is mocked but
    the socket. Events run on threads of their own, so a test that touches the database needs
    ``pytest.mark.django_db(transaction=True)``.

    As with Django's test client, what a handler raises and nothing answers is raised in the
    test too; with ``raise_exceptions=False`` it is in ``Fired.exceptions`` only.
    """

    def __init__(
        self,
        app: rx.App,
        *,
        user: AbstractBaseUser | None = None,
        cookies: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        host: str = "localhost",
        secure: bool = False,
        path: str = "/",
        client: str = "127.0.0.1",
        raise_exceptions: bool = True,
        beside: EventClient | None = None,
    ) -> None:
        from rxbridge.events._reflex import LocalServer

        self.app = app
        self.user = user
        self.path = path
        self.query = ""
        self.token = str(uuid.uuid4())
        self.connection: Connection | None = None
        self._host = host
        self._secure = secure
        self._client = client
        self._given = dict(headers or {})
        self._cookies = dict(cookies or {})
        self._raise_exceptions = raise_exceptions
        self._beside = beside
        self.server: LocalServer = beside.server if beside else LocalServer(app)
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        if self.user is not None:
            self._cookies |= await sync_to_async(_sign_in)(self.user)
        if self._beside is None:
            await self._stack.enter_async_context(self.server)
        self._headers = self._connect()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._stack.aclose()

    @property
    def cookies(self) -> Mapping[str, str]:
        """The cookies the tab's next event will come with; events change them."""
        return self._cookies if self.connection is None else self.connection.cookies

    async def load(self, path: str = "/", *, query: str = "") -> Fired:
        """Open a page as a browser does: the snapshot of all vars, then the page's ``on_load``."""
        self.path, self.query = path, query
        return await self._send(self.server.load_event())

    async def navigate(self, path: str, *, query: str = "") -> Fired:
        """Go to another page of the app by a link: its ``on_load``, without a new snapshot."""
        self.path, self.query = path, query
        return await self._send(self.server.navigation_event())

    async def fire(self, handler: Any, /, **payload: Any) -> Fired:
        """Fire a handler by reference, ``State.handler`` or ``State.handler("argument")``.

        Returns when it and all it chained are done. Background tasks are not waited for, nor
        is the chain that admits them: ``background`` does.
        """
        return await self._send(self.server.event(handler, payload))

    async def upload(
        self, handler: Any, *files: tuple[str, bytes], cookies: Mapping[str, str] | None = None
    ) -> Fired:
        """Send files, each a name and its content, to a handler that takes ``list[rx.UploadFile]``.

        An upload is a request of its own: it is whoever its cookies say, whatever the tab. They
        are this browser's unless ``cookies`` are given. The app's bridge needs a registry.
        """
        registry = self.server.connections
        if registry is None:
            msg = "upload() needs a bridge whose SyntheticRequestFactory has a ConnectionRegistry."
            raise RxBridgeError(msg)
        sent = self.cookies if cookies is None else cookies
        with registry.open(
            headers=self._pairs(), cookies=sent, client=(self._client, 0)
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

    async def state(self, state: type[Any]) -> Any:
        """Return this tab's instance of a state class, to read its vars."""
        return await self.server.state(self.token, state)

    def tab(self, **options: Any) -> EventClient:
        """Return another tab of the same app at the same server; see the class for options.

        It shares nothing with this one but the server: pass ``user=`` or ``cookies=`` again::

            async with EventClient(app, user=ada) as first, first.tab(user=bob) as second:
                ...
        """
        return EventClient(self.app, beside=self, **options)

    def _connect(self) -> dict[str, str]:
        """Make the handshake; return the headers that Reflex would keep of it."""
        headers = self._origin()
        registry = self.server.connections
        if registry is None:
            pairs = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
            cookie = {"cookie": pairs} if pairs else {}
            return {**headers, **cookie, "asgi-scope-client": self._client}
        connection: Connection = self._stack.enter_context(
            registry.open(
                headers=self._pairs(),
                cookies=self._cookies,
                scheme="wss" if self._secure else "ws",
                client=(self._client, 0),
            )
        )
        self.connection = connection
        return {**headers, CONNECTION_HEADER.decode(): connection.id}

    def _origin(self) -> dict[str, str]:
        """Return what every request of this browser says of itself."""
        scheme = "https" if self._secure else "http"
        headers = {"host": self._host, "origin": f"{scheme}://{self._host}"}
        return headers | {name.lower(): value for name, value in self._given.items()}

    def _pairs(self) -> list[tuple[bytes, bytes]]:
        return [(name.encode(), value.encode()) for name, value in self._origin().items()]

    async def _send(self, event: Any) -> Fired:
        router_data = {
            **self.server.router_data(self.path, self.query),
            "headers": dict(self._headers),
            "ip": self._client,
            "sid": self.token,
            "token": self.token,
        }
        return self._fired(
            await self.server.fire(self.token, replace(event, router_data=router_data))
        )

    def _fired(self, exceptions: list[Exception]) -> Fired:
        deltas, events = self.server.received(self.token)
        fired = Fired(deltas, events, exceptions)
        if fired.exception is not None and self._raise_exceptions:
            raise fired.exception
        return fired


def _sign_in(user: Any) -> dict[str, str]:
    client = Client()
    client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}


async def _nothing(request: EventRequest, /, **payload: Any) -> None:
    """Stand for a handler that does nothing."""


def _destination(event: Any) -> str | None:
    if event.name == "_redirect":
        return str(event.payload["path"])
    # After a hand-off the redirect is what follows the script: it waits for the cookies.
    following = str(event.payload.get("callback") or "")
    if (redirect := _REDIRECT.search(following)) is not None:
        return str(json.loads(redirect[1]))
    script = _SCRIPT.search(following)
    return _loaded(_script(event) if script is None else json.loads(script[1]))


def _loaded(script: str) -> str | None:
    prefix = "window.location.assign("
    return json.loads(script[len(prefix) : -1]) if script.startswith(prefix) else None


def _toast(event: Any) -> str | None:
    shown = _TOAST.search(_script(event))
    return None if shown is None else str(json.loads(shown[1]))


def _script(event: Any) -> str:
    return str(event.payload.get("javascript_code") or event.payload.get("function") or "")
