"""TracedRunner: the chain runs as it would without it, and the trace says what ran where."""

import asyncio
import threading
from functools import partial

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.sessions.middleware import SessionMiddleware
from django.core.exceptions import MiddlewareNotUsed
from django.db import connection
from django.http import HttpResponse
from django.test import override_settings
from django.utils.deprecation import MiddlewareMixin

from rxbridge.events import DEFAULT_SKIP, MiddlewareRunner, Revalidator, SyntheticRequestFactory
from rxbridge.testing import EventClient, make_event
from rxbridge.trace import EventTrace, TracedRunner
from rxbridge.trace._record import STEPS
from tests.test_nothing_global import run_probe
from tests.trace.site import MIDDLEWARE, Orders, app

pytestmark = pytest.mark.django_db(transaction=True)


class Subclassed(SessionMiddleware):
    """Of a class known not to block, and so no longer known."""


class WithMetaclass(MiddlewareMixin, metaclass=type("Meta", (type,), {})):
    def process_request(self, request):
        return None


class AsyncHooks(MiddlewareMixin):
    async def process_view(self, request, view, args, kwargs):
        await asyncio.sleep(0)

    def process_exception(self, request, error):
        return HttpResponse(status=418)

    def process_template_response(self, request, response):
        return response


class Both:
    async_capable = sync_capable = True

    def __init__(self, get_response):
        self.get_response = get_response

    async def __call__(self, request):
        return await self.get_response(request)


class Absent(MiddlewareMixin):
    def __init__(self, get_response):
        raise MiddlewareNotUsed("nobody needs it")


def configured(get_response, *, status):
    def middleware(request):
        return get_response(request)

    return middleware


class Factory:
    """A factory that is an object; its class says how what it makes is called."""

    async_capable, sync_capable = True, False

    def __call__(self, get_response):
        async def middleware(request):
            return await get_response(request)

        return middleware


STACKS = {
    "startproject": settings.MIDDLEWARE,
    "every kind": MIDDLEWARE,
    "paths and classes": [SessionMiddleware, "tests.trace.test_runner.Subclassed"],
    "with a metaclass": [WithMetaclass],
    "async hooks": [*settings.MIDDLEWARE, AsyncHooks],
    "a factory that is an object": [Factory()],
    "callables": [Both, partial(configured, status=200), Both],
    "not used": [Absent, *settings.MIDDLEWARE],
    "nothing": [],
}


def steps(event: dict) -> list[tuple[str, str]]:
    return [(hook["middleware"].rpartition(".")[2], hook["hook"]) for hook in event["hooks"]]


def find(event: dict, middleware: str, hook: str) -> dict:
    [found] = [
        each
        for each in event["hooks"]
        if each["middleware"].endswith(middleware) and each["hook"] == hook
    ]
    return found


async def run(trace: EventTrace, middleware, view, **event):
    request = SyntheticRequestFactory().build(make_event(**event))
    return await TracedRunner(trace, middleware).run(request, view)


async def fine(request, **kwargs):
    return HttpResponse()


class TestPlan:
    @pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"skip": {}},
            {"skip": {**DEFAULT_SKIP, "django.utils.deprecation.MiddlewareMixin": "a base"}},
            {"skip": ["tests.trace.site.Tenants.process_view", "tests.trace.test_runner.Both"]},
            {"threads": None},
            {"identity": Revalidator()},
        ],
        ids=["default", "skip_nothing", "skip_a_base", "skip_named", "no_threads", "identity"],
    )
    def test_plan_is_that_of_the_runner_without_a_trace(self, stack, options):
        plain = MiddlewareRunner(stack, **options)
        assert TracedRunner(EventTrace(), stack, **options).explain() == plain.explain()

    def test_middleware_is_the_settings_unless_given(self):
        assert TracedRunner(EventTrace()).explain() == MiddlewareRunner().explain()

    @pytest.mark.parametrize("stack", STACKS.values(), ids=STACKS)
    async def test_each_hook_of_the_plan_is_recorded(self, stack):
        trace = EventTrace()
        await run(trace, stack, fine)
        [event] = trace.events()
        ran = {"process_exception", "process_template_response", ""}
        runner = TracedRunner(trace, stack)
        planned = [row for row in runner.explain() if row.runs != "skipped" and row.hook not in ran]
        assert {(hook["middleware"], hook["hook"]) for hook in event["hooks"]} == {
            (row.middleware, row.hook) for row in planned
        }
        awaited = {(row.middleware, row.hook) for row in planned if row.runs == "async"}
        assert {
            hook["thread"]
            for hook in event["hooks"]
            if (hook["middleware"], hook["hook"]) in awaited
        } <= {"loop"}

    def test_bad_list_is_refused_at_construction(self):
        with pytest.raises(ValueError, match="lists of dotted paths"):
            TracedRunner(EventTrace(), "one.path")

    def test_kernel_does_not_load_the_trace(self):
        assert run_probe("loaded.py", "rxbridge.events.chain.runner", "rxbridge.trace") == []


