"""MiddlewareRunner: Django's order, nothing runs that was not let through, one thread an event."""

import asyncio
import gc
import pickle
import random
import sys
import threading
import time
import weakref
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from datetime import timedelta

import django
import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib import auth, messages
from django.contrib.auth import login
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.decorators import user_passes_test
from django.contrib.auth.models import AnonymousUser, User, UserManager
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import BadRequest, MiddlewareNotUsed, PermissionDenied
from django.core.signals import got_request_exception
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.signals import connection_created
from django.db.models import CharField, QuerySet
from django.db.models.signals import post_init, post_save, pre_save
from django.db.models.sql.compiler import SQLCompiler, SQLUpdateCompiler
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.middleware.common import CommonMiddleware
from django.template.loader import get_template
from django.test import Client, override_settings
from django.urls import get_urlconf
from django.utils import timezone, translation
from django.utils.decorators import (
    async_only_middleware,
    sync_and_async_middleware,
    sync_only_middleware,
)
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject

from rxbridge.errors import RxBridgeError
from rxbridge.events import MiddlewareRunner, SyntheticRequestFactory, ThreadPool, database_threads
from rxbridge.events.chain import runner as runner_module
from rxbridge.events.chain.identity import with_quick_rows
from rxbridge.events.threads import worker as _worker
from rxbridge.events.threads.pool import Lease, let_thread_go
from rxbridge.testing import make_event

requests = SyntheticRequestFactory()


def make_request(**event):
    return requests.build(make_event(**event))


async def handler(request):
    """Do nothing, as a view."""


def run(middleware, view=handler, *, request=None, **options):
    """Run ``view`` inside ``middleware`` on a pool of its own."""
    options.setdefault("threads", ThreadPool(core=2))
    runner = MiddlewareRunner(middleware, **options)
    return runner.run(request or make_request(), view)


