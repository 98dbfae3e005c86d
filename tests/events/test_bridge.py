"""EventBridge: the chain goes around the handler, and a refused handler does not run."""

import asyncio
import logging
import sqlite3
import threading
from pathlib import Path

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404, HttpResponse
from django.utils import timezone, translation
from django.utils.deprecation import MiddlewareMixin
from reflex.state import FrontendEventExceptionState

from rxbridge.asgi import ConnectionRegistry
from rxbridge.errors import PoolExhausted
from rxbridge.events import (
    ContextBinder,
    EventBridge,
    MiddlewareRunner,
    SyntheticRequestFactory,
    database_threads,
)
from rxbridge.events.bridge import keep_cookies
from rxbridge.events.reflex import EventInProcess
from rxbridge.events.reflex.presence import Presence
from rxbridge.events.refusals import Refusal, location
from rxbridge.events.threads.pool import current_lease
from rxbridge.testing import EventClient, make_event
from tests.events.app import (
    Counter,
    Shown,
    app,
    bridge,
    bridged,
    connections,
    gates,
    journal,
    recorder,
    thread_local,
    unbridged,
)
from tests.markdown import python_blocks

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def empty_journal():
    journal.clear()
    yield
    journal.clear()


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


@pytest.fixture
def bob():
    return User.objects.create_user("bob")


def dawdling(way_out):
    """A middleware that takes its time after the view, and says so."""

    def factory(get_response):
        async def middleware(request):
            response = await get_response(request)
            if request.reflex_event.handler_name.endswith(("Counter.leave", "Counter.search")):
                way_out.set()
                await asyncio.sleep(0.2)
            return response

        return middleware

    factory.async_capable, factory.sync_capable = True, False
    return factory


def in_tokyo(get_response):
    """A middleware that keeps what it found out in a context variable, and in the thread."""

    def middleware(request):
        with timezone.override("Asia/Tokyo"):
            thread_local.tenant = "acme"
            try:
                return get_response(request)
            finally:
                del thread_local.tenant

    return middleware


def session_of(user):
    """Return what the database has of the session a user is signed in with."""
    found = [each.get_decoded() for each in Session.objects.all()]
    return next(each for each in found if each["_auth_user_id"] == str(user.pk))


def answering(response):
    """A middleware that answers instead of letting the request through."""

    def factory(get_response):
        def middleware(request):
            return response() if callable(response) else response

        return middleware

    return factory


def refusing(response):
    """As ``answering``, but only for the app's own handlers, so that the page loads."""

    def factory(get_response):
        def middleware(request):
            if request.reflex_event.name.endswith("hydrate_and_load"):
                return get_response(request)
            return response() if callable(response) else response

        return middleware

    return factory


def sent(fired, name):
    """The values of a var, in the order the page received them."""
    return [
        changes[f"{name}_rx_state_"]
        for delta in fired.deltas
        for changes in delta.values()
        if f"{name}_rx_state_" in changes
    ]


journal_of_the_port = sqlite3.connect(":memory:")
"""As a module opens one that was written for handlers on the event loop."""


class Ported(rx.State):
    """What works in plain Reflex, where a handler is on the thread that has imported its module."""

    done: bool = False

    @rx.event
    def write(self):
        journal_of_the_port.execute("SELECT 1")
        self.done = True

    @rx.event
    def spawn(self):
        work = asyncio.sleep(0)
        try:
            asyncio.create_task(work)  # noqa: RUF006 - as it is written where it comes from
        except RuntimeError:
            work.close()
            raise
        self.done = True

    @rx.event
    def later(self):
        asyncio.get_event_loop().call_soon(lambda: None)
        self.done = True

    @rx.event
    def in_steps(self):
        yield
        journal_of_the_port.execute("SELECT 1")
        self.done = True

    @rx.event
    def fail(self):
        raise RuntimeError


PORTED = [Ported.write, Ported.spawn, Ported.later, Ported.in_steps]


class TestHandlersOfThePort:
    @pytest.mark.parametrize("handler", PORTED)
    async def test_what_fails_on_another_thread_says_so(self, handler, caplog):
        async with EventClient(app, raise_exceptions=False) as tab:
            fired = await tab.fire(handler)
        assert isinstance(fired.exception, RuntimeError | sqlite3.ProgrammingError)
        assert "threaded=False" in caplog.text

    async def test_another_error_says_nothing_of_threads(self):
        async with EventClient(app, raise_exceptions=False) as tab:
            fired = await tab.fire(Ported.fail)
        assert not hasattr(fired.exception, "__notes__")

    @pytest.mark.parametrize("handler", PORTED)
    @pytest.mark.parametrize("threaded", [False, lambda event: "Ported" not in event.handler_name])
    async def test_works_without_a_thread(self, handler, threaded):
        with bridged(threaded=threaded):
            async with EventClient(app) as tab:
                assert (await tab.fire(handler)).vars["done"] is True

    async def test_others_stay_on_their_thread(self):
        with bridged(threaded=lambda event: "Ported" not in event.handler_name):
            async with EventClient(app) as tab:
                assert (await tab.fire(Counter.query_sync)).exception is None


