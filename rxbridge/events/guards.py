"""Guards: who may run an event handler."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast, overload
from urllib.parse import urlsplit

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseForbidden
from django.shortcuts import resolve_url
from django.utils.http import escape_leading_slashes

from rxbridge.errors import RxBridgeError
from rxbridge.events.binder import current_request

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

F = TypeVar("F", bound=Callable[..., Any])
Test: TypeAlias = Callable[[Any], "bool | Awaitable[bool]"]

GUARDS = "_rxbridge_guards"
"""The attribute of a handler that holds its guards, outermost first."""


class Refused(RxBridgeError, PermissionDenied):
    """A handler that does not run; ``response`` is what the chain answers instead.

    Where nothing looks for the response, Django takes it for the 403 it also is.
    """

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__(f"The handler did not run: {response.status_code}.")
        self.response = response


def open_to_visitors(handler: F) -> F:
    """Let a handler run for who is not signed in, ``LoginRequiredMiddleware`` or not.

    Django's ``login_not_required`` does it too; its type is for views only.
    """
    return cast("F", login_not_required(cast("Any", handler)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A test that the user of a request must pass, and where to send who is not signed in.

    ``blocks`` says that the test may ask the database, so that it needs a thread.
    """

    test: Test
    blocks: bool = True
    login_url: str | None = None
    redirect_field_name: str = REDIRECT_FIELD_NAME

    def check(self, request: HttpRequest | None) -> None:
        """Raise unless the user passes, from synchronous code."""
        if not answer_of(self.test, _user_of(request)):
            raise self._refusal(request)

    async def acheck(self, request: HttpRequest | None) -> None:
        """Raise unless the user passes, from the event loop."""
        user = _user_of(request)
        if self.blocks and not _is_async(self.test):
            passed = await sync_to_async(self.test)(user)
        else:
            passed = self.test(user)
        if inspect.isawaitable(passed):  # as in answer_of()
            passed = await passed
        if not passed:
            raise self._refusal(request)

    def _refusal(self, request: HttpRequest | None) -> Exception:
        if request is None:
            return PermissionDenied(
                "A guarded handler ran outside an event, or in one that the bridge leaves out, "
                "so it has no user. Let EventBridge run it."
            )
        if _user_of(request).is_authenticated:
            return Refused(HttpResponseForbidden())
        return Refused(self._login_redirect(request))

    def _login_redirect(self, request: HttpRequest) -> HttpResponseBase:
        """Return the redirect ``LoginRequiredMiddleware`` gives, with the page as ``next``."""
        # Django's login views define forms, which need the user model loaded.
        from django.contrib.auth.views import redirect_to_login

        here = request.build_absolute_uri()
        login = resolve_url(self.login_url or settings.LOGIN_URL)
        own, other = urlsplit(here), urlsplit(login)
        if other.scheme in ("", own.scheme) and other.netloc in ("", own.netloc):
            here = escape_leading_slashes(self._page(request))
        return redirect_to_login(here, login, self.redirect_field_name)

    def _page(self, request: HttpRequest) -> str:
        """Return the page's address, without the host.

        A browser that has left for the login page names that page's query and still this path,
        for the moment until Reflex's client has noted the new one. This page's own is in it.
        """
        named = request.GET.get(self.redirect_field_name, "")
        return named if named.partition("?")[0] == request.path else request.get_full_path()

    @overload
    def __call__(self, handler: F, /) -> F: ...

    @overload
    def __call__(
        self, /, *, login_url: str | None = None, redirect_field_name: str = REDIRECT_FIELD_NAME
    ) -> Guard: ...

    def __call__(self, handler: Any = None, /, **options: Any) -> Any:
        """Return ``handler`` behind this guard; without one, the guard with other options."""
        if handler is None:
            return replace(self, **options)
        if not inspect.isfunction(handler):
            msg = (
                f"A guard goes on the function of an event handler, not on {handler!r}. For a "
                "handler outside a state class, put the guard below @rx.event."
            )
            raise TypeError(msg)
        guarded: Any = wraps(handler)(_wrapper(self, handler))
        setattr(guarded, GUARDS, (self, *guards_of(handler)))
        if self.login_url is not None:
            # LoginRequiredMiddleware comes first and redirects by these.
            guarded.login_url = self.login_url
            guarded.redirect_field_name = self.redirect_field_name
        return guarded


def guards_of(handler: Callable[..., Any]) -> tuple[Guard, ...]:
    """Return the guards of a handler, outermost first."""
    return getattr(handler, GUARDS, ())


async def check_guards(handler: Callable[..., Any], request: HttpRequest | None) -> None:
    """Raise ``Refused`` or ``PermissionDenied`` unless ``request`` passes all of its guards.

    A guarded handler checks them itself when it is called. This is for whoever decides before
    that, as the bridge does when it admits a background task.
    """
    for guard in guards_of(handler):
        await guard.acheck(request)