async def until(condition, seconds=5.0):
    """Wait until ``condition`` holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "never came true"
        await asyncio.sleep(0.002)


def whole(pool):
    return pool.free == pool.size


async def never_whole(pool):
    """See that a thread stays with its event for as long as the pool looks three times."""
    let_go, looks = pool.let_go, []
    pool.let_go = lambda worker: looks.append(let_go(worker))
    await until(lambda: len(looks) == 3)
    del pool.let_go
    assert not whole(pool)


async def sign_in(user):
    def cookies():
        client = Client()
        client.force_login(user)
        return {name: morsel.value for name, morsel in client.cookies.items()}

    return await sync_to_async(cookies)()


# Order -----------------------------------------------------------------------------------------


def recorders(log):
    """Return one recording middleware of each kind, outermost first, with its name."""

    class Hooks(MiddlewareMixin):
        def process_request(self, request):
            log.append("hooks in")

        def process_view(self, request, view, args, kwargs):
            log.append("hooks view")

        def process_response(self, request, response):
            log.append("hooks out")
            return response

    class Plain:
        def __init__(self, get_response):
            self.get_response = get_response

        def __call__(self, request):
            log.append("class in")
            response = self.get_response(request)
            log.append("class out")
            return response

    @sync_only_middleware
    def sync_function(get_response):
        def middleware(request):
            log.append("sync in")
            response = get_response(request)
            log.append("sync out")
            return response

        return middleware

    @async_only_middleware
    def async_function(get_response):
        async def middleware(request):
            log.append("async in")
            response = await get_response(request)
            log.append("async out")
            return response

        return middleware

    @sync_and_async_middleware
    def both_ways(get_response):
        async def middleware(request):
            log.append("both in")
            response = await get_response(request)
            log.append("both out")
            return response

        return middleware

    return {
        "hooks": Hooks,
        "class": Plain,
        "sync": sync_function,
        "async": async_function,
        "both": both_ways,
    }


@pytest.mark.parametrize("shuffled", range(6))
async def test_response_phase_comes_after_the_view_in_reverse_order(shuffled):
    log = []
    chosen = recorders(log)
    order = random.Random(shuffled).sample(list(chosen), len(chosen))

    async def view(request):
        log.append("view")
        await asyncio.sleep(0.001)
        log.append("view ends")

    outcome = await run([chosen[name] for name in order], view)
    ways_in = [f"{name} in" for name in order]
    ways_out = [f"{name} out" for name in reversed(order)]
    assert log == [*ways_in, "hooks view", "view", "view ends", *ways_out]
    assert (outcome.view_called, outcome.response.status_code, outcome.exception) == (
        True,
        200,
        None,
    )


async def test_process_view_sees_the_view_and_may_change_its_arguments():
    seen = []

    class Look(MiddlewareMixin):
        def process_view(self, request, view_func, view_args, view_kwargs):
            seen.append((view_func.__name__, view_func.open, view_args, dict(view_kwargs)))
            view_kwargs["slug"] = "changed"

    async def view(request, slug):
        seen.append(slug)

    view.open = True

    payload = {"slug": "sent"}
    runner = MiddlewareRunner([Look], threads=ThreadPool())
    await runner.run(make_request(), view, kwargs=payload)
    assert seen == [("view", True, (), {"slug": "sent"}), "changed"]
    assert payload == {"slug": "sent"}


@pytest.mark.parametrize("late", [False, True], ids=["", "after an async hook"])
@pytest.mark.parametrize("allowed", [False, True])
async def test_process_view_may_decorate_the_view_and_call_that(allowed, late):
    class First(MiddlewareMixin):
        async def process_view(self, request, view_func, view_args, view_kwargs):
            return None

    class Decorate(MiddlewareMixin):
        def process_view(self, request, view_func, view_args, view_kwargs):
            decorator = user_passes_test(lambda user: allowed, login_url="/login/")
            return decorator(view_func)(request, *view_args, **view_kwargs)

    class Visitor(MiddlewareMixin):
        def process_request(self, request):
            request.auser = auser

    async def auser():
        return AnonymousUser()

    async def view(request, slug):
        pass

    runner = MiddlewareRunner([Visitor, *[First] * late, Decorate], threads=ThreadPool())
    outcome = await runner.run(make_request(), view, kwargs={"slug": "a"})
    assert outcome.exception is None
    assert (outcome.view_called, outcome.response.status_code) == (allowed, 200 if allowed else 302)


async def test_process_exception_may_answer_what_the_view_raised():
    class Answer(MiddlewareMixin):
        def process_exception(self, request, exception):
            return HttpResponse(str(exception), status=409)

    async def view(request):
        raise ValueError("conflict")

    outcome = await run([Answer], view)
    assert (outcome.response.status_code, outcome.response.content) == (409, b"conflict")
    assert (outcome.view_called, outcome.exception) == (True, None)


# Fail closed -----------------------------------------------------------------------------------


def answering(status):
    return lambda get_response: lambda request: HttpResponse(status=status)


def lets_through(get_response):
    def middleware(request):
        return get_response(request)

    return middleware


def hook_that(name, does):
    return type("Hook", (MiddlewareMixin,), {f"process_{name}": lambda self, *args: does()})


def failing(error):
    def fail(*args):
        raise error

    return fail


@async_only_middleware
def times_out(get_response):
    async def middleware(request):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(5)
        return await get_response(request)

    return middleware


@async_only_middleware
def async_none(get_response):
    async def middleware(request):
        return None

    return middleware


def returns_coroutine(get_response):
    async def middleware(request):
        return HttpResponse()

    return middleware


class AsksForHost(MiddlewareMixin):
    def process_request(self, request):
        request.get_host()


REFUSALS = {
    "redirect": (lambda get_response: lambda request: HttpResponseRedirect("/login/"), 302, None),
    "bad request": (answering(400), 400, None),
    "disallowed host": (AsksForHost, 400, None),
    "unauthorized": (answering(401), 401, None),
    "forbidden": (answering(403), 403, None),
    "not found": (answering(404), 404, None),
    "too many": (answering(429), 429, None),
    "unavailable": (answering(503), 503, None),
    "short-circuit with 200": (answering(200), 200, None),
    "process_request answers": (hook_that("request", lambda: HttpResponse(status=403)), 403, None),
    "process_view answers": (hook_that("view", lambda: HttpResponse(status=403)), 403, None),
    "process_request raises": (hook_that("request", failing(KeyError("x"))), 500, KeyError),
    "process_view raises": (hook_that("view", failing(KeyError("x"))), 500, KeyError),
    "process_request denies": (hook_that("request", failing(PermissionDenied())), 403, None),
    "process_view denies": (hook_that("view", failing(PermissionDenied())), 403, None),
    "process_view finds nothing": (hook_that("view", failing(Http404())), 404, None),
    "process_view: bad request": (hook_that("view", failing(BadRequest())), 400, None),
    "__call__ raises": (lambda get_response: failing(KeyError("x")), 500, KeyError),
    "async timeout": (times_out, 500, TimeoutError),
    "returns None": (lambda get_response: lambda request: None, 500, RxBridgeError),
    "async returns None": (async_none, 500, RxBridgeError),
    "returns a coroutine": (returns_coroutine, 500, RxBridgeError),
    "returns a string": (lambda get_response: lambda request: "ok", 500, RxBridgeError),
    "process_request returns True": (hook_that("request", lambda: True), 500, RxBridgeError),
    "process_view returns True": (hook_that("view", lambda: True), 500, RxBridgeError),
}


@pytest.mark.parametrize("inside_sync", [False, True], ids=["alone", "inside a sync middleware"])
@pytest.mark.parametrize(("middleware", "status", "error"), REFUSALS.values(), ids=REFUSALS)
async def test_handler_does_not_run_unless_the_chain_lets_it(
    middleware, status, error, inside_sync
):
    ran = []

    async def view(request):
        ran.append(request)

    around = [lets_through] if inside_sync else []
    outcome = await run([*around, middleware], view, request=make_request(host="evil.test"))
    assert ran == []
    assert outcome.view_called is False
    assert outcome.response.status_code == status
    assert isinstance(outcome.exception, error) if error else outcome.exception is None


LATE_FAILURES = {
    "process_response raises": (hook_that("response", failing(KeyError("x"))), 500, KeyError),
    "process_response denies": (hook_that("response", failing(PermissionDenied())), 403, None),
    "process_response returns None": (hook_that("response", lambda: None), 500, RxBridgeError),
}


@pytest.mark.parametrize(
    ("middleware", "status", "error"), LATE_FAILURES.values(), ids=LATE_FAILURES
)
async def test_failure_on_the_way_out_is_reported_though_the_handler_ran(middleware, status, error):
    outcome = await run([middleware])
    assert (outcome.view_called, outcome.response.status_code) == (True, status)
    assert isinstance(outcome.exception, error) if error else outcome.exception is None


async def test_first_of_two_failures_is_the_one_reported():
    async def view(request):
        raise ValueError

    outcome = await run([hook_that("response", failing(KeyError("x")))], view)
    assert isinstance(outcome.exception, ValueError)


@pytest.mark.parametrize("hook", ["exception", "template_response"])
async def test_exception_in_a_hook_after_the_view_is_kept(hook):
    class Rendered(HttpResponse):
        def render(self):
            return self

    async def view(request):
        if hook == "exception":
            raise ValueError
        return Rendered()

    outcome = await run([hook_that(hook, failing(KeyError("x")))], view)
    assert (outcome.view_called, outcome.response.status_code) == (True, 500)
    assert isinstance(outcome.exception, KeyError)


let_go = threading.Event()


@async_only_middleware
def slow_async(get_response):
    async def middleware(request):
        await asyncio.to_thread(let_go.wait)
        return await get_response(request)

    return middleware


def slow_sync(get_response):
    def middleware(request):
        let_go.wait()
        return get_response(request)

    return middleware


class SlowView(MiddlewareMixin):
    async def process_view(self, request, view, args, kwargs):
        await asyncio.to_thread(let_go.wait)


@pytest.mark.parametrize(
    "middleware", [slow_async, slow_sync, hook_that("request", let_go.wait), SlowView]
)
async def test_chain_that_takes_too_long_to_admit_refuses_and_never_runs_the_handler(middleware):
    ran = []

    async def view(request):
        ran.append(request)

    let_go.clear()
    pool = ThreadPool(core=1)
    outcome = await run([middleware], view, threads=pool, admission_timeout=0.03)
    let_go.set()
    assert (outcome.view_called, outcome.response.status_code) == (False, 503)
    assert isinstance(outcome.exception, TimeoutError)
    await until(lambda: whole(pool))
    await asyncio.sleep(0.05)
    assert ran == []


async def test_way_out_of_an_event_refused_on_the_loop_is_limited_too():
    stack = [
        hook_that("response", lambda: let_go.wait(5)),
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.LoginRequiredMiddleware",
    ]
    let_go.clear()
    outcome = await run(stack, threads=ThreadPool(core=1), admission_timeout=0.03)
    let_go.set()
    assert (outcome.view_called, outcome.response.status_code) == (False, 503)


async def test_admission_timeout_does_not_limit_the_handler():
    async def view(request):
        await asyncio.sleep(0.1)

    outcome = await run([], view, admission_timeout=0.03)
    assert (outcome.view_called, outcome.response.status_code) == (True, 200)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_handler_runs_once_though_get_response_is_called_twice(kind):
    def sync_twice(get_response):
        def middleware(request):
            get_response(request)
            return get_response(request)

        return middleware

    @async_only_middleware
    def async_twice(get_response):
        async def middleware(request):
            await get_response(request)
            return await get_response(request)

        return middleware

    ran = []

    async def view(request):
        ran.append(request)

    outcome = await run([sync_twice if kind == "sync" else async_twice], view)
    assert len(ran) == 1
    assert (outcome.view_called, outcome.response.status_code) == (True, 500)
    assert isinstance(outcome.exception, RxBridgeError)


async def test_get_response_called_after_the_event_is_over_does_not_run_the_handler():
    later = []

    @async_only_middleware
    def keeps_it_for_later(get_response):
        async def middleware(request):
            async def late():
                await asyncio.sleep(0.01)
                return await get_response(request)

            later.append(asyncio.create_task(late()))
            return HttpResponse(status=202)

        return middleware

    ran = []

    async def view(request):
        ran.append(request)

    outcome = await run([keeps_it_for_later], view)
    assert (await later[0]).status_code == 500
    assert ran == []
    assert (outcome.view_called, outcome.response.status_code) == (False, 202)


@pytest.mark.parametrize(
    ("said", "reason"),
    [("off here", "not used: off here"), ((), "not used: it did not say why")],
)
async def test_middleware_not_used_is_left_out_and_named_in_the_plan(said, reason):
    def unused(get_response):
        raise MiddlewareNotUsed(said) if said else MiddlewareNotUsed

    log = []
    chosen = recorders(log)
    runner = MiddlewareRunner([chosen["hooks"], unused, chosen["async"]], threads=ThreadPool())
    outcome = await runner.run(make_request(), handler)
    assert outcome.view_called
    assert log == ["hooks in", "async in", "hooks view", "async out", "hooks out"]
    row = next(row for row in runner.explain() if "unused" in row.middleware)
    assert (row.runs, row.reason) == ("skipped", reason)


async def test_pool_without_a_free_thread_refuses_with_503():
    pool = ThreadPool(core=1, limit=1, wait=0.03)
    taken = pool.lease()
    taken.submit(int)
    outcome = await run([hook_that("request", lambda: None)], threads=pool)
    assert (outcome.view_called, outcome.response.status_code) == (False, 503)
    taken.shutdown()


@pytest.mark.parametrize("inner", [hook_that("response", lambda: None), slow_sync])
async def test_middleware_further_out_sees_the_refusal_for_want_of_a_thread(inner):
    seen = []

    @async_only_middleware
    def outer(get_response):
        async def middleware(request):
            response = await get_response(request)
            seen.append(response.status_code)
            return response

        return middleware

    pool = ThreadPool(core=1, limit=1, wait=0.03)
    taken = pool.lease()
    taken.submit(int)
    outcome = await run([outer, inner], threads=pool)
    assert seen == [outcome.response.status_code] == [503]
    taken.shutdown()


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("django.middleware.common.CommonMiddleware",), {}),
        (([],), {"skip": "django.middleware.common.CommonMiddleware"}),
        (([],), {"admission_timeout": 0}),
        (([lambda get_response: None],), {}),
    ],
)
def test_senseless_options_are_refused(arguments, options):
    with pytest.raises(ValueError, match=r"must be|write|return a callable"):
        MiddlewareRunner(*arguments, **options)


# Threads and contexts --------------------------------------------------------------------------


async def test_all_sync_code_of_an_event_runs_on_one_thread():
    seen = []

    def here(*args):
        seen.append(threading.get_ident())

    class Hooks(MiddlewareMixin):
        process_request = here
        process_view = here

        def process_response(self, request, response):
            here()
            return response

        def process_exception(self, request, exception):
            here()
            return HttpResponse()

    def sync_only(get_response):
        def middleware(request):
            here()
            response = get_response(request)
            here()
            return response

        return middleware

    async def view(request):
        await sync_to_async(here)()
        await asyncio.gather(sync_to_async(here)(), sync_to_async(here)())
        raise ValueError

    _, _, _, _, both = recorders([]).values()
    outcome = await run([Hooks, both, sync_only, both, Hooks], view)
    assert outcome.response.status_code == 200
    assert len(seen) == 12
    assert len(set(seen)) == 1
    assert threading.get_ident() not in seen


in_thread = threading.local()
in_context = ContextVar("in_context")


class KeepUserInThread(MiddlewareMixin):
    def process_request(self, request):
        in_thread.user = request.META["HTTP_X_USER"]

    def process_response(self, request, response):
        response["X-Seen"] = in_thread.user
        del in_thread.user
        return response


@sync_and_async_middleware
def keep_user_in_context(get_response):
    async def middleware(request):
        in_context.set(request.META["HTTP_X_USER"])
        response = await get_response(request)
        response["X-Seen-Too"] = in_context.get()
        return response

    return middleware


@sync_and_async_middleware
def lets_all_through(get_response):
    async def middleware(request):
        await sync_to_async(str)(request)
        return await get_response(request)

    return middleware


def keep_user_in_thread_around(get_response):
    def middleware(request):
        in_thread.outer = request.META["HTTP_X_USER"]
        response = get_response(request)
        response["X-Seen-Outside"] = in_thread.outer
        return response

    return middleware


@pytest.mark.parametrize(
    "stack",
    [
        [KeepUserInThread, keep_user_in_context],
        [keep_user_in_context, keep_user_in_thread_around, KeepUserInThread],
    ],
)
async def test_nobody_reads_anothers_user_among_200_concurrent_events(stack):
    chance = random.Random(7)
    runner = MiddlewareRunner(stack, threads=ThreadPool(core=4, limit=32))

    def mine():
        return in_thread.user

    async def view(request):
        seen = set()
        for _ in range(chance.randrange(1, 4)):
            await asyncio.sleep(chance.random() / 200)
            seen |= {await sync_to_async(mine)(), in_context.get()}
        return HttpResponse(",".join(sorted(seen)))

    async def one(user):
        outcome = await runner.run(make_request(headers={"x-user": user}), view)
        assert outcome.exception is None
        response = outcome.response
        return {response.content.decode(), response["X-Seen"], response["X-Seen-Too"]}

    users = [f"user{number % 20}" for number in range(200)]
    assert await asyncio.gather(*map(one, users)) == [{user} for user in users]
    await until(lambda: whole(runner.threads))
    assert in_context.get(None) is None


async def test_language_urlconf_and_contextvars_are_as_before_after_the_event():
    class Urls(MiddlewareMixin):
        def process_request(self, request):
            request.urlconf = "django.contrib.auth.urls"
            in_context.set("changed")

        def process_view(self, request, *args):
            seen.append(get_urlconf())

    seen = []

    async def view(request):
        seen.extend([translation.get_language(), get_urlconf(), in_context.get()])
        in_context.set("changed again")

    token = in_context.set("before")
    before = translation.get_language(), get_urlconf()
    stack = ["django.middleware.locale.LocaleMiddleware", Urls]
    request = make_request(headers={"accept-language": "de"})
    outcome = await run(stack, view, request=request)
    assert outcome.exception is None
    urlconf = "django.contrib.auth.urls"
    assert seen == [urlconf, "de", urlconf, "changed"]
    assert (translation.get_language(), get_urlconf()) == before
    assert in_context.get() == "before"
    in_context.reset(token)


async def test_without_a_pool_sync_code_runs_where_asgiref_puts_it():
    seen = []
    hook = hook_that("request", lambda: seen.append(threading.get_ident()))
    await run([hook], threads=None)
    assert seen == [await sync_to_async(threading.get_ident)()]


def test_runner_without_a_pool_works_under_async_to_sync():
    seen = []
    hook = hook_that("request", lambda: seen.append(threading.get_ident()))
    outcome = async_to_sync(MiddlewareRunner([hook], threads=None).run)(make_request(), handler)
    assert outcome.view_called
    assert seen == [threading.get_ident()]


# Cancellation ----------------------------------------------------------------------------------


async def cancelled_in(stage, kind):
    """Cancel an event in the middle of a stage; return what its view logged, and its pool."""
    pool = ThreadPool(core=1)
    inside = threading.Event()
    log = []

    async def rest():
        inside.set()
        await asyncio.sleep(5)

    def block():
        inside.set()
        time.sleep(0.05)

    def sync_middleware(get_response):
        def middleware(request):
            if stage == "in":
                block()
            response = get_response(request)
            if stage == "out":
                block()
            return response

        return middleware

    @async_only_middleware
    def async_middleware(get_response):
        async def middleware(request):
            if stage == "in":
                await rest()
            response = await get_response(request)
            if stage == "out":
                await rest()
            return response

        return middleware

    class Hooks(MiddlewareMixin):
        def process_request(self, request):
            if stage == "in":
                block()

        def process_response(self, request, response):
            if stage == "out":
                block()
            return response

    async def view(request):
        log.append("started")
        try:
            if stage == "view":
                await rest()
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    middleware = {"sync": sync_middleware, "async": async_middleware, "hooks": Hooks}[kind]
    task = asyncio.create_task(run([middleware], view, threads=pool))
    await until(inside.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: whole(pool))
    await asyncio.sleep(0.08)
    return log, pool


@pytest.mark.parametrize("kind", ["sync", "async", "hooks"])
@pytest.mark.parametrize(
    ("stage", "logged"), [("in", []), ("view", ["started", "cancelled"]), ("out", ["started"])]
)
async def test_cancelled_event_stops_where_it_is_and_leaks_nothing(kind, stage, logged):
    log, pool = await cancelled_in(stage, kind)
    assert log == logged
    assert (await run([hook_that("request", lambda: None)], threads=pool)).view_called


# Hops and queries ------------------------------------------------------------------------------


@pytest.fixture
def hops(monkeypatch):
    """Count the calls that go to an event's thread."""
    calls = []
    submit = Lease.submit

    def counting(self, fn, *args, **kwargs):
        calls.append(fn)
        return submit(self, fn, *args, **kwargs)

    monkeypatch.setattr(Lease, "submit", counting)
    return calls