class TestHandlers:
    @pytest.mark.parametrize("handler", [Counter.who, Counter.who_async])
    async def test_handler_sees_the_signed_in_user(self, ada, handler):
        async with EventClient(app, user=ada) as tab:
            fired = await tab.fire(handler)
        assert fired.vars["name"] == "ada"

    async def test_anonymous_visitor_is_nobody(self):
        async with EventClient(app) as tab:
            await tab.fire(Counter.who)
            assert (await tab.state(Counter)).user.is_anonymous

    async def test_sync_handler_may_use_the_orm(self, ada):
        async with EventClient(app) as tab:
            assert (await tab.fire(Counter.query_sync)).vars["count"] == 1

    async def test_not_threaded_handler_runs_on_the_event_loop(self, ada):
        threads = []

        class Unthreaded(MiddlewareMixin):
            def process_view(self, request, view, args, kwargs):
                return None

        with bridged(Unthreaded, threaded=False):
            async with EventClient(app, user=ada, raise_exceptions=False) as tab:
                fired = await tab.fire(Counter.query_sync)
                threads.append(threading.get_ident())
        assert type(fired.exception).__name__ == "SynchronousOnlyOperation"

    @pytest.mark.parametrize(
        "handler", [Counter.count_up, Counter.count_up_async, Counter.query_in_steps]
    )
    async def test_deltas_stream_as_the_handler_yields(self, ada, handler):
        async with EventClient(app) as tab:
            await tab.load("/")
            fired = await tab.fire(handler)
        assert sent(fired, "count") == [1, 2, 3]

    @pytest.mark.parametrize("threaded", [True, False])
    async def test_generator_ends_at_its_next_step_once_its_tab_has_gone(
        self, threaded, monkeypatch
    ):
        async def is_over(presence):
            return True

        monkeypatch.setattr(Presence, "is_over", is_over)
        with bridged(threaded=threaded):
            async with EventClient(app) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.count_up)
        assert sent(fired, "count") == [1]

    async def test_return_value_of_a_generator_is_chained(self):
        async with EventClient(app) as tab:
            await tab.load("/")
            fired = await tab.fire(Counter.yield_and_return)
        assert sent(fired, "count") == [1, 11]

    async def test_response_phase_runs_after_the_last_yield(self):
        with bridged(recorder("outer"), recorder("inner")):
            async with EventClient(app) as tab:
                await tab.fire(Counter.count_up_async)
        assert journal == ["outer in", "inner in", "last yield", "inner out", "outer out"]

    @pytest.mark.parametrize("handler", [Counter.deep, Counter.deep_async])
    async def test_every_event_of_a_chain_has_the_user(self, ada, handler):
        with bridged(recorder("chain")):
            async with EventClient(app, user=ada) as tab:
                fired = await tab.fire(handler(4))
        assert fired.vars["seen"] == ["ada"] * 5
        assert journal == ["chain in", "chain out"] * 5

    async def test_event_spec_and_default_arguments(self):
        async with EventClient(app) as tab:
            await tab.load("/")
            assert (await tab.fire(Counter.add(2))).vars["count"] == 2
            assert (await tab.fire(Counter.add, number=2, twice=True)).vars["count"] == 6
            # Reflex converts by annotation: a form field is a string.
            assert (await tab.fire(Counter.add, number="4")).vars["count"] == 10

    @pytest.mark.parametrize(
        "handler",
        [Counter.named_state, Counter.named_state_async, Counter.named_state_generator],
    )
    async def test_argument_may_have_any_name(self, handler):
        async with EventClient(app) as tab:
            fired = await tab.fire(handler, state="open", request="r", payload="p")
        assert fired.vars["seen"] == ["open", "r", "p"]

    async def test_on_load_runs_as_the_user_before_the_page_is_hydrated(self, ada):
        async with EventClient(app, user=ada) as tab:
            fired = await tab.load("/members")
        assert fired.vars["name"] == "loaded by ada"
        assert fired.vars["is_hydrated"] is True

    async def test_on_load_of_a_page_reached_by_a_link(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            assert (await tab.navigate("/members")).vars["name"] == "loaded by ada"

    async def test_on_load_that_sends_the_browser_elsewhere_keeps_its_session(self, ada):
        way_out = asyncio.Event()
        with bridged(dawdling(way_out)):
            async with EventClient(app, user=ada) as tab:
                first = asyncio.create_task(tab.load("/leaving"))
                await way_out.wait()
                await tab.navigate("/members")
                await asyncio.wait([first])
                assert (await sync_to_async(session_of)(ada)).get("left") == "a trace"

    async def test_on_load_on_its_way_out_outlives_a_second_cancellation(self, ada):
        way_out = asyncio.Event()
        with bridged(dawdling(way_out)):
            async with EventClient(app, user=ada) as tab:
                load = asyncio.create_task(tab.load("/leaving"))
                await way_out.wait()
                (event,) = (each for each in asyncio.all_tasks() if ".leave|" in each.get_name())
                for _ in range(2):
                    event.cancel()
                    await asyncio.sleep(0.01)
                assert not event.done()
                await asyncio.wait([event, load])
                assert (await sync_to_async(session_of)(ada)).get("left") == "a trace"

    async def test_superseded_handler_that_has_run_keeps_its_session(self, ada):
        way_out = asyncio.Event()
        with bridged(recorder("chain"), dawdling(way_out)):
            async with EventClient(app, user=ada) as tab:
                first = asyncio.create_task(tab.fire(Counter.search("first")))
                await way_out.wait()
                await tab.fire(Counter.search("second"))
                await asyncio.wait([first])
        assert journal == ["chain in", "chain out"] * 2

    @pytest.mark.parametrize("handler", [Counter.compute, Counter.compute_in_steps])
    @pytest.mark.parametrize("cancellations", [0, 1])
    async def test_superseded_handler_on_a_thread_keeps_the_lock_to_its_end(
        self, handler, cancellations
    ):
        async with EventClient(app) as tab:
            first = asyncio.create_task(tab.fire(handler("first")))
            while not journal:  # noqa: ASYNC110 - the handler is on a thread
                await asyncio.sleep(0.01)
            (event,) = (each for each in asyncio.all_tasks() if ".compute" in each.get_name())
            second = asyncio.create_task(tab.fire(handler("second")))
            for _ in range(cancellations):
                await asyncio.sleep(0.05)
                event.cancel()
            await asyncio.wait([first, second])
        assert journal == ["first in", "first out", "second in", "second out"]

    async def test_on_load_is_cancelled_while_its_handler_runs(self, ada):
        async with EventClient(app, user=ada) as tab:
            first = asyncio.create_task(tab.load("/leaving-slowly"))
            await asyncio.sleep(0.05)
            await tab.navigate("/members")
            await asyncio.wait([first])
            await asyncio.sleep(0.1)
            assert "left" not in await sync_to_async(session_of)(ada)

    async def test_request_is_that_of_the_page_address_not_of_its_route(self):
        async with EventClient(app, headers={"accept-language": "de"}) as tab:
            fired = await tab.load("/product/blue-mug", query="q=1&q=2")
        path, query, language, view = fired.vars["seen"]
        assert (path, query, language) == ("/product/blue-mug", "2", "de")
        assert view == "tests.events.app.Counter.look"

    @pytest.mark.parametrize("handler", [Counter.go, Counter.go_async])
    @pytest.mark.parametrize("threaded", [True, False])
    async def test_returned_redirect_waits_for_the_way_out(self, handler, threaded):
        class Refusing(MiddlewareMixin):
            def process_response(self, request, response):
                return HttpResponse(status=403) if handler is None else response

        with bridged(Refusing, threaded=threaded):
            async with EventClient(app) as tab:
                assert (await tab.fire(handler)).redirect == "/members"
                handler_that_went, handler = handler, None
                refused = await tab.fire(handler_that_went)
        assert refused.redirect is None
        assert refused.toasts

    async def test_stop_iteration_in_a_sync_handler_is_an_error_not_a_hang(self):
        async with EventClient(app, raise_exceptions=False) as tab:
            fired = await asyncio.wait_for(tab.fire(Counter.stop_iteration), 5)
            assert isinstance(fired.exception, RuntimeError)
            assert (await tab.fire(Counter.add(1))).vars["count"] == 1

    @pytest.mark.parametrize("threaded", [True, False])
    async def test_abandoned_generator_ends_within_its_event(self, ada, threaded):
        with bridged(threaded=threaded):
            async with EventClient(app, user=ada, raise_exceptions=False) as tab:
                fired = await tab.fire(Counter.yield_nonsense)
                assert isinstance(fired.exception, TypeError)
                assert journal == ["closed for ada"]

    async def test_login_not_required_handler_is_open_behind_login_required_middleware(self):
        with bridged("django.contrib.auth.middleware.LoginRequiredMiddleware"):
            async with EventClient(app) as tab:
                opened = await tab.load("/members")
                assert opened.redirect == "/admin/login/?next=/members"
                assert "on_load" not in journal
                assert (await tab.fire(Counter.open_to_all)).vars["count"] == 99
                refused = await tab.fire(Counter.who)
        assert refused.redirect == "/admin/login/?next=/members"
        assert "handler" not in journal

    async def test_queries_kept_under_debug_are_those_of_the_event(self, settings):
        settings.DEBUG = True
        with bridged(runner=MiddlewareRunner(threads=database_threads(core=1, limit=1))):
            async with EventClient(app) as tab:
                kept = [(await tab.fire(Counter.keep_queries)).vars["count"] for _ in range(2)]
        assert kept == [1, 2]

    @pytest.mark.parametrize(
        ("handler", "may_go"), [(Counter.count_up_async, True), (Counter.count_up, False)]
    )
    async def test_thread_stays_while_a_generator_is_open_on_it(self, monkeypatch, handler, may_go):
        leases = set()
        step = EventInProcess.note_step

        async def noted(process, each):
            leases.add(current_lease.get())
            return await step(process, each)

        monkeypatch.setattr(EventInProcess, "note_step", noted)
        with bridged(runner=MiddlewareRunner(leaves_thread=["project"])):
            async with EventClient(app) as tab:
                await tab.fire(handler)
        (lease,) = leases
        assert lease.lets_go(is_empty=True) is may_go


class TestBackground:
    async def test_task_has_its_own_events_user(self, ada):
        async with EventClient(app, user=ada) as tab:
            # The page may have a part of it before the event that starts it is at its end.
            seen = (await tab.fire(Counter.background)).vars | (await tab.background()).vars
        assert (seen["name"], seen["count"]) == ("ada", 1)

    async def test_chain_runs_once_for_admission_and_is_not_held_open(self, ada):
        with bridged(recorder("chain")):
            async with EventClient(app, user=ada) as tab:
                await tab.fire(Counter.background_forever)
                with pytest.raises(TimeoutError):
                    await tab.background(timeout=2)
        assert journal == ["chain in", "chain out", "background"]

    async def test_refused_task_does_not_start(self):
        with bridged(answering(HttpResponse(status=403))):
            async with EventClient(app) as tab:
                fired, later = await tab.fire(Counter.background), await tab.background()
        assert journal == []
        assert [*fired.toasts, *later.toasts] == ["You are not allowed to do that."]

    async def test_task_refused_on_the_way_out_does_not_start_either(self):
        def factory(get_response):
            def middleware(request):
                get_response(request)
                return HttpResponse(status=403)

            return middleware

        with bridged(factory):
            async with EventClient(app) as tab:
                await tab.fire(Counter.background)
                await tab.background()
        assert journal == []

    async def test_event_a_task_chains_after_its_socket_closed_has_its_user(self, ada):
        gates["go on"] = asyncio.Event()
        async with EventClient(app, user=ada) as server, server.tab(user=ada) as tab:
            await tab.fire(Counter.background_chains)
            connection_id = tab.connection.id
            tab.connection.close()
            tab.connection = None
            assert connection_id not in [each.id for each in connections]
            gates["go on"].set()
            fired = await tab.background()
        assert fired.vars["name"] == "ada"

    async def test_task_started_by_a_chain_has_its_user(self, ada):
        async with EventClient(app, user=ada) as tab:
            started = await tab.fire(Counter.start_background)
            assert (started.vars | (await tab.background()).vars)["name"] == "ada"

    async def test_thread_of_a_task_releases_what_it_can_do_without_and_ends_with_it(self, ada):
        threads, own = database_threads(), []
        threads.release = lambda: (
            own.append(threading.current_thread()) or journal.append("released")
        )
        with bridged(runner=MiddlewareRunner(threads=threads)):
            async with EventClient(app, user=ada) as tab:
                await tab.fire(Counter.background_waits)
                await tab.background()
                await asyncio.to_thread(own[0].join, 5)
        assert not own[0].is_alive()

    async def test_piece_of_a_task_runs_inside_the_chain(self, ada):
        with bridged(in_tokyo):
            async with EventClient(app, user=ada) as tab:
                await tab.load("/")
                fired, later = await tab.fire(Counter.in_pieces), await tab.background()
        here = "Asia/Tokyo acme ada"
        assert (fired.vars | later.vars)["seen"] == ["Asia/Tokyo", here, here]
        assert {*sent(fired, "zone"), *sent(later, "zone")} <= {"Asia/Tokyo"}
        assert await sync_to_async(lambda: session_of(ada)["left"])() == "a trace"

    async def test_in_middleware_calls_where_the_chain_is_there(self, ada):
        with bridged(in_tokyo, recorder("chain")):
            async with EventClient(app, user=ada) as tab:
                fired = await tab.fire(Counter.in_place)
        assert fired.vars["seen"] == ["Asia/Tokyo acme ada"]
        assert journal == ["chain in", "piece", "chain out"]

    async def test_login_in_a_task_is_an_error_that_says_where_it_must_stand(self, ada):
        async with EventClient(app) as tab:
            await tab.fire(Counter.sign_in_late(ada.username))
            await tab.background()
            assert len(journal) == 1
            assert "yield an event from the task" in journal[0]
            assert (await tab.fire(Counter.who)).vars["name"] == "ada"

    @pytest.mark.parametrize("change", ["signed out", "another user"])
    async def test_piece_whose_user_is_another_by_now_does_not_run(self, ada, bob, change):
        gates.update({"begun": asyncio.Event(), "go on": asyncio.Event()})
        async with EventClient(app, user=ada) as tab, tab.tab(user=bob) as other:
            await tab.fire(Counter.in_a_later_piece)
            await asyncio.wait_for(gates["begun"].wait(), 30)
            if change == "signed out":
                await Session.objects.all().adelete()
            else:
                tab.connection.replace_cookies(other.cookies)
            gates["go on"].set()
            await tab.background()
        assert len(journal) == 1
        assert "another user than the background task" in journal[0]
        assert "in_a_later_piece began with" in journal[0]
        assert "did not run" in journal[0]

    async def test_piece_the_chain_refuses_does_not_run(self, ada):
        gates.update({"begun": asyncio.Event(), "go on": asyncio.Event()})
        closed = []

        def closing(get_response):
            def middleware(request):
                return HttpResponse(status=503) if closed else get_response(request)

            return middleware

        with bridged(closing):
            async with EventClient(app, user=ada) as tab:
                await tab.fire(Counter.in_a_later_piece)
                await asyncio.wait_for(gates["begun"].wait(), 30)
                closed.append(True)
                gates["go on"].set()
                await tab.background()
        assert len(journal) == 1
        assert "answered 503" in journal[0]


TOASTS = {
    400: "That did not work. Please try again.",
    401: "Please sign in first.",
    403: "You are not allowed to do that.",
    404: "That is no longer there.",
    429: "That was too often. Please wait a moment and try again.",
    500: "That did not work. Please try again.",
    503: "The service is busy. Please try again in a moment.",
}


class TestRefusals:
    @pytest.mark.parametrize(("status", "toast"), TOASTS.items())
    async def test_status_becomes_a_toast_and_the_log_names_the_handler(
        self, caplog, status, toast
    ):
        secret = HttpResponse("the secret of the middleware", status=status)
        with bridged(refusing(secret)):
            async with EventClient(app) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.who)
        assert journal == []
        assert fired.toasts == [toast]
        assert "secret" not in repr(fired)
        assert f"tests.events.app.Counter.who did not run: {status}" in caplog.text

    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (PermissionDenied("secret"), 403),
            (Http404("secret"), 404),
            (SuspiciousOperation("secret"), 400),
            (RuntimeError("secret"), 500),
            (PoolExhausted("secret"), 503),
        ],
    )
    @pytest.mark.parametrize("hook", ["process_request", "process_view"])
    async def test_exception_of_a_hook(self, caplog, hook, error, status):
        def fail(self, request, *args):
            if not request.reflex_event.name.endswith("hydrate_and_load"):
                raise error

        middleware = type("Failing", (MiddlewareMixin,), {hook: fail})
        with bridged(middleware):
            async with EventClient(app) as tab:
                await tab.load("/")
                caplog.clear()
                fired = await tab.fire(Counter.who)
        assert journal == []
        assert fired.toasts == [TOASTS[status]]
        assert "secret" not in repr(fired)
        assert f"tests.events.app.Counter.who did not run: {status}" in caplog.text
        reports = [record.name for record in caplog.records if record.levelname == "ERROR"]
        suspicious = ["django.security.SuspiciousOperation"]
        assert reports == {400: suspicious, 500: ["django.request"], 503: ["django.request"]}.get(
            status, []
        )

    async def test_exception_on_the_way_out_is_told_too(self, caplog):
        class Failing(MiddlewareMixin):
            def process_response(self, request, response):
                raise RuntimeError("secret")

        with bridged(Failing):
            async with EventClient(app) as tab:
                fired = await tab.fire(Counter.who)
        assert "handler" in journal
        assert TOASTS[500] in fired.toasts
        assert "secret" not in repr(fired)
        assert "tests.events.app.Counter.who ran, but was refused: 500" in caplog.text

    async def test_short_circuit_with_200_is_a_refusal(self):
        with bridged(refusing(HttpResponse("cached"))):
            async with EventClient(app) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.who)
        assert journal == []
        assert fired.toasts == [TOASTS[500]]

    async def test_disallowed_host(self, caplog):
        async with EventClient(app, host="evil.test") as tab:
            fired = await tab.fire(Counter.who)
        assert journal == []
        assert TOASTS[400] in fired.toasts
        assert "tests.events.app.Counter.who did not run: 400" in caplog.text

    async def test_middleware_that_returns_none(self):
        with bridged(refusing(None)):
            async with EventClient(app) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.who)
        assert journal == []
        assert fired.toasts == [TOASTS[500]]

    async def test_admission_timeout(self):
        def slow(get_response):
            async def middleware(request):
                await asyncio.sleep(5)

            return middleware

        slow.async_capable, slow.sync_capable = True, False
        with bridged(runner=MiddlewareRunner([slow], admission_timeout=0.05)):
            async with EventClient(app) as tab:
                fired = await tab.fire(Counter.who)
        assert journal == []
        assert TOASTS[503] in fired.toasts

    async def test_event_that_gets_no_thread_is_refused(self, ada, caplog):
        threads = database_threads(core=1, limit=1, wait=0.05)
        with bridged(runner=MiddlewareRunner(threads=threads)):
            async with EventClient(app, user=ada) as tab, tab.tab(user=ada) as other:
                await tab.load("/")
                await other.load("/")
                resting = asyncio.create_task(tab.fire(Counter.rest(0.5)))
                for _ in range(40):
                    if not journal:
                        await asyncio.sleep(0.01)
                fired = await other.fire(Counter.who)
                await resting
        assert journal == ["handler"]
        assert fired.toasts == [TOASTS[503]]
        assert "tests.events.app.Counter.who did not run: 503" in caplog.text

    @pytest.mark.parametrize(
        ("target", "leads_to"),
        [
            ("/members?a=1#top", "/members?a=1#top"),
            ("http://testserver/members", "/members"),
            ("/product/mug", "/product/mug"),
            ("members", "/members"),
            ("/admin/", "/admin/"),
            ("https://sso.example.com/login", "https://sso.example.com/login"),
            ("//evil.test/x", "http://evil.test/x"),
            ("http://testserver//evil.test", "http://testserver//evil.test"),
            ("/\\evil.test", "http://testserver/\\evil.test"),
            ("", "/"),
            ("javascript:alert(1)", None),
            ("java\tscript:alert(1)", None),
            ("data:text/html,x", None),
            ("http://[", None),
            ("http:///x", "/x"),
        ],
    )
    def test_where_a_redirect_leads(self, target, leads_to):
        request = SyntheticRequestFactory().build(make_event())
        response = HttpResponse(status=302)
        response.headers["Location"] = target
        assert location(request, response) == leads_to

    async def test_redirect_to_a_page_of_the_app_is_shown_by_its_router(self):
        with bridged(refusing(HttpResponse(status=302, headers={"Location": "/product/mug?a=1"}))):
            async with EventClient(app) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.who)
        assert journal == []
        (event,) = fired.events
        assert event.name == "_redirect"
        assert event.payload["path"] == "/product/mug?a=1"
        assert event.payload["external"] is False

    @pytest.mark.parametrize(
        "target",
        ["/admin/login/?next=/", "https://sso.example.com/?a=\"b'", "//evil.test/</script>"],
    )
    async def test_redirect_elsewhere_is_loaded(self, target):
        with bridged(refusing(HttpResponse(status=302, headers={"Location": target}))):
            async with EventClient(app) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.who)
        assert journal == []
        assert [event.name for event in fired.events] == ["_call_script"]
        assert fired.redirect == (f"http:{target}" if target.startswith("//") else target)

    async def test_redirect_to_a_script_is_a_plain_refusal(self):
        response = HttpResponse(status=302, headers={"Location": "javascript:alert(1)"})
        with bridged(refusing(response)):
            async with EventClient(app) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.who)
        assert fired.redirect is None
        assert "alert" not in repr([event.payload for event in fired.events])
        assert fired.toasts == [TOASTS[500]]

    async def test_refuse_decides_what_the_page_is_sent(self):
        refusals = []

        def refuse(refusal: Refusal):
            refusals.append(refusal)
            return [rx.toast.info("no")]

        response = HttpResponse(status=302, headers={"Location": "/members"})
        with bridged(refusing(response), refuse=refuse):
            async with EventClient(app) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.who)
        (refusal,) = refusals
        assert (refusal.status, refusal.location) == (302, "/members")
        assert (refusal.event.handler_name, refusal.handler_ran) == (
            "tests.events.app.Counter.who",
            False,
        )
        assert fired.toasts == ["no"]
        assert fired.redirect is None

    async def test_refuse_that_fails_runs_no_handler(self):
        def refuse(refusal):
            raise LookupError

        with bridged(refusing(HttpResponse(status=403)), refuse=refuse):
            async with EventClient(app, raise_exceptions=False) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.who)
        assert isinstance(fired.exception, LookupError)
        assert journal == []

    @pytest.mark.parametrize(
        ("options", "runs_chain"),
        [
            ({"only": lambda event: event.name.endswith("who")}, True),
            ({"only": lambda event: False}, False),
            ({"exclude": lambda event: event.name.endswith("who")}, False),
            ({"exclude": lambda event: False}, True),
        ],
    )
    async def test_only_and_exclude_choose_the_events(self, ada, options, runs_chain):
        with bridged(recorder("chain"), **options):
            async with EventClient(app, user=ada) as tab:
                fired = await tab.fire(Counter.who)
        assert ("chain in" in journal) is runs_chain
        assert fired.vars["name"] == ("ada" if runs_chain else "")

    def test_former_name_of_exclude_works_with_a_warning(self):
        def everything(event):
            return True

        with pytest.warns(DeprecationWarning, match="exclude=") as caught:
            bridge = EventBridge(ConnectionRegistry(), skip=everything)
        assert (bridge.leaves_out, caught[0].filename) == (everything, __file__)

    @pytest.mark.parametrize("argument", ["requests", "runner", "binder"])
    def test_part_of_the_wrong_kind_is_a_value_error(self, argument):
        parts = {
            "requests": SyntheticRequestFactory(),
            "runner": MiddlewareRunner([]),
            "binder": ContextBinder(),
        }
        with pytest.raises(ValueError, match=argument):
            EventBridge(**{**parts, argument: object()})


