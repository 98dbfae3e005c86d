"""What an event's failure is told to: Django's signal, Django's loggers, as for a plain view."""

import asyncio
import sys
import threading
from contextvars import ContextVar

import pytest
from asgiref.sync import iscoroutinefunction, sync_to_async
from django import VERSION
from django.contrib.auth.models import User
from django.core import mail
from django.core.exceptions import (
    BadRequest,
    DisallowedHost,
    PermissionDenied,
    SuspiciousFileOperation,
)
from django.core.signals import got_request_exception
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.test import Client, override_settings
from django.urls import path
from django.utils.decorators import async_only_middleware, sync_and_async_middleware
from django.utils.deprecation import MiddlewareMixin

from rxbridge.events import MiddlewareRunner, SyntheticRequestFactory, ThreadPool, database_threads
from rxbridge.testing import make_event

requests = SyntheticRequestFactory()
ERRORS = {
    error.__name__: error
    for error in (
        *(BadRequest, DisallowedHost, Http404, KeyError, PermissionDenied),
        SuspiciousFileOperation,
    )
}


def fail(name):
    raise ERRORS[name](name)


# The plain view beside the event: it fails in the view, or in the innermost middleware.


def view(request, name):
    fail(name)


urlpatterns = [path("<name>", view)]
ERROR_PAGES = {
    "with status 200": lambda request, exception: HttpResponse("Sorry."),
    "to the login": lambda request, exception: HttpResponseRedirect("/login/"),
    "that fails": lambda request, exception: 1 / 0,
}


class InMiddleware(MiddlewareMixin):
    def process_request(self, request):
        if request.path.startswith("/middleware-"):
            fail(request.path.removeprefix("/middleware-"))


local = threading.local()
mark = ContextVar("mark", default=None)


def in_thread_local(get_response):
    def middleware(request):
        local.mark = "ours"
        try:
            return get_response(request)
        finally:
            del local.mark

    return middleware


@sync_and_async_middleware
def in_context_var(get_response):
    async def middleware(request):
        token = mark.set("ours")
        try:
            return await get_response(request)
        finally:
            mark.reset(token)

    def sync_middleware(request):
        token = mark.set("ours")
        try:
            return get_response(request)
        finally:
            mark.reset(token)

    return middleware if iscoroutinefunction(get_response) else sync_middleware


class Hooks(MiddlewareMixin):
    def process_request(self, request):
        local.hooked = "ours"

    def process_response(self, request, response):
        del local.hooked
        return response


STACK = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    f"{__name__}.in_thread_local",
    f"{__name__}.in_context_var",
    f"{__name__}.Hooks",
    f"{__name__}.InMiddleware",
]


@pytest.fixture(autouse=True)
def site():
    with override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=STACK, ALLOWED_HOSTS=["testserver"]):
        yield


async def fire(name, *, at="/", cookies=None, **options):
    """Return the outcome of an event whose handler raises ``name``, or its middleware does."""

    async def handler(request):
        await asyncio.sleep(0)
        if not name.startswith("middleware-"):
            fail(name)

    path = f"/{name}" if name.startswith("middleware-") else at
    event = make_event(path=path, host="testserver", cookies=cookies)
    options.setdefault("threads", database_threads(core=1))
    return await MiddlewareRunner(**options).run(requests.build(event), handler)


@pytest.fixture
def told():
    """What the signal's receivers find around them."""
    found = []

    def receiver(sender, request, **kwargs):
        found.append(
            (
                getattr(local, "mark", None),
                getattr(local, "hooked", None),
                mark.get(),
                request.user.get_username(),
                sys.exc_info()[0],
            )
        )

    got_request_exception.connect(receiver)
    yield found
    got_request_exception.disconnect(receiver)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", ["KeyError", "middleware-KeyError"])
async def test_receivers_of_the_signal_are_inside_all_middleware_as_of_a_view(name, told):
    ada = await User.objects.acreate_user("ada")
    client = Client(raise_request_exception=False)
    await sync_to_async(client.force_login)(ada)
    assert (await sync_to_async(client.get)(f"/{name}")).status_code == 500
    cookies = {key: morsel.value for key, morsel in client.cookies.items()}
    outcome = await fire(name, cookies=cookies)
    assert isinstance(outcome.exception, KeyError)
    assert told == [("ours", "ours", "ours", "ada", KeyError)] * 2