@pytest.fixture
def queries():
    """Collect the queries of connections that are opened meanwhile."""
    collected = []
    opened = []

    def collect(execute, sql, params, many, context):
        collected.append(sql)
        return execute(sql, params, many, context)

    def on_created(connection, **kwargs):
        if collect not in connection.execute_wrappers:
            connection.execute_wrappers.append(collect)
            opened.append(connection)

    connection_created.connect(on_created)
    yield collected
    connection_created.disconnect(on_created)
    for each in opened:
        each.execute_wrappers.remove(collect)


STOCK_SESSIONS = (
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
)


LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"


async def stock(view=handler, *, cookies=None, **options):
    """Run ``view`` inside ``settings.MIDDLEWARE`` as the tests' settings have it."""
    options.setdefault("threads", database_threads(core=1))
    return await run(None, view, request=make_request(cookies=cookies), **options)


async def reads_user(request):
    user = await request.auser()
    return HttpResponse(f"{request.user.get_username()} {user.get_username()}")


async def writes_session(request):
    request.session["colour"] = "green"


@pytest.mark.django_db(transaction=True)
class TestCost:
    async def test_request_is_gone_with_its_last_user_and_answers_until_then(self):
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        middleware = [*STOCK_SESSIONS, "django.contrib.messages.middleware.MessageMiddleware"]
        request = make_request(cookies=cookies)
        await run(middleware, reads_user, request=request, threads=database_threads())
        messages.info(request, "late")
        assert (await reads_user(request)).content == b"ada ada"
        assert [each.message for each in messages.get_messages(request)] == ["late"]
        gc.disable()
        try:
            gone = weakref.ref(request)
            del request
            assert gone() is None
        finally:
            gc.enable()

    async def test_event_that_is_over_is_not_kept_by_its_clock(self):
        async def view(request):
            """Answer nothing."""

        await stock(view)
        gone = weakref.ref(view)
        del view
        gc.collect()
        assert gone() is None

    async def test_read_only_event_of_a_user_takes_one_hop_and_two_queries(self, hops, queries):
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        hops.clear()
        queries.clear()
        outcome = await stock(reads_user, cookies=cookies)
        assert outcome.response.content == b"ada ada"
        assert len(hops) == 1
        assert [sql.split(" FROM ")[1].split(" ")[0] for sql in queries] == [
            '"django_session"',
            '"auth_user"',
        ]

    @pytest.mark.parametrize("more", [[], [LOGIN_REQUIRED]])
    async def test_rows_of_session_and_user_are_read_by_statements_made_once(
        self, more, monkeypatch, settings
    ):
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, *more]
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        threads, made, rows = database_threads(core=1), [], []
        make = SQLCompiler.as_sql
        monkeypatch.setattr(SQLCompiler, "as_sql", lambda *args: made.append(1) or make(*args))

        def note(sender, instance, **kwargs):
            rows.append(instance.pk)

        post_init.connect(note)
        try:
            for _ in range(3):
                outcome = await stock(reads_user, cookies=cookies, threads=threads)
                assert outcome.response.content == b"ada ada"
        finally:
            post_init.disconnect(note)
        ada = await User.objects.values_list("pk", flat=True).aget()
        assert (len(made), rows) == (3, [cookies["sessionid"], ada] * 3)

    @pytest.mark.parametrize("engine", ["db", "cached_db"])
    async def test_session_is_saved_by_a_statement_that_is_made_once(
        self, engine, monkeypatch, settings, queries
    ):
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        made, make = [], SQLUpdateCompiler.as_sql
        monkeypatch.setattr(
            SQLUpdateCompiler, "as_sql", lambda *args: made.append(1) or make(*args)
        )
        queries.clear()
        response = (await stock(writes_session, cookies=cookies)).response
        assert response.cookies["sessionid"].value == cookies["sessionid"]
        written = [sql.split()[0] for sql in queries if not sql.startswith("SELECT")]
        assert (made, written) == ([], ["BEGIN", "UPDATE"])
        session = await Session.objects.aget()
        assert (session.pk, session.get_decoded()["colour"]) == (cookies["sessionid"], "green")
        assert session.expire_date > timezone.now() + timedelta(days=13)

    async def test_event_that_changes_the_session_takes_two_hops(self, hops):
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        hops.clear()
        await stock(writes_session, cookies=cookies)
        assert len(hops) == 2

    async def test_event_of_a_visitor_without_a_session_takes_no_thread(self, hops, queries):
        pool = database_threads()
        outcome = await stock(reads_user, threads=pool)
        assert outcome.response.content == b" "
        assert (hops, queries, pool.size) == ([], [], 0)

    async def test_login_required_redirects_a_visitor_without_a_hop(self, hops):
        outcome = await run([*STOCK_SESSIONS, LOGIN_REQUIRED])
        assert (outcome.view_called, outcome.response.status_code, hops) == (False, 302, [])

    async def test_lazy_user_of_another_middleware_is_resolved_on_the_thread(self, hops):
        class Token(MiddlewareMixin):
            def process_request(self, request):
                request.user = SimpleLazyObject(lambda: User.objects.get(username="ada"))

        await User.objects.acreate_user("ada")
        hops.clear()
        outcome = await run([*STOCK_SESSIONS, Token], reads_user, threads=database_threads(core=1))
        assert outcome.response.content == b"ada ada"
        assert len(hops) == 1

    async def test_user_who_signs_in_during_the_event_is_the_user(self):
        ada = await User.objects.acreate_user("ada")

        async def view(request):
            await sync_to_async(login)(request, ada)
            return await reads_user(request)

        assert (await stock(view)).response.content == b"ada ada"