class TestEvent:
    async def test_event_is_told_from_end_to_end(self, ada, traced):
        trace = traced()
        async with EventClient(app, user=ada) as tab:
            await tab.load("/reset/abc", query="q=1")
            await tab.fire(Orders.add)
        event, _ = trace.events()
        assert event["handler"] == "tests.trace.site.Orders.add"
        assert (event["result"], event["status"], event["reached"]) == ("done", 200, True)
        assert (event["route"], event["user"]) == ("/reset/[key]", str(ada.pk))
        assert event["cookies"] == ["basket", "messages", "sessionid"]
        assert event["sql_count"] == len(event["queries"]) >= 3
        assert event["delta_count"] == 1
        assert 20 < event["delta_bytes"] < 500
        assert 0 < event["handler_ms"] < event["ms"]
        assert event["sql_ms"] < event["ms"]

    async def test_steps_are_nested_as_the_middleware_is(self, ada, traced):
        trace = traced()
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Orders.count)
        [event] = trace.events()
        outer, inner = find(event, "access_log", "__call__"), find(event, "turnstile", "__call__")
        assert outer["depth"] == 0 < inner["depth"]
        for each in (inner, event["view"]):
            assert outer["start_ms"] <= each["start_ms"]
            assert each["start_ms"] + each["ms"] <= outer["start_ms"] + outer["ms"] + 0.01
        names = steps(event)
        first, last = (
            names.index(("SessionMiddleware", hook))
            for hook in ("process_request", "process_response")
        )
        assert first < names.index(("turnstile", "__call__")) < last

    async def test_statements_belong_to_what_ran_them(self, ada, traced):
        trace = traced(*settings.MIDDLEWARE)
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Orders.count)
            await tab.fire(Orders.add)
        second, first = trace.events()
        assert [query["within"] for query in first["queries"]] == [
            "rxbridge.resolve_identity",
            "rxbridge.resolve_identity",
            "handler",
        ]
        assert first["queries"][2]["sql"] == (
            "SELECT COUNT(*) AS __count FROM auth_user WHERE auth_user.email = %s"
        )
        saved = {query["within"] for query in second["queries"] if "UPDATE" in query["sql"]}
        session = "django.contrib.sessions.middleware.SessionMiddleware.process_response"
        assert saved == {session}

    async def test_statement_of_a_middleware_is_not_taken_for_the_users(self, ada, traced):
        def counting(get_response):
            def middleware(request):
                Group.objects.count()
                return get_response(request)

            return middleware

        trace = traced(*settings.MIDDLEWARE, counting)
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Orders.chain(0))
        withins = [query["within"] for query in trace.events()[0]["queries"]]
        assert withins[0].endswith("counting.__call__")
        assert withins[1:] == ["rxbridge.resolve_identity"] * 2

    async def test_one_thread_does_all_that_blocks(self, ada, traced):
        trace = traced()
        async with EventClient(app, user=ada) as tab:
            await tab.load()
            await tab.fire(Orders.one_by_one)
        event, _ = trace.events()
        assert {query["thread"] for query in event["queries"]} == {"thread 1"}
        assert find(event, "Tenants", "__call__")["thread"] == "loop"
        assert find(event, "turnstile", "__call__")["thread"] == "thread 1"
        assert event["view"]["thread"] == "thread 1"
        assert event["delta_count"] == 5

    async def test_asynchronous_handler_is_on_the_loop(self, ada, traced):
        trace = traced()
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Orders.count_async)
        [event] = trace.events()
        assert event["view"]["thread"] == "loop"
        assert event["queries"][-1]["thread"] == "thread 1"
        assert event["queries"][-1]["within"] == "handler"

    @pytest.mark.parametrize(
        ("refuses", "status", "redirect", "said"),
        [
            ("hook", 302, "/closed", ("ClosedShop", "process_request")),
            ("call", 429, "", ("turnstile", "__call__")),
        ],
    )
    async def test_refusal_names_the_middleware(self, traced, refuses, status, redirect, said):
        trace = traced()
        async with EventClient(app, headers={"X-Refuse": refuses}) as tab:
            await tab.fire(Orders.count)
        [event] = trace.events()
        assert (event["result"], event["reached"]) == ("refused", False)
        assert (event["status"], event["redirect"], event["view"]) == (status, redirect, None)
        assert [
            (hook["middleware"].rpartition(".")[2], hook["hook"])
            for hook in event["hooks"]
            if hook["said"]
        ] == [said]

    async def test_refusal_of_the_handler_itself_is_one(self, ada, traced):
        trace = traced()
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Orders.deny)
        [event] = trace.events()
        assert (event["result"], event["reached"], event["status"]) == ("refused", True, 403)
        assert event["view"]["said"] == "django.core.exceptions.PermissionDenied"

    async def test_failure_is_told_by_its_type(self, ada, traced):
        trace = traced()
        async with EventClient(app, user=ada, raise_exceptions=False) as tab:
            await tab.fire(Orders.fail)
            await tab.fire(Orders.wrong_sql)
        sql, lookup = trace.events()
        assert (lookup["result"], lookup["error_type"]) == ("failed", "LookupError")
        assert sql["error_type"] == "django.db.utils.OperationalError"
        assert sql["queries"][-1]["said"] == "django.db.utils.OperationalError"

    async def test_cancelled_event_is_recorded_as_far_as_it_came(self):
        reached = asyncio.Event()

        async def endless(request):
            reached.set()
            await asyncio.sleep(30)

        trace = EventTrace()
        task = asyncio.create_task(run(trace, settings.MIDDLEWARE, endless))
        await reached.wait()
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        [event] = trace.events()
        assert (event["result"], event["reached"]) == ("cancelled", True)
        assert event["ms"] >= 50

    async def test_chained_event_names_the_one_it_follows(self, ada, traced):
        trace = traced()
        async with EventClient(app, user=ada) as tab:
            await tab.load()
            await tab.fire(Orders.chain(2))
        last, middle, first, _ = trace.events()
        assert first["chained_by"] is None
        assert middle["chained_by"] == first["number"]
        assert last["chained_by"] == middle["number"]
        assert {event["delta_count"] for event in (first, middle, last)} == {1}

    async def test_long_chain_does_not_grow_what_sends_its_deltas(self, traced):
        trace = traced()
        async with EventClient(app) as tab:
            await tab.fire(Orders.chain(400))
        assert trace.events()[0]["delta_count"] == 1

    async def test_background_task_is_recorded_as_its_admission(self, ada, traced):
        trace = traced()
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Orders.task)
            await tab.background()
        [event] = trace.events()
        assert (event["background"], event["result"], event["delta_count"]) == (True, "done", 0)

    async def test_page_load_is_an_event_too(self, traced):
        trace = traced()
        async with EventClient(app) as tab:
            await tab.load("/reset/abc")
        [event] = trace.events()
        assert event["handler"].endswith("hydrate_and_load")
        assert event["delta_bytes"] > 100

    async def test_simultaneous_events_do_not_mix(self, ada, traced):
        trace = traced()
        async with EventClient(app, user=ada) as one, one.tab(user=ada) as two:
            await asyncio.gather(one.load(), two.load())
            trace.clear()
            await asyncio.gather(
                *(tab.fire(Orders.one_by_one) for tab in (one, two) for _ in range(5)),
            )
        counts = {(event["sql_count"], event["delta_count"]) for event in trace.events()}
        assert len(trace.events()) == 10
        assert counts == {(7, 5)}

    async def test_handler_sees_what_it_would_without_a_trace(self, ada, traced):
        traced()
        async with EventClient(app, user=ada) as tab:
            assert (await tab.fire(Orders.add(2))).vars["total"] == 2
            assert (await tab.fire(Orders.one_by_one)).vars["lines"][-1] == "line 4"


