"""The signatures of ``rxbridge.events``, ``state`` and ``testing``, as a type checker sees them."""

from collections.abc import Mapping
from typing import Any, assert_type

import reflex as rx
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from rxbridge.asgi import ConnectionRegistry, CookieHandoff, MemoryTickets
from rxbridge.asgi._types import ASGIApp
from rxbridge.errors import InvalidEvent, RxBridgeError
from rxbridge.events import (
    DEFAULT_SKIP,
    ContextBinder,
    EventBridge,
    EventRequest,
    MiddlewareRunner,
    Outcome,
    PlanRow,
    ReflexEvent,
    Refusal,
    Revalidator,
    SessionRevoker,
    Sessions,
    SyntheticRequestFactory,
    ThreadPool,
    current_language,
    current_request,
    current_response,
    current_session,
    current_user,
    database_threads,
    reflex_asgi,
)
from rxbridge.state import AppState
from rxbridge.testing import (
    EventClient,
    Fired,
    MiddlewareRun,
    assert_refused,
    make_event,
    run_middleware,
)

assert_type(DEFAULT_SKIP, Mapping[str, str])
assert_type(database_threads(core=2, limit=8, wait=1), ThreadPool)

requests = SyntheticRequestFactory(ConnectionRegistry(), method="POST", frontend_path="/shop")
runner = MiddlewareRunner(["a.Middleware"], skip=["b.Middleware"], threads=None)
binder = ContextBinder()
assert_type(requests.build(make_event()), EventRequest)
assert_type(runner.explain(), list[PlanRow])

bridge: rx.Middleware = EventBridge(
    requests=requests,
    runner=runner,
    binder=binder,
    refuse=lambda refusal: [rx.toast.error(str(refusal.status))],
    only=lambda event: event.handler_name.startswith("shop."),
)
connections = ConnectionRegistry()
sessions = Sessions(connections, check_every=60.0, tickets=MemoryTickets())
assert_type(sessions.handoff, CookieHandoff)
assert_type(sessions.revoker, SessionRevoker)
assert_type(sessions.identity, Revalidator | None)
socket_app: ASGIApp = sessions
smallest: rx.Middleware = EventBridge(connections, sessions=sessions)
error: RxBridgeError = InvalidEvent("message")


def served(app: rx.App) -> None:
    assert_type(reflex_asgi(app), ASGIApp)


async def passed(request: EventRequest) -> None:
    async def view(request: HttpRequest, /, **payload: Any) -> HttpResponse:
        return HttpResponse()

    outcome = await runner.run(request, view, kwargs={"number": 1})
    assert_type(outcome, Outcome)
    assert_type(outcome.response, HttpResponseBase)
    assert_type(outcome.view_called, bool)
    assert_type(outcome.exception, Exception | None)
    django_request: ASGIRequest = request
    assert_type(request.reflex_event, ReflexEvent)
    with binder.bound(django_request) as binding:
        assert_type(binding.response, HttpResponse)


def inside_an_event(state: AppState) -> None:
    assert_type(current_request(), HttpRequest | None)
    assert_type(current_response(), HttpResponse | None)
    assert_type(current_user(), AbstractBaseUser | AnonymousUser)
    assert_type(current_session(), SessionBase | None)
    assert_type(current_language(), str | None)
    assert_type(state.user, AbstractBaseUser | AnonymousUser)
    assert_type(state.csrf_token, str | None)


async def under_test(app: rx.App) -> None:
    assert_type(await run_middleware("a.Middleware", event=make_event(path="/x")), MiddlewareRun)
    with EventClient(app) as sync:
        assert_type(sync.load("/"), Fired)
    async with EventClient(app, path="/x") as tab:
        assert_type(await tab.load("/"), Fired)
        fired = await tab.fire(None, slug="mug")
        assert_type(fired.redirect, str | None)
        assert_type(fired.toasts, list[str])
        assert_type(assert_refused(fired), Refusal)
