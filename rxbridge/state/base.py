"""AppState: what a handler sees of Django, as attributes of its state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.auth import alogin, alogout

from rxbridge.events import binder
from rxbridge.state.context import context_of

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.contrib.messages.storage.base import BaseStorage
    from django.contrib.sessions.backends.base import SessionBase
    from django.http import HttpRequest, HttpResponse
    from django.urls import ResolverMatch

    from rxbridge.state.context import EventContext

__all__ = ["AppState"]


class AppState:
    """A mixin for states whose handlers work with Django: ``class CartState(AppState, rx.State)``.

    Its properties read what is bound while the event runs; nothing is stored on the state. It is
    a plain class, so Reflex neither registers it nor makes its methods into event handlers a
    browser could call.
    """

    @property
    def request(self) -> HttpRequest | None:
        """The event's request, or ``None`` outside a bridged event."""
        return binder.current_request()

    @property
    def response(self) -> HttpResponse | None:
        """The event's response, on which cookies may be set."""
        return binder.current_response()

    @property
    def user(self) -> AbstractBaseUser | AnonymousUser:
        """The user the middleware resolved; an anonymous one outside an event."""
        return binder.current_user()

    @property
    def session(self) -> SessionBase | None:
        """The event's session; what a handler writes to it is saved after the handler."""
        return binder.current_session()

    @property
    def messages(self) -> BaseStorage | list[Any]:
        """The flash messages; iterating over them marks them as shown."""
        return binder.current_messages()

    @property
    def csrf_token(self) -> str | None:
        """A CSRF token that Django accepts from this browser."""
        return binder.current_csrf_token()

    @property
    def resolver_match(self) -> ResolverMatch | None:
        """The match whose view is this event's handler."""
        return getattr(binder.current_request(), "resolver_match", None)

    @property
    def django_context(self) -> EventContext:
        """What the template engine's context processors say, computed once for each event.

        In an async handler: ``context = await self.django_context``. In a synchronous one it is
        a mapping as it is. Outside an event it is empty.
        """
        return context_of(binder.current_request())

    async def has_perm(self, permission: str, obj: Any = None) -> bool:
        """Return whether the user has ``permission``, such as ``"shop.change_order"``.

        It asks Django's backends, on the event's thread, since they may ask the database. In a
        synchronous handler use ``self.user.has_perm``.
        """
        user: Any = binder.current_user()
        return bool(await sync_to_async(user.has_perm)(permission, obj))

    async def login(self, user: AbstractBaseUser, backend: str | None = None) -> None:
        """Sign ``user`` in, as ``django.contrib.auth.login`` does in a view.

        The session's key changes, signals are sent, and the rest of the handler, the mirrors and
        the next event are the new user's. ``CookieHandoff`` takes the cookie to the browser. In a
        synchronous handler call ``django.contrib.auth.login(self.request, user)``.
        """
        # Any user model will do; the stubs know only Django's own.
        await alogin(binder.unanswered("login").request, user, backend)  # type: ignore[arg-type]

    async def logout(self) -> None:
        """Sign the user out and end the session, as ``django.contrib.auth.logout`` does."""
        await alogout(binder.unanswered("logout").request)

    def navigate(self, url: str) -> None:
        """Take the browser to ``url`` after this event, once it has the event's cookies.

        ``url`` may be a page of the app or an address that Django answers; a redirect returned
        by the handler would leave before the cookies have arrived.
        """
        binder.set_destination(url)
