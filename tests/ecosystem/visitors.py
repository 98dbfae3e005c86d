"""A visitor: has pieces of work done in a Django view, or in an event's handler, by one chain."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.test import Client

from rxbridge.events import DEFAULT_SKIP, SyntheticRequestFactory, current_request
from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.pieces import Piece, Work, nothing
from tests.ecosystem.site import bridged_app

By = Literal["view", "handler", "async handler", "background task"]


class Desk(AppState, rx.State):
    """Does the same in its handlers."""

    @rx.event
    def do(self, key: str):
        Piece.asked[key](self.request)

    @rx.event
    async def do_async(self, key: str):
        await sync_to_async(Piece.asked[key])(self.request)

    @rx.event(background=True)
    async def do_in_background(self, key: str):
        await self.in_middleware(lambda: Piece.asked[key](current_request()))


HANDLERS = {
    "handler": Desk.do,
    "async handler": Desk.do_async,
    "background task": Desk.do_in_background,
}

EVERYWHERE = pytest.mark.parametrize("visit", ["view", *HANDLERS], indirect=True)
"""For a package whose context a piece of a background task has to be in as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of a piece of work: whether it was done, what it gave, what the chain answered."""

    ran: bool
    value: Any
    status: int
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Visitor:
    """One browser, at a page of the site."""

    by: By
    cookies: Mapping[str, str]

    def does(self, work: Work = nothing) -> Answer:
        """Have ``work`` done, inside the chain."""
        piece = Piece(work)
        with piece.named() as key:
            status, headers = self._send(key)
        location = headers.get("Location")
        return Answer(
            ran=piece.ran, value=piece.value, status=status, location=location, headers=headers
        )

    def _send(self, key: str) -> tuple[int, Mapping[str, str]]:
        raise NotImplementedError


class _ByView(Visitor):
    by: By = "view"

    def __init__(
        self,
        *,
        user: Any,
        method: str,
        path: str,
        query: str,
        host: str,
        client: str,
        headers: Mapping[str, str] | None,
        cookies: Mapping[str, str] | None,
    ) -> None:
        self._browser = Client(
            raise_request_exception=False, headers=headers, HTTP_HOST=host, REMOTE_ADDR=client
        )
        self._browser.cookies.load(cookies or {})
        if user is not None:
            self._browser.force_login(user)
        self._method, self._url = method, f"{path}?{query}" if query else path

    @property
    def cookies(self) -> Mapping[str, str]:
        return {name: each.value for name, each in self._browser.cookies.items() if each.value}

    def _send(self, key: str) -> tuple[int, Mapping[str, str]]:
        answer = self._browser.generic(self._method, self._url, headers={"X-Piece": key})
        return answer.status_code, answer.headers


class _ByHandler(Visitor):
    def __init__(
        self,
        stack: ExitStack,
        by: By,
        *,
        method: str,
        path: str,
        query: str,
        skip: tuple[str, ...],
        **browser: Any,
    ) -> None:
        app = bridged_app(
            partial(SyntheticRequestFactory, method=method),
            skip={**DEFAULT_SKIP, **dict.fromkeys(skip, "as the docs say")},
        )
        self.by = by
        client = EventClient(app, path=path, raise_exceptions=False, **browser)
        client.query = query
        self._handler = HANDLERS[by]
        self._tab = stack.enter_context(client)

    @property
    def cookies(self) -> Mapping[str, str]:
        return self._tab.cookies

    def _send(self, key: str) -> tuple[int, Mapping[str, str]]:
        fired = self._tab.fire(self._handler, key=key)
        self._tab.background()
        for refusal in fired.refusals:
            return refusal.status, {"Location": refusal.location} if refusal.location else {}
        return 500 if fired.exceptions else 200, {}


class Visit:
    """Makes visitors; the test that gets it runs with a view, a handler and an async handler."""

    def __init__(self, stack: ExitStack, by: By) -> None:
        self._stack, self.by = stack, by

    def __call__(
        self,
        user: Any = None,
        *,
        method: str = "POST",
        path: str = "/",
        query: str = "",
        host: str = "localhost",
        client: str = "127.0.0.1",
        headers: Mapping[str, str] | None = None,
        cookies: Mapping[str, str] | None = None,
        skip: tuple[str, ...] = (),
    ) -> Visitor:
        """Return a visitor; ``skip`` is what events leave out besides what they do anyway."""
        options = {
            "user": user,
            "method": method,
            "path": path,
            "query": query,
            "host": host,
            "client": client,
            "headers": headers,
            "cookies": cookies,
        }
        if self.by == "view":
            return _ByView(**options)
        return _ByHandler(self._stack, self.by, skip=skip, **options)


def package(
    name: str,
    *last: str,
    first: tuple[str, ...] = (),
    instead: Mapping[str, str] | None = None,
    **settings: Any,
) -> pytest.MarkDecorator:
    """Mark a test of the package of that name on PyPI, and of its middleware.

    ``last`` stands behind startproject's middleware, ``first`` before it, ``instead`` in the
    place of one of them. The docstring of the test is what the table of the docs says was checked.
    """
    return pytest.mark.package(name, first=first, last=last, instead=instead or {}, set=settings)
