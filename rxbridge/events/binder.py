"""ContextBinder: the current event's request, for whoever runs inside the event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar, Token, copy_context
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar

from django.contrib.auth.models import AnonymousUser
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token
from django.urls import set_script_prefix
from django.utils import timezone, translation

from rxbridge.errors import RxBridgeError

if TYPE_CHECKING:
    from datetime import tzinfo

    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.messages.storage.base import BaseStorage
    from django.contrib.sessions.backends.base import SessionBase
    from django.http import HttpRequest

T = TypeVar("T")


@dataclass(slots=True)
class Binding:
    """What is bound while an event runs: its request, and the response it may set cookies on.

    ``destination`` is where the browser is to go once it has the cookies of the event. ``over``
    is true once the event has been answered, as in a background task: nothing sent with that
    answer, such as a cookie, can be changed any more.

    ``time_zone`` is the one a background task began with, and ``again`` runs a function inside
    the event's chain once more, where the chain is over. ``afterwards`` is what is then to be
    called beside the tab's next events, on a thread without what the chain keeps there.

    ``is_elsewhere`` tells that Reflex works for another tab just now, whose user this is not.
    """

    request: HttpRequest
    response: HttpResponse
    destination: str | None = None
    over: bool = False
    is_elsewhere: Callable[[], bool] = bool
    time_zone: tzinfo | None = None
    again: Callable[[Binding, Callable[[], Any]], Awaitable[Any]] | None = None
    afterwards: list[Callable[[], object]] = field(default_factory=list)
    _token: Token[Binding | None] | None = field(default=None, init=False)
    _language: str | None = field(default=None, init=False)

    # No generator: each event has one.
    def __enter__(self) -> Self:
        self._token = binding_now.set(self)
        self._language = translation.get_language()
        # It mostly is the active one: a middleware activated it.
        if (code := getattr(self.request, "LANGUAGE_CODE", None)) and code != self._language:
            translation.activate(code)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if not self._language:
            translation.deactivate_all()
        elif self._language != translation.get_language():
            translation.activate(self._language)
        if self._token is not None:
            binding_now.reset(self._token)
            self._token = None  # It holds the context, which a background task would keep.


binding_now: ContextVar[Binding | None] = ContextVar("rxbridge.binding", default=None)
"""What is bound, for which tab soever Reflex works just now.

Unset outside of events; ``None`` in an event that is nobody's.
"""


class ContextBinder:
    """Bind a request to the running event, so that ``current_request()`` and friends find it.

    The binding is a ``ContextVar``: a child task sees the event that started it, and two events
    never see each other's.
    """

    def bound(self, request: HttpRequest) -> Binding:
        """Bind ``request`` for the block, with the language its middleware chose active."""
        return Binding(request, HttpResponse())

    def bind(self, binding: Binding | None) -> None:
        """Bind for the rest of the running task: an event's, or a background task's whole life.

        A background task goes on with the addresses, the language and the time zone it began with.
        """
        binding_now.set(binding)
        if binding is None or binding.time_zone is None:
            return
        set_script_prefix(getattr(binding.request, "script_name", "") or "/")
        if code := getattr(binding.request, "LANGUAGE_CODE", None):
            translation.activate(code)
        timezone.activate(binding.time_zone)


def in_event() -> bool:
    """Tell whether an event runs, be it nobody's: not a view, nor a task of the lifespan."""
    return binding_now in copy_context()


def bound_tab() -> str:
    """Return the token of the tab whose event is bound; empty when none is."""
    binding = binding_now.get()
    event = getattr(binding and binding.request, "reflex_event", None)
    return "" if event is None else event.token


def _bound() -> Binding | None:
    binding = binding_now.get()
    if binding is not None and binding.is_elsewhere():
        msg = (
            "What another tab is sent was computed with the user of the event that causes it. Give "
            "its state the mixin AppState, or read `self.user` of the handler that runs."
        )
        raise RxBridgeError(msg)
    return binding