# Sessions and connections ----------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
class TestSessions:
    @pytest.mark.parametrize(
        "change",
        [
            {"expire_date": timezone.now() - timedelta(seconds=1)},
            {"session_data": "forged"},
            {"session_key": "another"},
        ],
    )
    async def test_row_that_django_would_not_take_is_nobody_s(self, change):
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        assert await Session.objects.filter(pk=cookies["sessionid"]).aupdate(**change) == 1
        assert (await stock(reads_user, cookies=cookies)).response.content == b" "

    @pytest.mark.parametrize(
        ("change", "shown"),
        [
            ({"is_active": False}, b" "),
            ({"password": "another"}, b" "),
            ({"id": 77}, b" "),
            ({"username": "eve"}, b"eve eve"),
        ],
    )
    async def test_user_who_changed_since_the_last_event_is_who_django_says(self, change, shown):
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        threads = database_threads(core=1)
        await stock(reads_user, cookies=cookies, threads=threads)
        await User.objects.aupdate(**change)
        outcome = await stock(reads_user, cookies=cookies, threads=threads)
        assert outcome.response.content == shown

    async def test_session_under_a_former_key_is_renewed_as_django_renews_it(self, settings):
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another"
        response = (await stock(reads_user, cookies=cookies)).response
        assert response.content == b"ada ada"
        assert response.cookies["sessionid"].value != cookies["sessionid"]

    @pytest.mark.parametrize("own", ["get", "get_queryset", "_queryset_class"])
    async def test_user_whom_the_projects_manager_leaves_out_is_nobody(self, own, monkeypatch):
        cookies = await sign_in(await User.objects.acreate_user("ada"))

        class Nobody(QuerySet):
            def get(self, *args, **named):
                raise User.DoesNotExist

        nobody = Nobody if own == "_queryset_class" else getattr(Nobody(), own, lambda _: Nobody())
        monkeypatch.setattr(UserManager, own, nobody)
        assert (await stock(reads_user, cookies=cookies)).response.content == b" "

    @pytest.mark.parametrize("own", ["model", "backend", "router", "get_user"])
    async def test_what_a_project_has_of_its_own_finds_the_user(self, own, monkeypatch, settings):
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        asked = []

        class Router:
            def db_for_read(self, model, **hints):
                asked.append(model)

        class Backend(ModelBackend):
            def get_user(self, user_id):
                asked.append(user_id)
                return super().get_user(user_id)

        def noting(called):
            return lambda *args, **named: asked.append(args) or called(*args, **named)

        if own == "model":
            from_db = User.from_db.__func__
            monkeypatch.setattr(User, "from_db", classmethod(noting(from_db)), raising=False)
        elif own == "backend":
            monkeypatch.setattr(auth, "import_string", lambda path: Backend)
        elif own == "router":
            settings.DATABASE_ROUTERS = [Router()]
        else:
            monkeypatch.setattr(auth, "get_user", noting(auth.get_user))
        outcome = await stock(reads_user, cookies=cookies)
        assert outcome.response.content == b"ada ada"
        assert asked

    @pytest.mark.parametrize("backend", ["db", "cached_db", "cache", "file"])
    async def test_value_written_in_the_view_is_stored_after_the_event(
        self, backend, tmp_path, settings
    ):
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{backend}"
        settings.SESSION_FILE_PATH = str(tmp_path)
        settings.CACHES = {
            "default": {
                "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
                "LOCATION": str(tmp_path),
            }
        }
        outcome = await stock(writes_session)
        cookies = {name: morsel.value for name, morsel in outcome.response.cookies.items()}
        seen = []

        async def view(request):
            seen.append(request.session.get("colour"))
            request.session["colour"] = "blue"

        for _ in range(2):
            assert (await stock(view, cookies=cookies)).response.status_code == 200
        assert seen == ["green", "blue"]

    async def test_message_of_a_refusal_is_stored_though_the_session_was_not_yet_loaded(
        self, settings
    ):
        settings.MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
        session = SessionStore()
        session["colour"] = "red"
        await session.asave()

        def banned(get_response):
            def middleware(request):
                messages.error(request, "You are banned.")
                return HttpResponseRedirect("/banned/")

            return middleware

        stack = [
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
            banned,
        ]
        request = make_request(cookies={"sessionid": session.session_key})
        outcome = await run(stack, request=request, threads=database_threads(core=1))
        assert (outcome.response.status_code, outcome.exception) == (302, None)
        stored = await SessionStore(session.session_key).aload()
        assert "You are banned." in stored["_messages"]

    @pytest.mark.parametrize("engine", ["db", "cached_db"])
    async def test_session_deleted_under_the_event_is_reported_and_stays_deleted(
        self, engine, settings
    ):
        settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
        session = SessionStore()
        session["colour"] = "red"
        await session.asave()

        async def view(request):
            await Session.objects.all().adelete()
            await writes_session(request)

        outcome = await stock(view, cookies={"sessionid": session.session_key})
        assert (outcome.view_called, outcome.response.status_code) == (True, 400)
        assert not await Session.objects.aexists()

    @pytest.mark.parametrize("signal", [pre_save, post_save])
    async def test_receivers_are_told_of_a_session_that_is_saved(self, signal):
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        told = []

        def receive(instance, **named):
            told.append((type(instance), instance.pk, named.get("created"), named["using"]))

        signal.connect(receive, Session)
        try:
            await stock(writes_session, cookies=cookies)
        finally:
            signal.disconnect(receive, Session)
        created = False if signal is post_save else None
        assert told == [(Session, cookies["sessionid"], created, "default")]

    async def test_router_is_asked_where_a_session_is_saved(self, settings):
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        asked = []

        class Router:
            def db_for_write(self, model, instance=None, **hints):
                asked.append((model, type(instance), instance.pk))

        settings.DATABASE_ROUTERS = [Router()]
        await stock(writes_session, cookies=cookies)
        assert asked == [(Session, Session, cookies["sessionid"])]

    async def test_session_that_could_not_be_saved_leaves_no_transaction_open(self):
        cookies = await sign_in(await User.objects.acreate_user("ada"))

        async def view(request):
            await writes_session(request)
            request.session.get_expiry_date = lambda: None

        threads = database_threads(core=1)
        outcome = await stock(view, cookies=cookies, threads=threads)
        assert outcome.response.status_code == 500
        assert (await stock(writes_session, cookies=cookies, threads=threads)).response.cookies

    def test_stores_of_a_project_are_left_as_they_are(self):
        class Own(SessionStore):
            """Django's, by another name."""

        assert with_quick_rows(Own) is Own

    def test_session_whose_row_has_more_fields_is_saved_by_django(self, monkeypatch):
        fields = (*Session._meta.concrete_fields, CharField())
        monkeypatch.setattr(Session._meta, "concrete_fields", fields)
        session = with_quick_rows(SessionStore)()
        session["cart"] = "mug"
        assert "save" not in vars(session.create_model_instance({}))

    def test_session_is_pickled_as_djangos_own(self):
        session = with_quick_rows(SessionStore)()
        session["cart"] = "mug"
        session.save()
        copied = pickle.loads(pickle.dumps(session))
        assert type(copied) is SessionStore
        assert (copied.session_key, copied["cart"]) == (session.session_key, "mug")