PAGE = Path("docs/event-bridge.md").read_text()


class TestExceptions:
    async def test_exception_reaches_process_exception_and_reflex_once(self, monkeypatch):
        seen = []

        class Watching(MiddlewareMixin):
            def process_exception(self, request, exception):
                seen.append(("middleware", exception))

        def handler(exception):
            seen.append(("reflex", exception))
            return rx.toast.error("caught")

        monkeypatch.setattr(app, "backend_exception_handler", handler)
        with bridged(Watching):
            async with EventClient(app, raise_exceptions=False) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.fail)
        assert [where for where, _ in seen] == ["middleware", "reflex"]
        assert seen[0][1] is seen[1][1] is fired.exception
        assert fired.toasts == ["caught"]

    @pytest.mark.parametrize(
        ("handler", "logger"),
        [(Counter.fail, "django.request"), (Counter.fail_in_background, "shop")],
    )
    async def test_one_report_with_the_handler_that_the_docs_have(
        self, monkeypatch, caplog, handler, logger
    ):
        [block] = [code for _, code in python_blocks(PAGE) if "def failed" in code]
        names = {}
        exec(block.partition("\napp =")[0], names)
        monkeypatch.setattr(app, "backend_exception_handler", names["failed"])
        async with EventClient(app, raise_exceptions=False) as tab:
            await tab.load("/")
            caplog.clear()
            await tab.fire(handler)
            for _ in range(3000):
                if logger not in caplog.text:
                    await asyncio.sleep(0.01)
        got_request_exception.disconnect(names["mark"])
        assert [each.name for each in caplog.records if each.levelname == "ERROR"] == [logger]

    async def test_answered_exception_is_not_reflexs(self, monkeypatch):
        class Answering(MiddlewareMixin):
            def process_exception(self, request, exception):
                return HttpResponse(status=429)

        def fail(exception):
            pytest.fail("Reflex's backend exception handler was called")

        monkeypatch.setattr(app, "backend_exception_handler", fail)
        with bridged(Answering):
            async with EventClient(app) as tab:
                await tab.load("/")
                fired = await tab.fire(Counter.fail)
        assert fired.toasts == [TOASTS[429]]

    async def test_client_raises_what_a_handler_raises(self):
        async with EventClient(app) as tab:
            with pytest.raises(LookupError, match="secret of the handler"):
                await tab.fire(Counter.fail)

    async def test_permission_denied_by_a_handler_is_a_refusal(self, caplog):
        async with EventClient(app) as tab:
            await tab.load("/")
            fired = await tab.fire(Counter.deny)
        assert fired.toasts == [TOASTS[403]]
        assert "tests.events.app.Counter.deny ran, but was refused: 403" in caplog.text

    async def test_event_after_a_failed_one_works(self, ada):
        async with EventClient(app, user=ada, raise_exceptions=False) as tab:
            await tab.fire(Counter.fail)
            assert (await tab.fire(Counter.who)).vars["name"] == "ada"