class TestBounds:
    async def test_only_the_last_events_are_kept(self, traced):
        trace = traced(trace=EventTrace(keep=3))
        async with EventClient(app) as tab:
            await tab.fire(Orders.chain(5))
        assert [event["number"] for event in trace.events()] == [6, 5, 4]
        trace.clear()
        assert trace.events() == []

    async def test_an_event_that_asks_for_ever_is_counted_and_not_kept(self):
        def asking(get_response):
            def middleware(request):
                for _ in range(STEPS + 50):
                    Group.objects.count()
                return get_response(request)

            return middleware

        trace = EventTrace()
        await run(trace, [asking], fine)
        [event] = trace.events()
        assert (event["sql_count"], len(event["queries"])) == (STEPS + 50, STEPS)

    @pytest.mark.parametrize("keep", [0, -1])
    def test_a_trace_keeps_something(self, keep):
        with pytest.raises(ValueError, match="keep"):
            EventTrace(keep=keep)


class TestDatabase:
    def test_statements_outside_of_events_are_not_recorded(self):
        trace = EventTrace()
        TracedRunner(trace)
        Group.objects.count()
        assert trace.events() == []

    def test_somebody_elses_wrapper_is_left_to_them(self):
        """One that is in force while the connection opens takes itself away, not the trace's."""

        def theirs(execute, *args):
            return execute(*args)

        def on_a_new_thread():
            with connection.execute_wrapper(theirs):
                Group.objects.count()
            found.append(list(connection.execute_wrappers))
            connection.close()

        found = []
        TracedRunner(EventTrace())
        thread = threading.Thread(target=on_a_new_thread)
        thread.start()
        thread.join()
        assert theirs not in found[0]
        assert len(found[0]) == 1

    async def test_connection_is_watched_once_however_many_traces_there_are(self):
        first, second = EventTrace(), EventTrace()

        async def counting(request):
            await Group.objects.acount()

        runner = TracedRunner(first, [])
        del runner
        await run(second, [], counting)
        assert second.events()[0]["sql_count"] == 1
        assert first.events() == []

    @override_settings(DEBUG=True)
    async def test_unreadable_statement_has_no_text(self):
        class Composed:
            def __str__(self):
                return "SELECT secret"

        def composing(get_response):
            def middleware(request):
                with connection.cursor() as cursor, pytest.raises(Exception):  # noqa: B017
                    cursor.execute(Composed())
                return get_response(request)

            return middleware

        trace = EventTrace()
        await run(trace, [composing], fine)
        assert trace.events()[0]["queries"][0]["sql"] == "(Composed)"
