"""What is opened around each event: outside the chain, composed, told of failures, no answer."""

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import got_request_exception, request_finished, request_started
from django.db import connection
from django.db.backends.signals import connection_created
from django.http import HttpResponse

from rxbridge.events import (
    MiddlewareRunner,
    SyntheticRequestFactory,
    database_threads,
    request_signals,
)
from rxbridge.testing import make_event

requests = SyntheticRequestFactory()
mark = ContextVar("mark", default="")


async def handler(request):
    """Do nothing, as a view."""


def fails(error):
    async def view(request):
        raise error

    return view


def run(*around, view=handler, middleware=(), **options):
    options.setdefault("threads", database_threads(core=1, keep=0))
    runner = MiddlewareRunner(middleware, around=around, **options)
    return runner.run(requests.build(make_event()), view)


def noting(journal, name):
    @contextmanager
    def around(request):
        journal.append(f"{name} in")
        try:
            yield
        except BaseException as error:
            journal.append(f"{name} {type(error).__name__}")
            raise
        else:
            journal.append(f"{name} out")

    return around


def noting_async(journal, name):
    @asynccontextmanager
    async def around(request):
        with noting(journal, name)(request):
            await asyncio.sleep(0)
            yield

    return around


def test_none_of_them_is_a_list_of_functions():
    with pytest.raises(ValueError, match="write the function itself"):
        MiddlewareRunner([], around=[noting([], "a")(None)])


async def test_they_are_opened_outside_the_chain_in_their_order():
    journal = []

    def middleware(get_response):
        def inner(request):
            journal.append("middleware in")
            response = get_response(request)
            journal.append("middleware out")
            return response

        return inner

    async def view(request):
        journal.append("view")

    around = [noting(journal, "first"), noting_async(journal, "second")]
    outcome = await run(*around, view=view, middleware=[middleware])
    assert (outcome.view_called, outcome.response.status_code) == (True, 200)
    ways_in = ["first in", "second in", "middleware in"]
    assert journal == [*ways_in, "view", "middleware out", "second out", "first out"]


async def test_context_they_set_is_the_events_alone():
    @contextmanager
    def around(request):
        mark.set("ours")
        yield

    async def view(request):
        return HttpResponse(mark.get() + await sync_to_async(mark.get)())

    assert (await run(around, view=view)).response.content == b"oursours"
    assert mark.get() == ""


async def test_exception_nothing_answered_is_raised_into_them_and_stays():
    journal = []

    @contextmanager
    def swallows(request):
        with suppress(LookupError):
            yield

    around = [noting(journal, "outer"), swallows, noting(journal, "inner")]
    outcome = await run(*around, view=fails(LookupError()))
    assert (outcome.view_called, outcome.response.status_code) == (True, 500)
    assert isinstance(outcome.exception, LookupError)
    assert journal == ["outer in", "inner in", "inner LookupError", "outer out"]


async def test_answer_by_raising_is_no_exception_to_them():
    journal = []
    outcome = await run(noting(journal, "around"), view=fails(PermissionDenied()))
    assert (outcome.response.status_code, journal) == (403, ["around in", "around out"])


async def test_exception_is_told_of_inside_them():
    marks = []

    @contextmanager
    def around(request):
        mark.set("ours")
        yield

    def receiver(**kwargs):
        marks.append(mark.get())

    got_request_exception.connect(receiver)
    try:
        await run(around, view=fails(LookupError()))
    finally:
        got_request_exception.disconnect(receiver)
    assert marks == ["ours"]


@pytest.mark.parametrize("swallowed", [False, True])
async def test_one_that_fails_to_open_lets_nothing_through(swallowed, caplog):
    ran = []

    @contextmanager
    def swallows(request):
        with suppress(LookupError):
            yield

    @contextmanager
    def broken(request):
        raise LookupError("it is down")
        yield

    async def view(request):
        ran.append(request)

    around = [swallows, broken] if swallowed else [broken]
    outcome = await run(*around, view=view)
    assert (ran, outcome.view_called, outcome.response.status_code) == ([], False, 500)
    assert [record.name for record in caplog.records] == [] if swallowed else ["django.request"]


async def test_one_that_fails_to_close_is_told_of(caplog):
    @contextmanager
    def broken(request):
        yield
        raise LookupError("it is down")

    outcome = await run(broken)
    assert (outcome.view_called, outcome.response.status_code) == (True, 500)
    assert isinstance(outcome.exception, LookupError)
    assert [record.name for record in caplog.records] == ["django.request"]


# Django's signals ------------------------------------------------------------------------------


@pytest.fixture
def signals():
    sent = []

    def started(sender, scope, **kwargs):
        sent.append(("started", sender, scope["path"], threading.get_ident()))

    def finished(sender, **kwargs):
        sent.append(("finished", sender, threading.get_ident()))

    request_started.connect(started)
    request_finished.connect(finished)
    yield sent
    request_started.disconnect(started)
    request_finished.disconnect(finished)


async def test_signals_are_sent_on_the_events_own_thread(signals):
    threads = []

    async def view(request):
        threads.append(await sync_to_async(threading.get_ident)())

    await run(request_signals, view=view)
    [thread] = threads
    assert signals == [("started", ASGIHandler, "/", thread), ("finished", ASGIHandler, thread)]


@pytest.mark.parametrize("view", [fails(LookupError()), fails(PermissionDenied())])
async def test_end_is_sent_after_a_failure_too(view, signals):
    await run(request_signals, view=view)
    assert [each[0] for each in signals] == ["started", "finished"]


async def test_end_is_sent_while_a_hook_that_timed_out_holds_the_thread(signals):
    lets_go, came_back = threading.Event(), threading.Event()

    def blocks(get_response):
        def middleware(request):
            assert lets_go.wait(60)
            return get_response(request)

        return middleware

    threads = database_threads(core=1)
    threads.clean = came_back.set
    try:
        await run(request_signals, middleware=[blocks], threads=threads, admission_timeout=0.05)
        assert [each[0] for each in signals] == ["started", "finished"]
        assert threads.free == 0
    finally:
        lets_go.set()
        await asyncio.to_thread(came_back.wait, 60)


@pytest.mark.django_db(transaction=True)
async def test_connections_that_are_kept_stay_open(signals):
    opened = []

    def count(**kwargs):
        opened.append(kwargs)

    async def view(request):
        await User.objects.acount()

    threads = database_threads(core=1, keep=60)
    runner = MiddlewareRunner([], around=[request_signals], threads=threads)
    connection_created.connect(count)
    try:
        for _ in range(3):
            await runner.run(requests.build(make_event()), view)
    finally:
        connection_created.disconnect(count)
    assert len(opened) == 1
    with threads.lease() as lease:
        due, age = await asyncio.wrap_future(
            lease.submit(lambda: (connection.close_at, connection.settings_dict["CONN_MAX_AGE"]))
        )
        await asyncio.wrap_future(lease.submit(lambda: connection.close()))  # noqa: PLW0108
    assert age == 0
    assert due is not None