def user_passes_test(
    test: Test, *, login_url: str | None = None, redirect_field_name: str = REDIRECT_FIELD_NAME
) -> Callable[[F], F]:
    """Let a handler run only for users for whom ``test(user)`` is true.

    ``test`` may be async. One that is not runs on the event's thread, so it may use the ORM.
    It is asked about an anonymous visitor too. Who fails and is not signed in goes to the login
    page, ``settings.LOGIN_URL`` unless ``login_url`` names another; who is signed in is told
    that it is forbidden.

    Source: ``django.contrib.auth.decorators``, which sends who is signed in to the login page.
    """
    return Guard(test=test, login_url=login_url, redirect_field_name=redirect_field_name)


def permission_required(
    *permissions: str,
    login_url: str | None = None,
    redirect_field_name: str = REDIRECT_FIELD_NAME,
) -> Callable[[F], F]:
    """Let a handler run only for users who have all ``permissions``, such as ``"shop.add_order"``.

    The backends of ``settings.AUTHENTICATION_BACKENDS`` decide, for an anonymous visitor too.
    """
    _check_names("permission_required", permissions, "shop.add_order")
    if wrong := [permission for permission in permissions if "." not in permission]:
        msg = f'A permission is written "app_label.codename"; got {wrong[0]!r}.'
        raise ValueError(msg)

    def has_permissions(user: Any) -> bool:
        return bool(user.has_perms(permissions))

    return Guard(test=has_permissions, login_url=login_url, redirect_field_name=redirect_field_name)


def group_required(
    *groups: str,
    login_url: str | None = None,
    redirect_field_name: str = REDIRECT_FIELD_NAME,
) -> Callable[[F], F]:
    """Let a handler run only for active members of at least one of ``groups``, by name.

    A superuser passes as a member, not otherwise.
    """
    _check_names("group_required", groups, "editors")

    def is_member(user: Any) -> bool:
        if not user.is_active or not hasattr(user, "groups"):
            return False
        return bool(user.groups.filter(name__in=groups).exists())

    return Guard(test=is_member, login_url=login_url, redirect_field_name=redirect_field_name)


def _is_signed_in(user: Any) -> bool:
    return bool(user.is_authenticated)


def _is_staff(user: Any) -> bool:
    return bool(user.is_active and getattr(user, "is_staff", False))


login_required = Guard(test=_is_signed_in, blocks=False)
"""Let a handler run only for users who are signed in; written with or without options."""

staff_required = Guard(test=_is_staff, blocks=False)
"""Let a handler run only for active staff, as the admin does; written with or without options."""


def _check_names(guard: str, names: tuple[object, ...], example: str) -> None:
    # Also catches the guard written without its arguments, which is given the handler.
    if not names or not all(isinstance(name, str) and name for name in names):
        msg = f'@{guard} needs names: write @{guard}("{example}").'
        raise ValueError(msg)


def _user_of(request: HttpRequest | None) -> Any:
    user = getattr(request, "user", None)
    return AnonymousUser() if user is None else user


def _is_async(test: Test) -> bool:
    return inspect.iscoroutinefunction(test) or inspect.iscoroutinefunction(type(test).__call__)


def answer_of(test: Callable[..., bool | Awaitable[bool]], *args: Any) -> bool:
    """Call a test from synchronous code.

    Even a plain function may return a coroutine, which would pass for true.
    """
    answer = test(*args)
    return bool(async_to_sync(_awaited)(answer) if inspect.isawaitable(answer) else answer)


async def _awaited(awaitable: Awaitable[bool]) -> bool:
    return await awaitable


def _wrapper(guard: Guard, handler: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of the handler's kind, by which Reflex decides how to run it."""
    if inspect.isasyncgenfunction(handler):
        return _async_generator(guard, handler)
    if inspect.iscoroutinefunction(handler):
        return _coroutine(guard, handler)
    if inspect.isgeneratorfunction(handler):
        return _generator(guard, handler)
    return _function(guard, handler)


def _function(guard: Guard, handler: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Any:
        guard.check(current_request())
        return handler(*args, **kwargs)

    return guarded


def _generator(guard: Guard, handler: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        guard.check(current_request())
        return (yield from handler(*args, **kwargs))

    return guarded


def _coroutine(guard: Guard, handler: Callable[..., Any]) -> Callable[..., Any]:
    async def guarded(*args: Any, **kwargs: Any) -> Any:
        await guard.acheck(current_request())
        return await handler(*args, **kwargs)

    return guarded


def _async_generator(guard: Guard, handler: Callable[..., Any]) -> Callable[..., Any]:
    async def guarded(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        await guard.acheck(current_request())
        async with aclosing(handler(*args, **kwargs)) as steps:
            async for step in steps:
                yield step

    return guarded