class TestSession:
    @pytest.mark.parametrize("handler", [Counter.set_session, Counter.set_session_async])
    @pytest.mark.parametrize(
        "engine",
        [
            "django.contrib.sessions.backends.db",
            "django.contrib.sessions.backends.cached_db",
            "django.contrib.sessions.backends.cache",
            "django.contrib.sessions.backends.file",
        ],
    )
    async def test_value_a_handler_writes_is_saved_after_it(
        self, settings, tmp_path, engine, handler
    ):
        settings.SESSION_ENGINE = engine
        settings.SESSION_FILE_PATH = str(tmp_path)
        with bridged():
            async with EventClient(app) as tab:
                await tab.fire(handler("kept"))
                store = __import__(engine, fromlist=["SessionStore"]).SessionStore
                session = store(tab.cookies["sessionid"])
                assert await session.aget("value") == "kept"
                assert (await tab.fire(Counter.read_session)).vars["name"] == "kept"

    async def test_value_is_in_the_database(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Counter.set_session("kept"))
            stored = await Session.objects.aget(pk=tab.cookies["sessionid"])
        assert stored.get_decoded()["value"] == "kept"

    async def test_message_is_there_at_the_next_event_once(self):
        async with EventClient(app) as tab:
            await tab.load("/")
            await tab.fire(Counter.add_message_and_leave("Saved."))
            assert (await tab.fire(Counter.read_messages)).vars["seen"] == ["Saved."]
            assert (await tab.fire(Counter.read_messages)).vars["seen"] == []

    @pytest.mark.parametrize(
        ("storage", "browser_has_the_jar"),
        [("session.SessionStorage", False), ("fallback.FallbackStorage", True)],
    )
    async def test_message_is_there_on_a_django_page(
        self, settings, async_client, storage, browser_has_the_jar
    ):
        settings.MESSAGE_STORAGE = f"django.contrib.messages.storage.{storage}"
        root = await User.objects.acreate_superuser("root", "root@example.com", "secret")
        async with EventClient(app, user=root) as tab:
            browser = dict(tab.cookies)
            await tab.fire(Counter.add_message_and_leave("Saved by an event."))
            if browser_has_the_jar:
                browser = tab.cookies
            async_client.cookies.load("; ".join(f"{n}={v}" for n, v in browser.items()))
            page = await async_client.get("/admin/")
        assert "Saved by an event." in page.content.decode()

    async def test_cookies_of_a_response_change_the_jar(self, caplog):
        async with EventClient(app, cookies={"old": "1"}) as tab:
            await tab.fire(Counter.set_cookie("new", "a b;c"))
            assert tab.cookies["new"] == '"a b\\073c"'
            await tab.fire(Counter.delete_cookie("old"))
            assert "old" not in tab.cookies
            await tab.fire(Counter.set_cookie("new", "€"))
            assert "The cookie new reaches no later event" in caplog.text
            await tab.fire(Counter.set_cookie("empty", ""))
            assert tab.cookies["empty"] in ("", '""')

    @pytest.mark.parametrize(
        ("attributes", "kept"),
        [
            ({}, True),
            ({"max-age": 0}, False),
            ({"max-age": "-1"}, False),
            ({"max-age": "60", "expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, True),
            ({"max-age": "soon"}, True),
            ({"expires": "Thu, 01 Jan 1970 00:00:00 GMT"}, False),
            ({"expires": "Thu, 01 Jan 2970 00:00:00 GMT"}, True),
            ({"expires": "nonsense"}, True),
        ],
    )
    def test_expired_cookie_leaves_the_jar(self, attributes, kept):
        response = HttpResponse()
        response.cookies["name"] = "value"
        response.cookies["name"].update(attributes)
        with connections.open(cookies={"name": "old"}) as connection:
            keep_cookies(connection, response, [connection.held])
            assert connection.cookies.get("name") == ("value" if kept else None)

    async def test_user_who_signs_in_by_an_event_is_the_next_events_user(self, ada):
        async with EventClient(app) as tab:
            await tab.fire(Counter.sign_in("ada"))
            assert (await tab.fire(Counter.who)).vars["name"] == "ada"
            await tab.fire(Counter.sign_out)
            assert (await tab.fire(Counter.who)).vars["name"] == ""


def comparable(fired):
    """What the page received of the counter and of its own hydration, delta by delta.

    The states of other test modules of this run have vars that each delta sends anew, and the
    mirrors' are the bridge's own.
    """
    deltas = [
        {
            state: {name: value for name, value in changes.items() if "rx_router" not in name}
            for state, changes in delta.items()
            if state == Counter.get_full_name() or any("is_hydrated" in name for name in changes)
        }
        for delta in fired.deltas
    ]
    return [delta for delta in deltas if delta]


class TestRestart:
    """An event of a page that was open before the server restarted, with state in memory."""

    @pytest.mark.parametrize("path", ["/", "/members"])
    @pytest.mark.parametrize("handler", [Counter.add(3), Counter.count_up, Counter.background])
    async def test_event_rehydrates_the_page_and_takes_effect_as_in_plain_reflex(
        self, path, handler
    ):
        async def first_event():
            async with EventClient(app, path=path) as tab:
                fired = await tab.fire(handler)
                later = await tab.background()
                deltas = [*comparable(fired), *comparable(later)]
                # A background task runs beside the page's on_load, in any order.
                return sorted(deltas, key=repr) if handler is Counter.background else deltas

        with unbridged():
            plain = await first_event()
        bridged = await first_event()
        assert bridged == plain
        assert any("is_hydrated_rx_state_" in str(delta) for delta in plain)

    async def test_navigation_rehydrates_too(self):
        async with EventClient(app) as tab:
            fired = await tab.navigate("/members")
        assert "count" in fired.vars
        assert fired.vars["is_hydrated"] is True

    async def test_hydrated_page_is_not_hydrated_again(self):
        async with EventClient(app) as tab:
            await tab.load("/")
            fired = await tab.fire(Counter.add(1))
        assert "is_hydrated" not in fired.vars

    @pytest.mark.parametrize("handler", [Counter.who, Counter.background])
    async def test_refused_event_leaves_the_page_alive(self, handler):
        with bridged(refusing(HttpResponse(status=403))):
            async with EventClient(app) as tab:
                fired = await tab.fire(handler)
                received = {**fired.vars, **(await tab.background()).vars}
        assert journal == []
        assert received["is_hydrated"] is True
        assert "count" in received

    async def test_refused_load_leaves_the_page_alive(self):
        with bridged(answering(HttpResponse(status=503))):
            async with EventClient(app) as tab:
                fired = await tab.load("/members")
        assert journal == []
        assert fired.vars["is_hydrated"] is True

    async def test_malformed_event_leaves_the_page_alive(self, caplog):
        async with EventClient(app) as tab:
            fired = await tab.load("/", query="\x00")
        assert fired.vars["is_hydrated"] is True
        assert fired.toasts == [TOASTS[400]]
        assert "control characters" in caplog.text


class TestComputedVars:
    async def test_var_computed_of_the_user_is_that_of_the_event(self, ada):
        async with EventClient(app, user=ada) as tab:
            fired = await tab.load("/members")
            assert set(sent(fired, "greeting")) == {"Hello ada"}
            fired = await tab.fire(Counter.add(1))
            assert set(sent(fired, "greeting")) <= {"Hello ada"}

    async def test_refused_load_shows_nobodys(self, ada):
        with bridged(answering(HttpResponse(status=403))):
            async with EventClient(app, user=ada) as tab:
                fired = await tab.load("/")
        assert set(sent(fired, "greeting")) == {"Hello nobody"}
        assert Shown is not None

    async def test_each_delta_of_a_page_load_is_computed_inside_the_chain(self):
        with bridged(in_tokyo):
            async with EventClient(app) as tab:
                for open_page in (tab.load, tab.navigate):
                    fired = await open_page("/members")
                    assert set(sent(fired, "zone")) <= {"Asia/Tokyo"}
                    assert fired.vars["is_hydrated"] is True

    async def test_page_that_reports_an_error_is_shown_its_own_users_values(self, ada):
        report = FrontendEventExceptionState.handle_frontend_exception
        with bridged(in_tokyo):
            async with EventClient(app, user=ada) as tab:
                await tab.load("/")
                fired = await tab.fire(report, info="a test", component_stack="")
        assert set(sent(fired, "greeting")) <= {"Hello ada"}
        assert set(sent(fired, "zone")) <= {"Asia/Tokyo"}

    async def test_visitor_may_report_an_error_behind_login_required_middleware(self):
        report = FrontendEventExceptionState.handle_frontend_exception
        with bridged("django.contrib.auth.middleware.LoginRequiredMiddleware"):
            async with EventClient(app) as tab:
                fired = await tab.fire(report, info="a test", component_stack="")
        assert fired.redirect is None

    async def test_page_whose_chain_refuses_it_halfway_is_shown_to_nobody(self, ada):
        with bridged(refusing(HttpResponse(status=429))):
            async with EventClient(app, user=ada) as tab:
                fired = await tab.load("/members")
        assert fired.vars["is_hydrated"] is True
        assert sent(fired, "greeting")[-1] == "Hello nobody"
        assert (fired.vars["username"], journal) == ("", [])
        assert set(fired.toasts) == {TOASTS[429]}


class TestRegistry:
    async def test_bridge_without_a_registry_reads_the_handshake_from_router_data(self, ada):
        with bridged(requests=SyntheticRequestFactory()):
            async with EventClient(app, user=ada) as tab:
                assert tab.connection is None
                assert (await tab.fire(Counter.who)).vars["name"] == "ada"

    async def test_factory_of_ones_own_needs_build_only(self, ada):
        class Factory:
            def build(self, event):
                request = SyntheticRequestFactory().build(event)
                request.made_here = True
                return request

        with bridged(requests=Factory()):
            async with EventClient(app, user=ada) as tab:
                assert (await tab.fire(Counter.who)).vars["name"] == "ada"

    async def test_language_is_back_after_the_event(self):
        with translation.override("en"):
            async with EventClient(app, headers={"Accept-Language": "ar"}) as tab:
                fired = await tab.fire(Counter.look)
                assert fired.vars["seen"][2] == "ar"
            assert translation.get_language() == "en"

    def test_bridge_is_a_reflex_middleware(self):
        assert isinstance(bridge(), rx.Middleware)

    async def test_redirect_is_logged_with_the_handlers_name(self, caplog):
        caplog.set_level(logging.INFO, "rxbridge")
        response = HttpResponse(status=302, headers={"Location": "/members"})
        with bridged(refusing(response)):
            async with EventClient(app) as tab:
                await tab.fire(Counter.who)
        assert "tests.events.app.Counter.who did not run: 302 to /members" in caplog.text
