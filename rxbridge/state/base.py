"""AppState: what a handler sees of Django, as attributes of its state."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.contrib.auth import alogin, alogout
from django.contrib.messages import get_messages

from rxbridge.errors import RxBridgeError
from rxbridge.events import binder
from rxbridge.state.context import context_of
from rxbridge.state.values import UnfetchedRows, for_var

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.messages.storage.base import BaseStorage
    from django.contrib.sessions.backends.base import SessionBase
    from django.http import HttpRequest, HttpResponse
    from django.urls import ResolverMatch

    from rxbridge.events.binder import Binding
    from rxbridge.state.context import EventContext

T = TypeVar("T")
P = ParamSpec("P")


class AppState:
    """A mixin for states whose handlers work with Django: ``class CartState(AppState, rx.State)``.

    Its properties read what is bound while the event runs; nothing is stored on the state. It is
    a plain class, so Reflex neither registers it nor makes its methods into event handlers a
    browser could call.

    With ``app.modify_state``, in an event or outside, and in a room of ``rx.SharedState``, the
    computed vars of another tab are computed inside its own connection's middleware chain. What
    a handler reads of another tab's state raises ``RxBridgeError``.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if hasattr(cls, "_linked_to"):  # A state of ``rx.SharedState``.
            from rxbridge.events.reflex.rooms import read_anew  # Only then is Reflex loaded.

            cls.__getattribute__ = read_anew  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a var to what a page can show of ``value``, or raise ``RxBridgeError``."""
        if type(value) not in (bool, int, str) and name in getattr(type(self), "vars", ()):
            value = for_var(value, f"{type(self).__name__}.{name}")
        super().__setattr__(name, value)

    def get_value(self: Any, key: str) -> Any:
        """Return a var's value, or what the delta is to await for it."""
        if key not in type(self).computed_vars:
            value = super().get_value(key)  # type: ignore[misc]
            return value.fetched() if isinstance(value, UnfetchedRows) else value
        binding = binder.binding_now.get()
        is_elsewhere = binding is not None and binding.is_elsewhere()
        if not (_is_anothers(self) if is_elsewhere else _is_pushed(self)):
            return super().get_value(key)  # type: ignore[misc]
        from rxbridge.events.reflex.owner import as_owner  # Only then is Reflex known to be loaded.

        return as_owner(self, key, partial(super().get_value, key))  # type: ignore[misc]

    # How Reflex knows an override of its own method from a handler that is named like it.
    get_value.__override_base_method__ = True  # type: ignore[attr-defined]

    @property
    def request(self) -> HttpRequest | None:
        """The event's request, or ``None`` outside a bridged event."""
        binding = _own(self)
        return None if binding is None else binding.request

    @property
    def response(self) -> HttpResponse | None:
        """The event's response, on which cookies may be set."""
        binding = _own(self)
        return None if binding is None else binding.response

    @property
    def user(self) -> AbstractBaseUser | AnonymousUser:
        """The user the middleware resolved; an anonymous one outside an event."""
        return binder.user_of(_own(self))

    @property
    def session(self) -> SessionBase | None:
        """The event's session; what a handler writes to it is saved after the handler."""
        return getattr(self.request, "session", None)

    @property
    def messages(self) -> BaseStorage | list[Any]:
        """The flash messages; iterating over them marks them as shown."""
        request = self.request
        return [] if request is None else get_messages(request)

    @property
    def csrf_token(self) -> str | None:
        """A CSRF token that Django accepts from this browser."""
        return binder.csrf_token_of(_own(self))

    @property
    def resolver_match(self) -> ResolverMatch | None:
        """The match whose view is this event's handler."""
        return getattr(self.request, "resolver_match", None)

    @property
    def django_context(self) -> EventContext:
        """What the template engine's context processors say, computed once for each event.

        In an async handler: ``context = await self.django_context``. In a synchronous one it is
        a mapping as it is. Outside an event it is empty.
        """
        return context_of(self.request)

    async def in_middleware(
        self,
        function: Callable[P, Awaitable[T]] | Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call ``function`` inside the middleware chain, from a background task.

        The chain of the task's event is over; it runs anew around the call, so what middleware
        keeps while a view runs is there: a tenant, an actor of an audit, a time zone. A function
        that is not async runs on the chain's thread. Raises ``NotAllowed``, and does not call,
        where the chain or a guard of the handler refuses, or the user is another by now.

        In a handler that is no background task it calls, since the chain is there.
        """
        from rxbridge.events.reflex import call_in_event

        _own(self)
        binding = binder.bound_event("in_middleware")
        call = partial(call_in_event, partial(function, *args, **kwargs))
        answer: T = await (call() if binding.again is None else binding.again(binding, call))
        return answer

    async def has_perm(self, permission: str, obj: Any = None) -> bool:
        """Return whether the user has ``permission``, such as ``"shop.change_order"``.

        It asks Django's backends, on the event's thread, since they may ask the database. In a
        synchronous handler use ``self.user.has_perm``.
        """
        user: Any = self.user
        return bool(await sync_to_async(user.has_perm)(permission, obj))

    async def login(self, user: AbstractBaseUser, backend: str | None = None) -> None:
        """Sign ``user`` in, as ``django.contrib.auth.login`` does in a view.

        The session's key changes, signals are sent, and the rest of the handler, the mirrors and
        the next event are the new user's. ``CookieHandoff`` takes the cookie to the browser. In a
        synchronous handler call ``django.contrib.auth.login(self.request, user)``.
        """
        # Any user model will do; the stubs know only Django's own.
        _own(self)
        await alogin(binder.unanswered("login").request, user, backend)  # type: ignore[arg-type]

    async def logout(self) -> None:
        """Sign the user out and end the session, as ``django.contrib.auth.logout`` does."""
        _own(self)
        await alogout(binder.unanswered("logout").request)

    def navigate(self, url: str) -> None:
        """Take the browser to ``url`` after this event, once it has the event's cookies.

        ``url`` may be a page of the app or an address that Django answers; a redirect returned
        by the handler would leave before the cookies have arrived.
        """
        binder.set_destination(url)


def _is_anothers(state: Any) -> bool:
    """Tell whether ``state`` is of another tab than the running event's."""
    from rxbridge.events.reflex.owner import tab_of  # Only then is Reflex known to be loaded.

    return tab_of(state) != binder.bound_tab()


def _is_pushed(state: Any) -> bool:
    """Tell whether a view or a task of the lifespan has Reflex work for the tab of ``state``."""
    if binder.in_event():
        return False
    from rxbridge.events.reflex.owner import is_pushed

    return is_pushed(state)


def _own(state: Any) -> Binding | None:
    """Return what is bound, if it is of the tab whose state it is read through."""
    binding = binder.binding_now.get()
    if binding is not None and binding.is_elsewhere() and _is_anothers(state):
        msg = (
            f"{type(state).__name__} is the state of another tab than the running event's, so its "
            "user is not known. Read it through the `self` of the handler that runs, or in a "
            "computed var, which is computed as that tab's own user."
        )
        raise RxBridgeError(msg)
    return binding