@pytest.mark.parametrize("name", [n for each in ERRORS for n in (each, f"middleware-{each}")])
async def test_failure_is_logged_as_that_of_a_view(name, caplog):
    def taken():
        lines = [
            (
                record.name,
                record.levelname,
                record.getMessage(),
                getattr(record, "status_code", None),
                record.request.path,
                record.exc_info and record.exc_info[0],
            )
            for record in caplog.records
        ]
        caplog.clear()
        return lines

    await sync_to_async(Client(raise_request_exception=False).get)(f"/{name}")
    expected = taken()
    outcome = await fire(name, at=f"/{name}")
    assert taken() == expected != []
    assert outcome.response.status_code == expected[0][3]


@override_settings(ADMINS=["ops@example.com"] if VERSION >= (6,) else [("", "ops@example.com")])
@pytest.mark.parametrize("name", ["KeyError", "middleware-KeyError"])
async def test_admins_get_their_mail(name, mailoutbox):
    await fire(name)
    [message] = mailoutbox
    assert "Internal Server Error: /" in message.subject
    assert "KeyError" in message.body
    assert message.to == ["ops@example.com"]
    assert mail.outbox is mailoutbox


async def test_chain_that_timed_out_is_told_of_while_its_thread_is_still_blocked(caplog):
    lets_go, came_back = threading.Event(), threading.Event()
    pool = ThreadPool(core=1, clean=came_back.set)

    def blocks(get_response):
        def middleware(request):
            assert lets_go.wait(60)
            return get_response(request)

        return middleware

    try:
        outcome = await fire("Http404", middleware=[blocks], threads=pool, admission_timeout=0.05)
        assert (outcome.response.status_code, pool.free) == (503, 0)
        assert isinstance(outcome.exception, TimeoutError)
        [record] = caplog.records
        assert (record.name, record.status_code) == ("django.request", 503)
        assert record.exc_info[0] is TimeoutError
    finally:
        lets_go.set()
        await asyncio.to_thread(came_back.wait, 60)
    assert caplog.records == [record]


async def test_event_without_a_thread_is_told_of_once(caplog):
    pool = ThreadPool(core=1, limit=1, wait=0.05)
    middleware = [in_thread_local, Hooks, async_only_middleware(in_context_var), Hooks]
    with pool.lease() as lease:
        lease.submit(lambda: None)
        outcome = await fire("Http404", middleware=middleware, threads=pool)
    assert (outcome.view_called, outcome.response.status_code) == (False, 503)
    [record] = caplog.records
    assert (record.name, record.status_code) == ("django.request", 503)


@pytest.mark.parametrize("propagate", [True, False])
async def test_error_page_that_fails_changes_nothing(propagate, caplog, monkeypatch):
    monkeypatch.setitem(globals(), "handler500", lambda request: 1 / 0)
    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=propagate):
        outcome = await fire("KeyError")
    assert (outcome.response.status_code, type(outcome.exception)) == (500, KeyError)
    [record] = caplog.records
    assert "KeyError" in caplog.text
    assert (record.name, record.status_code) == ("django.request", 500)


# Nothing stands in for what a handler raised ---------------------------------------------------


class Fallback(MiddlewareMixin):
    """Answer for a path the project has something at, as flat pages and redirects do."""

    answers = {"/about": 200, "/moved": 301, "/members": 302, "/form": 403}

    def process_response(self, request, response):
        if response.status_code < 400:
            return response
        return HttpResponse(status=self.answers.get(request.path, response.status_code))


@pytest.mark.parametrize("at", [*Fallback.answers, "/elsewhere"])
@pytest.mark.parametrize("error_page", ERROR_PAGES)
@pytest.mark.parametrize(("name", "status"), [("Http404", 404), ("PermissionDenied", 403)])
async def test_status_of_what_a_handler_raised_stays(monkeypatch, name, status, error_page, at):
    monkeypatch.setitem(globals(), f"handler{status}", ERROR_PAGES[error_page])
    outcome = await fire(name, at=at, middleware=[Fallback])
    assert (outcome.response.status_code, outcome.exception) == (status, None)


async def test_handler_that_does_not_raise_is_answered_by_its_middleware():
    async def handler(request):
        return HttpResponse(status=404)

    event = make_event(path="/moved", host="testserver")
    outcome = await MiddlewareRunner([Fallback]).run(requests.build(event), handler)
    assert outcome.response.status_code == 301


async def test_failure_on_the_way_out_is_not_hidden_by_what_the_handler_raised():
    class Breaks(MiddlewareMixin):
        def process_response(self, request, response):
            raise KeyError

    outcome = await fire("Http404", middleware=[Breaks])
    assert outcome.response.status_code == 500
    assert isinstance(outcome.exception, KeyError)
