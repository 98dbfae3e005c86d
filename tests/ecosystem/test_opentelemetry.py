"""opentelemetry-instrumentation-django: a span around the handler, its own inside it."""

import asyncio
import logging

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from opentelemetry import trace
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app, recipe

pytestmark = pytest.mark.django_db(transaction=True)

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
DjangoInstrumentor().instrument(tracer_provider=provider)
tracer = provider.get_tracer("shop")


class Desk(AppState, rx.State):
    users: int = -1

    @rx.event
    def count(self):
        with tracer.start_as_current_span("counting"):
            self.users = User.objects.count()

    @rx.event
    async def count_async(self):
        with tracer.start_as_current_span("counting"):
            await asyncio.sleep(0.01)
            self.users = await User.objects.acount()

    @rx.event
    async def count_as_generator(self):
        yield
        with tracer.start_as_current_span("counting"):
            self.users = await User.objects.acount()

    @rx.event
    async def name_user(self):
        name = self.user.get_username()
        with tracer.start_as_current_span("naming", attributes={"user": name}) as span:
            await asyncio.sleep(0.01)
            assert trace.get_current_span() is span
            await sync_to_async(User.objects.count)()

    @rx.event
    def fail(self):
        raise LookupError("for the span")


app = bridged_app()
COUNTERS = {
    "count": Desk.count,
    "count_async": Desk.count_async,
    "count_as_generator": Desk.count_as_generator,
}


@pytest.fixture(autouse=True)
def empty_exporter():
    exporter.clear()


@pytest.mark.parametrize("name", COUNTERS)
async def test_span_of_the_event_is_the_parent_of_the_handlers(name, caplog):
    with caplog.at_level(logging.ERROR, "opentelemetry"):
        async with EventClient(app) as tab:
            await tab.fire(COUNTERS[name])
    inner, outer = exporter.get_finished_spans()
    assert inner.name == "counting"
    assert (outer.name, outer.kind) == (f"POST {__name__}.Desk.{name}", SpanKind.SERVER)
    assert inner.parent.span_id == outer.context.span_id
    assert outer.attributes["http.status_code"] == 200
    assert caplog.records == []
    assert not trace.get_current_span().is_recording()


async def test_trace_of_the_handshake_is_continued():
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    async with EventClient(app, headers=headers) as tab:
        await tab.fire(Desk.count)
    assert {f"{span.context.trace_id:032x}" for span in exporter.get_finished_spans()} == {
        "0af7651916cd43dd8448eb211c80319c"
    }


async def test_spans_of_simultaneous_events_do_not_mix():
    async with EventClient(app) as tab:
        await asyncio.gather(*(tab.fire(each) for each in COUNTERS.values() for _ in range(5)))
    spans = {span.context.span_id: span for span in exporter.get_finished_spans()}
    inner = [span for span in spans.values() if span.name == "counting"]
    assert len(inner) == 15
    assert len({span.parent.span_id for span in inner}) == 15
    assert all(spans[span.parent.span_id].kind is SpanKind.SERVER for span in inner)


async def test_failure_of_the_handler_is_on_the_span():
    async with EventClient(app, raise_exceptions=False) as tab:
        await tab.fire(Desk.fail)
    [span] = exporter.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert [event.attributes["exception.type"] for event in span.events] == ["LookupError"]


class TestAroundEachEvent:
    """The span that MiddlewareRunner's page has, in place of the instrumentation's middleware."""

    @pytest.fixture
    def tabs_of(self, monkeypatch):
        span = recipe("span")
        monkeypatch.setitem(span.__wrapped__.__globals__, "tracer", tracer)
        return bridged_app(around=[span])

    async def test_50_simultaneous_events_of_10_users_do_not_mix(self, tabs_of):
        users = [await User.objects.acreate_user(f"user{number}") for number in range(10)]
        names_by_id = {str(user.pk): user.username for user in users}
        async with EventClient(tabs_of) as first:
            tabs = [first.tab(user=user) for user in users for _ in range(5)]
            for tab in tabs:
                await tab.__aenter__()
            exporter.clear()
            await asyncio.gather(*(tab.fire(Desk.name_user) for tab in tabs))
        spans = {span.context.span_id: span for span in exporter.get_finished_spans()}
        told = [span for span in spans.values() if span.name == "naming"]
        assert len(told) == 50
        names = [span.attributes["user"] for span in told]
        assert {name: names.count(name) for name in names} == {user.username: 5 for user in users}
        events = {self.outermost(spans, span) for span in told}
        assert {spans[event].name for event in events} == {f"{__name__}.Desk.name_user"}
        assert len(events) == len({spans[event].context.trace_id for event in events}) == 50
        for span in told:
            whose = spans[self.outermost(spans, span)].attributes["user.id"]
            assert names_by_id[whose] == span.attributes["user"]

    def outermost(self, spans, span):
        while span.parent is not None:
            span = spans[span.parent.span_id]
        return span.context.span_id

    async def test_failure_of_the_handler_is_on_the_span(self, tabs_of):
        ada = await User.objects.acreate_user("ada")
        async with EventClient(tabs_of, user=ada, raise_exceptions=False) as tab:
            await tab.load("/")
            exporter.clear()
            await tab.fire(Desk.fail)
        [span] = [span for span in exporter.get_finished_spans() if span.parent is None]
        assert span.status.status_code is StatusCode.ERROR
        assert span.attributes["user.id"] == str(ada.pk)
        assert [event.attributes["exception.type"] for event in span.events] == ["LookupError"]

    async def test_visitor_is_nobody_on_the_span(self, tabs_of):
        async with EventClient(tabs_of) as tab:
            exporter.clear()
            await tab.fire(Desk.count_async)
        [span] = [span for span in exporter.get_finished_spans() if span.parent is None]
        assert "user.id" not in span.attributes