@pytest.mark.django_db(transaction=True)
class TestConnections:
    async def test_connection_of_a_thread_that_ended_is_kept_by_nothing(self):
        cookies = await sign_in(await User.objects.acreate_user("ada"))
        opened = []
        connection_created.connect(note := lambda connection, **_: opened.append(connection))
        pool = database_threads(core=1)
        pool.idle = 0.01
        await stock(writes_session, cookies=cookies, threads=pool)
        pool.core = 0
        connection_created.disconnect(note)
        gone = weakref.ref(opened.pop())
        await until(lambda: pool.size == 0)
        gc.collect()
        assert (opened, gone()) == ([], None)

    async def test_connections_are_cleaned_before_and_after_on_the_events_thread(self, monkeypatch):
        calls = []
        close = runner_module._close_older
        monkeypatch.setattr(
            runner_module,
            "_close_older",
            lambda keep: (calls.append(threading.get_ident()), close(keep)),
        )
        pool = database_threads(core=1, keep=0)

        async def view(request):
            me = await sync_to_async(threading.get_ident)()
            await User.objects.acount()
            assert calls == [me]

        outcome = await run([], view, threads=pool)
        assert outcome.exception is None
        await until(lambda: len(calls) == 2)
        assert len(set(calls)) == 1

    async def test_idle_threads_hold_no_connection_with_conn_max_age_0(self):
        pool = database_threads(core=1)
        used = []

        async def view(request):
            await User.objects.acount()
            used.append(await sync_to_async(lambda: connections["default"])())

        outcome = await run([], view, threads=pool)
        assert outcome.exception is None
        assert used[0].connection is not None
        await until(lambda: used[0].connection is None)
        await until(lambda: whole(pool))

    @pytest.mark.parametrize(
        ("keep", "vendor", "shares"),
        [(None, "sqlite", True), (0, "sqlite", False), (None, "postgresql", False)],
    )
    async def test_events_that_follow_each_other_share_a_connection_where_there_is_no_server(
        self, monkeypatch, keep, vendor, shares
    ):
        monkeypatch.setattr(_worker, "LINGER", 0.3)
        pool = database_threads(core=1, keep=keep)
        used = []

        def use():
            User.objects.count()
            used.append(connection.connection)
            monkeypatch.setattr(connections["default"], "vendor", vendor)

        for _ in range(2):
            outcome = await run([], lambda request: sync_to_async(use)(), threads=pool)
            assert outcome.exception is None
        assert (used[0] is used[1]) is shares

    @pytest.mark.parametrize("raises", [False, True])
    async def test_transaction_begun_by_hand_is_not_the_next_events(self, raises):
        pool = database_threads(core=1)

        def begin():
            with connection.cursor() as cursor:
                cursor.execute("BEGIN IMMEDIATE")
            if raises:
                raise ValueError

        async def write(request):
            await User.objects.acreate(username="ada")

        await run([], lambda request: sync_to_async(begin)(), threads=pool)
        outcome = await run([], write, threads=pool)
        assert outcome.exception is None
        await until(lambda: whole(pool))
        await asyncio.sleep(0.2)
        assert await User.objects.filter(username="ada").aexists()

    @pytest.mark.parametrize("keep", [60, None])
    async def test_transaction_begun_by_hand_does_not_outlive_its_event_on_a_kept_connection(
        self, monkeypatch, keep
    ):
        monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", None)
        pool = database_threads(core=1, keep=keep)
        found = []

        def look():
            User.objects.count()
            found.append(connection.connection.in_transaction)

        def begin():
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
            look()

        for each in (begin, look):
            await run([], lambda request, each=each: sync_to_async(each)(), threads=pool)
        assert found == [True, False]
        with pool.lease() as lease:
            await asyncio.wrap_future(lease.submit(connections.close_all))

    async def test_connection_is_given_back_while_its_event_awaits(self):
        pool = database_threads(core=1, keep=0, release=True)

        async def view(request):
            await User.objects.acount()
            held = await sync_to_async(lambda: connections["default"])()
            assert held.connection is not None
            await until(lambda: held.connection is None)
            await User.objects.acount()

        assert (await run([], view, threads=pool)).exception is None

    async def test_event_that_awaits_gives_its_thread_back_where_nothing_is_open_on_it(self):
        ada = await User.objects.acreate(username="ada")
        pool = database_threads(core=1, limit=1)
        cookies, seen = await sign_in(ada), []

        async def view(request):
            let_thread_go()
            await until(lambda: whole(pool))
            seen.append((await stock(reads_user, cookies=cookies, threads=pool)).response.content)
            request.session["value"] = await User.objects.acount()
            await never_whole(pool)

        outcome = await stock(view, cookies=cookies, threads=pool, leaves_thread=["project"])
        assert (outcome.exception, seen) == (None, [b"ada ada"])
        stored = await SessionStore(cookies["sessionid"]).aload()
        assert stored["value"] == 1

    @pytest.mark.parametrize("stack", ["hooks", "async", "around", "failed", "project"])
    async def test_event_that_awaits_keeps_its_thread_where_something_may_be_open_on_it(
        self, stack
    ):
        pool = database_threads(core=1, release=True)
        middleware = {"hooks": [KeepUserInThread], "async": [lets_all_through]}.get(stack, [])
        around = [lambda request: nullcontext()] if stack == "around" else []

        def use():
            if stack == "failed":
                raise ValueError

        async def view(request):
            let_thread_go()
            with suppress(ValueError):
                await sync_to_async(use)()
            await never_whole(pool)

        request = make_request(headers={"x-user": "ada"})
        options = {"threads": pool, "around": around}
        leaves = [] if stack == "project" else ["project"]
        outcome = await run(middleware, view, request=request, leaves_thread=leaves, **options)
        assert outcome.exception is None

    async def test_event_that_awaits_may_leave_its_thread_to_others_despite_what_is_named(self):
        listed, path = [lets_all_through, KeepUserInThread], "tests.events.chain.test_runner."
        runner = MiddlewareRunner(listed, around=[lambda request: nullcontext()])
        kept = ("project", "around", f"{path}lets_all_through", f"{path}KeepUserInThread")
        assert runner.keeps_thread == kept
        pool = database_threads(core=1, keep=0, release=True)

        async def view(request):
            let_thread_go()
            await User.objects.acount()
            await until(lambda: whole(pool))

        options = {"threads": pool, "leaves_thread": ["project", f"{path}lets_all_through"]}
        assert (await run([lets_all_through], view, **options)).exception is None

    @pytest.mark.parametrize("keeps", ["a transaction", "a connection"])
    async def test_thread_stays_with_its_connection(self, keeps):
        pool = database_threads(core=1, keep=60 if keeps == "a connection" else 0, release=True)

        def begin():
            if keeps == "a transaction":
                transaction.atomic().__enter__()
            User.objects.count()

        async def view(request):
            let_thread_go()
            await sync_to_async(begin)()
            await never_whole(pool)
            await sync_to_async(connections.close_all)()

        outcome = await run([], view, threads=pool, leaves_thread=["project"])
        assert outcome.exception is None

    async def test_full_pool_of_the_database_is_a_503_that_says_what_to_do(self):
        class PoolTimeout(Exception):
            """Stand for psycopg_pool's."""

        async def view(request):
            try:
                raise PoolTimeout
            except PoolTimeout as full:
                raise OperationalError from full

        outcome = await run([], view)
        assert outcome.response.status_code == 503
        assert "database_threads(release=True)" in outcome.exception.__notes__[0]

    @pytest.mark.parametrize("way", ["atomic", "by hand", "without autocommit"])
    async def test_transaction_is_not_given_back_while_its_event_awaits(self, way):
        pool = database_threads(core=1, keep=0, release=True)
        release, looks = pool.release, []
        pool.release = lambda: (release(), looks.append(1))

        def begin():
            if way == "atomic":
                transaction.atomic().__enter__()
            elif way == "by hand":
                connection.cursor().execute("BEGIN")
            else:
                transaction.set_autocommit(False)
            User.objects.create(username="ada")
            return connections["default"]

        async def view(request):
            held = await sync_to_async(begin)()
            await until(lambda: len(looks) == 2)
            assert held.connection is not None
            assert await User.objects.filter(username="ada").aexists()
            await sync_to_async(held.connection.rollback)()

        assert (await run([], view, threads=pool)).exception is None

    async def test_connection_without_autocommit_is_kept_whatever_its_driver_tells(
        self, monkeypatch
    ):
        monkeypatch.setitem(connections.settings["default"], "AUTOCOMMIT", False)
        pool = database_threads(core=1, keep=0, release=True)
        release, looks = pool.release, []
        pool.release = lambda: looks.append(release())

        async def view(request):
            await User.objects.acount()
            await until(lambda: looks)

        assert (await run([], view, threads=pool)).exception is None
        assert looks[0] is False
        with pool.lease() as lease:
            await asyncio.wrap_future(lease.submit(connections.close_all))

    async def test_connection_of_a_cancelled_event_is_not_shared(self):
        pool = database_threads(core=1)
        used = []
        reached = asyncio.Event()

        def use():
            User.objects.count()
            used.append(connection.connection)

        async def waits(request):
            await sync_to_async(use)()
            reached.set()
            await asyncio.sleep(60)

        cancelled = asyncio.create_task(run([], waits, threads=pool))
        await reached.wait()
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        await run([], lambda request: sync_to_async(use)(), threads=pool)
        assert used[0] is not used[1]

    @pytest.mark.parametrize("on_loop", [False, True])
    async def test_connection_of_a_handler_that_failed_is_not_shared(self, on_loop):
        pool = database_threads(core=1)
        used = []

        def use():
            User.objects.count()
            used.append(connection.connection)
            if not on_loop:
                raise PermissionDenied

        async def view(request):
            await sync_to_async(use)()
            raise ValueError

        for _ in range(2):
            await run([], view, threads=pool)
        assert used[0] is not used[1]

    @pytest.mark.parametrize("keep", [None, 0, 60])
    async def test_thread_left_in_an_atomic_block_serves_the_next_event(self, keep):
        pool = database_threads(core=1, keep=keep)

        async def leaves_it_open(request):
            await sync_to_async(transaction.atomic().__enter__)()

        async def counts(request):
            await User.objects.acount()

        await run([], leaves_it_open, threads=pool)
        assert (await run([], counts, threads=pool)).exception is None

    async def test_connection_is_not_shared_for_longer_than_a_second(self, monkeypatch):
        monkeypatch.setattr(runner_module, "SQLITE_KEEP", 0.05)
        pool = database_threads(core=1)
        used = []

        def use():
            User.objects.count()
            used.append(connection.connection)
            time.sleep(0.02)

        for _ in range(5):
            await run([], lambda request: sync_to_async(use)(), threads=pool)
        assert 1 < len(set(map(id, used))) < 5

    @pytest.mark.parametrize(
        ("keep", "pause", "breaks", "is_kept"),
        [(60, 0, False, True), (60, 0, True, False), (0.01, 0.05, False, False)],
        ids=["sound", "broken", "over-aged"],
    )
    async def test_connection_is_kept_while_it_is_sound_and_young(
        self, keep, pause, breaks, is_kept
    ):
        pool = database_threads(core=1, keep=keep)
        used = []

        def use():
            User.objects.count()
            used.append(connection.connection)
            connection.errors_occurred = breaks
            if breaks:
                connection.connection.close()

        async def view(request):
            await sync_to_async(use)()

        for _ in range(2):
            assert (await run([], view, threads=pool)).exception is None
            await until(lambda: whole(pool))
            await asyncio.sleep(pause)
        assert (used[0] is used[1]) is is_kept
        await until(lambda: whole(pool))
        with pool.lease() as lease:
            await asyncio.wrap_future(lease.submit(connections.close_all))

    @pytest.mark.parametrize(
        ("engine", "limit"),
        [("django.db.backends.sqlite3", 16), ("django.db.backends.postgresql", 100)],
    )
    def test_limit_goes_by_the_database(self, monkeypatch, engine, limit):
        monkeypatch.setitem(connections.settings["default"], "ENGINE", engine)
        assert database_threads().limit == limit

    async def test_thread_that_ends_closes_the_connection_it_kept(self, monkeypatch):
        monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", None)
        pool = database_threads(core=1, limit=2)
        pool.idle = 0.05
        used = []
        both = asyncio.Barrier(2)

        def remember():
            used.append(connections["default"])

        async def view(request):
            await User.objects.acount()
            await sync_to_async(remember)()
            await both.wait()

        runner = MiddlewareRunner([], threads=pool)
        await asyncio.gather(*(runner.run(make_request(), view) for _ in range(2)))
        await until(lambda: whole(pool))
        assert sum(each.connection is not None for each in used) == 2
        await until(lambda: pool.size == 1)
        await until(lambda: sum(each.connection is not None for each in used) == 1)
        with pool.lease() as lease:
            await asyncio.wrap_future(lease.submit(connections.close_all))

    async def test_broken_connection_costs_one_event(self):
        pool = database_threads(core=1)

        async def breaks_it(request):
            # Read on the thread: the connection is its own.
            await sync_to_async(lambda: connection.connection.close())()  # noqa: PLW0108
            await User.objects.acount()

        async def counts(request):
            return HttpResponse(str(await User.objects.acount()))

        async def opens(request):
            await User.objects.acount()
            await breaks_it(request)

        assert (await run([], opens, threads=pool)).response.status_code == 500
        assert (await run([], counts, threads=pool)).response.content == b"0"


