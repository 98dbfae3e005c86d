"""The trace as OpenTelemetry spans: one for the event, and its steps within."""

import asyncio
import logging

import pytest
import reflex as rx
from django.contrib.auth.models import Group
from django.http import HttpResponse
from opentelemetry import trace as api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from rxbridge.testing import EventClient
from rxbridge.trace import EventTrace
from tests.test_nothing_global import run_probe
from tests.trace.site import Orders, app
from tests.trace.test_runner import fine, run

pytestmark = pytest.mark.django_db(transaction=True)

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("shop")


class Desk(rx.State):
    count: int = 0

    @rx.event
    def sync(self):
        with tracer.start_as_current_span("own"):
            self.count = Group.objects.count()

    @rx.event
    async def asynchronous(self):
        with tracer.start_as_current_span("own"):
            await asyncio.sleep(0.001)
            self.count = await Group.objects.acount()

    @rx.event
    def generator(self):
        yield
        with tracer.start_as_current_span("own"):
            self.count = Group.objects.count()


@pytest.fixture(autouse=True)
def trace(traced, caplog):
    exporter.clear()
    with caplog.at_level(logging.WARNING, "opentelemetry"):
        yield traced(trace=EventTrace(tracer=tracer))
    assert [each.message for each in caplog.records if each.name.startswith("opentel")] == []
    assert not api.get_current_span().get_span_context().is_valid


def finished() -> dict:
    return {span.name: span for span in exporter.get_finished_spans()}


def parents(span) -> list[str]:
    """Names from a span's parent outwards."""
    known = {each.context.span_id: each for each in exporter.get_finished_spans()}
    found = []
    while span.parent is not None:
        span = known[span.parent.span_id]
        found.append(span.name)
    return found


@pytest.mark.parametrize("handler", [Desk.sync, Desk.asynchronous, Desk.generator])
async def test_spans_of_the_handlers_own_are_within_its(ada, handler):
    async with EventClient(app, user=ada) as tab:
        await tab.load()
        exporter.clear()
        await tab.fire(handler)
    own, sql = finished()["own"], [s for s in exporter.get_finished_spans() if s.name == "SELECT"]
    assert parents(own)[0] == "handler"
    assert parents(own)[-1].startswith(f"{__name__}.Desk.")
    assert parents(sql[-1])[:2] == ["own", "handler"]


async def test_middleware_called_around_is_around(ada):
    async with EventClient(app, user=ada) as tab:
        await tab.fire(Desk.sync)
    around = parents(finished()["handler"])
    assert [name for name in around if name.endswith("__call__")] == [
        "turnstile.__call__",
        "Tenants.__call__",
        "access_log.__call__",
    ]
    assert parents(finished()["SessionMiddleware.process_request"])[0] == "access_log.__call__"


async def test_attributes_follow_the_conventions(ada):
    async with EventClient(app, user=ada) as tab:
        await tab.load("/reset/abc")
        exporter.clear()
        await tab.fire(Orders.count)
    event = finished()["tests.trace.site.Orders.count"]
    assert event.kind is SpanKind.SERVER
    assert event.attributes["code.function.name"] == "tests.trace.site.Orders.count"
    assert event.attributes["http.route"] == "/reset/[key]"
    assert event.attributes["http.response.status_code"] == 200
    assert event.attributes["user.id"] == str(ada.pk)
    assert event.attributes["rxbridge.cookies"] == ("basket",)
    assert event.attributes["rxbridge.reached"] is True
    assert event.status.status_code is StatusCode.UNSET
    sql = finished()["SELECT"]
    assert sql.kind is SpanKind.CLIENT
    assert sql.attributes["db.system.name"] == "sqlite"
    assert sql.attributes["db.query.text"].endswith("WHERE auth_user.email = %s")
    hook = finished()["SessionMiddleware.process_request"]
    assert hook.attributes["code.function.name"] == (
        "django.contrib.sessions.middleware.SessionMiddleware.process_request"
    )


async def test_failure_is_told_by_type_alone(ada):
    async with EventClient(app, user=ada, raise_exceptions=False) as tab:
        await tab.fire(Orders.fail)
        await tab.fire(Orders.deny)
    for name in ("tests.trace.site.Orders.fail", "handler"):
        span = next(s for s in exporter.get_finished_spans() if s.name == name)
        assert span.attributes["error.type"] == "LookupError"
        assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
        assert span.events == ()
    # Django's way to answer is no failure of the event.
    assert finished()["tests.trace.site.Orders.deny"].status.status_code is StatusCode.UNSET


async def test_event_within_another_span_is_part_of_it(trace):
    with tracer.start_as_current_span("outside"):
        await run(trace, [], fine)
    event = finished()["rxbridge.events.requests.no_handler"]
    assert (parents(event), event.kind) == (["outside"], SpanKind.INTERNAL)


async def test_spans_of_simultaneous_events_do_not_mix(ada):
    async with EventClient(app, user=ada) as tab:
        handlers = (Desk.sync, Desk.asynchronous, Desk.generator)
        await asyncio.gather(*(tab.fire(each) for each in handlers for _ in range(4)))
    spans = [span for span in exporter.get_finished_spans() if span.name == "own"]
    assert len(spans) == 12
    assert len({span.parent.span_id for span in spans}) == 12


async def test_cancelled_event_ends_its_spans(trace):
    def blocking(get_response):
        async def middleware(request):
            await asyncio.sleep(30)
            return HttpResponse()

        return middleware

    blocking.async_capable, blocking.sync_capable = True, False
    task = asyncio.create_task(run(trace, [blocking], fine))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    event = finished()["rxbridge.events.requests.no_handler"]
    assert event.attributes["rxbridge.result"] == "cancelled"
    assert "blocking.__call__" in finished()


def test_opentelemetry_is_asked_for_only_when_a_tracer_is_given():
    assert run_probe("loaded.py", "rxbridge.trace", "rxbridge.trace._spans") == []