def binding_in(context: Context) -> Binding | None:
    """Return what was bound when ``context`` was captured."""
    return context.get(binding_now)


def current_request() -> HttpRequest | None:
    """Return the running event's request, or ``None`` outside one."""
    binding = _bound()
    return binding.request if binding is not None else None


def current_response() -> HttpResponse | None:
    """Return the response of the running event, on which a handler may set cookies."""
    binding = _bound()
    return binding.response if binding is not None else None


def unanswered(method: str) -> Binding:
    """Return the binding of a running event whose answer may still set cookies, for ``method``.

    Raises ``RxBridgeError`` outside an event, and after its answer, as in a background task.
    """
    binding = bound_event(method)
    if binding.over:
        msg = (
            f"{method}() was called after its event had been answered, as in a background task, so "
            "no cookie of it reaches the browser; yield an event from the task, and call it in "
            "that event's handler."
        )
        raise RxBridgeError(msg)
    return binding


def bound_event(method: str) -> Binding:
    """Return the binding of the running event or background task, for ``method``."""
    binding = binding_now.get()
    if binding is None:
        msg = f"{method}() ran outside a bridged event; have an EventBridge run its event handler."
        raise RxBridgeError(msg)
    return binding


def set_destination(url: str) -> None:
    """Have the browser go to ``url`` after the event, once it has the event's cookies."""
    unanswered("navigate").destination = url


def current_user() -> AbstractBaseUser | AnonymousUser:
    """Return the user the middleware resolved; an anonymous one outside an event."""
    return user_of(_bound())


def user_of(binding: Binding | None) -> AbstractBaseUser | AnonymousUser:
    """Return the user of what is bound."""
    user: AbstractBaseUser | None = getattr(binding and binding.request, "user", None)
    return AnonymousUser() if user is None else user


def current_session() -> SessionBase | None:
    """Return the event's session, loaded; ``None`` outside an event or without sessions."""
    session: SessionBase | None = getattr(current_request(), "session", None)
    return session


def current_messages() -> BaseStorage | list[Any]:
    """Return the event's flash messages; reading them is what marks them as shown."""
    request = current_request()
    return [] if request is None else get_messages(request)


def current_csrf_token() -> str | None:
    """Return a CSRF token that Django accepts from this browser; ``None`` outside an event.

    A browser that has no CSRF cookie yet is given one with the event's response.
    """
    return csrf_token_of(_bound())


def csrf_token_of(binding: Binding | None) -> str | None:
    """Return the CSRF token of what is bound."""
    if binding is None:
        return None
    read_csrf_secret(binding.request)
    return get_token(binding.request)


def read_csrf_secret(request: HttpRequest) -> None:
    """Have ``request.META`` hold the secret that the browser has, if it has one."""
    if "CSRF_COOKIE" not in request.META:
        CsrfViewMiddleware(_no_response).process_request(request)


def current_language() -> str | None:
    """Return the language code that is active, or ``None`` when translation is off."""
    return translation.get_language()


def _no_response(request: HttpRequest) -> HttpResponse:
    """Complete the middleware whose ``process_request`` is borrowed to read the secret."""
    return HttpResponse(status=501, reason=f"No view behind {request.path}")


class RequestProxy:
    """The running event's request under one importable name: ``request.user``, ``request.GET``.

    Every access goes to the request of the event that is running then; outside an event an
    attribute access raises ``AttributeError`` and the proxy is false.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._request(name), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._request(name), name, value)

    def __bool__(self) -> bool:
        return current_request() is not None

    def __repr__(self) -> str:
        return f"<RequestProxy of {current_request()!r}>"

    def _request(self, name: str) -> HttpRequest:
        current = current_request()
        if current is None:
            msg = (
                f"request.{name} was read outside an event. Read it in an event handler, or use "
                "current_request(), which is None there."
            )
            raise AttributeError(msg)
        return current


request = RequestProxy()