# Reports ---------------------------------------------------------------------------------------


async def test_got_request_exception_is_sent_once_on_the_events_thread():
    sent = []

    def receiver(sender, request, **kwargs):
        sent.append((request, sys.exc_info()[0], threading.get_ident()))

    async def view(request):
        threads_seen.append(await sync_to_async(threading.get_ident)())
        raise ValueError

    threads_seen = []
    request = make_request()
    got_request_exception.connect(receiver)
    try:
        await run([lets_through, lets_through], view, request=request)
    finally:
        got_request_exception.disconnect(receiver)
    assert sent == [(request, ValueError, threads_seen[0])]


async def test_got_request_exception_is_not_sent_for_an_answer():
    sent = []

    def receiver(**kwargs):
        sent.append(kwargs)

    async def view(request):
        raise PermissionDenied

    got_request_exception.connect(receiver)
    try:
        outcome = await run([], view)
    finally:
        got_request_exception.disconnect(receiver)
    assert (outcome.response.status_code, outcome.view_called, sent) == (403, True, [])


def test_explain_tells_where_each_hook_of_the_stock_stack_runs():
    rows = [
        (row.middleware.rpartition(".")[2], row.hook, row.runs)
        for row in MiddlewareRunner().explain()
    ]
    assert rows == [
        ("SecurityMiddleware", "process_request", "loop"),
        ("SecurityMiddleware", "process_response", "skipped"),
        ("SessionMiddleware", "process_request", "loop"),
        ("SessionMiddleware", "process_response", "thread"),
        ("LocaleMiddleware", "process_request", "loop"),
        ("LocaleMiddleware", "process_response", "skipped"),
        ("CommonMiddleware", "process_request", "loop"),
        ("CommonMiddleware", "process_response", "skipped"),
        ("CsrfViewMiddleware", "process_request", "loop"),
        ("CsrfViewMiddleware", "process_view", "skipped"),
        ("CsrfViewMiddleware", "process_response", "loop"),
        ("AuthenticationMiddleware", "process_request", "loop"),
        ("MessageMiddleware", "process_request", "loop"),
        ("MessageMiddleware", "process_response", "thread"),
        ("XFrameOptionsMiddleware", "process_response", "skipped"),
        ("rxbridge", "resolve_identity", "thread"),
    ]


NONCE = "<CSP_NONCE_SENTINEL>"
HTML = "text/html; charset=utf-8"
NONCES = {
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "OPTIONS": {
        "context_processors": ["django.template.context_processors.csp"],
        "loaders": [("django.template.loaders.locmem.Loader", {"nonce.html": "{{ csp_nonce }}"})],
    },
}


def test_explain_names_what_is_skipped_and_the_kinds_that_are_called():
    stack = ["django.middleware.gzip.GZipMiddleware", lets_through, slow_async]
    rows = {row.middleware.rpartition(".")[2]: row for row in MiddlewareRunner(stack).explain()}
    assert (rows["GZipMiddleware"].runs, rows["GZipMiddleware"].hook) == ("skipped", "")
    assert rows["lets_through"].runs == "thread"
    assert rows["slow_async"].runs == "async"


async def test_skip_leaves_out_one_hook_a_class_or_its_subclasses():
    class Base(MiddlewareMixin):
        def process_request(self, request):
            return HttpResponse(status=403)

    class Derived(Base):
        pass

    path = f"{Base.__module__}.{Base.__qualname__}"
    assert (await run([Derived])).response.status_code == 403
    assert (await run([Derived], skip=[path])).view_called
    assert (await run([Derived], skip=[f"{path}.process_request"])).view_called


class InheritsTheWayOut(CommonMiddleware):
    """Adds nothing."""


class HasAWayOutOfItsOwn(CommonMiddleware):
    def process_response(self, request, response):
        request.passed = True
        return super().process_response(request, response)


def test_way_out_of_djangos_own_is_skipped_unless_a_subclass_has_its_own():
    runner = MiddlewareRunner([InheritsTheWayOut, HasAWayOutOfItsOwn])
    ways = [row.runs for row in runner.explain() if row.hook == "process_response"]
    assert ways == ["skipped", "thread"]


@pytest.mark.skipif(django.VERSION < (6, 0), reason="Django has no such middleware yet")
async def test_policys_way_in_stays_for_what_a_handler_renders():
    async def handler(request):
        return HttpResponse(get_template("nonce.html").render({}, request))

    csp = "django.middleware.csp.ContentSecurityPolicyMiddleware"
    pool = ThreadPool(core=1)
    runner = MiddlewareRunner([csp], threads=pool)
    with override_settings(TEMPLATES=[NONCES], SECURE_CSP={"script-src": [NONCE]}):
        outcome = await runner.run(make_request(), handler)
    assert len(outcome.response.content) > 16
    assert (pool.size, dict(outcome.response.headers)) == (0, {"Content-Type": HTML})
    assert [(row.hook, row.runs) for row in runner.explain() if row.middleware == csp] == [
        ("process_request", "loop"),
        ("process_response", "skipped"),
    ]


@pytest.mark.parametrize("debug", [False, True])
async def test_missing_object_of_a_page_whose_path_django_has_with_a_slash_is_a_404(debug):
    async def handler(request):
        raise Http404

    request = SyntheticRequestFactory().build(make_event(path="/admin"))
    with override_settings(DEBUG=debug):
        common = "django.middleware.common.CommonMiddleware"
        outcome = await MiddlewareRunner([common], threads=None).run(request, handler)
    assert (outcome.response.status_code, outcome.exception) == (404, None)


@override_settings(MIDDLEWARE=["django.middleware.common.CommonMiddleware"])
def test_settings_are_the_default_and_read_once():
    runner = MiddlewareRunner()
    with override_settings(MIDDLEWARE=[]):
        assert {row.middleware for row in runner.explain()} == {
            "django.middleware.common.CommonMiddleware",
            "rxbridge",
        }
