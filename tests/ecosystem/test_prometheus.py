"""django-prometheus: events are counted under their handler's name."""

import asyncio

import pytest
import reflex as rx
from django.core.exceptions import PermissionDenied
from prometheus_client import REGISTRY

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


class Desk(AppState, rx.State):
    @rx.event
    def press(self):
        pass

    @rx.event
    async def wait(self):
        await asyncio.sleep(0.02)

    @rx.event
    async def refuse(self):
        raise PermissionDenied

    @rx.event
    def fail(self):
        raise LookupError("for the counter of exceptions")


app = bridged_app()


def counted(metric: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"django_http_{metric}", labels) or 0


@pytest.mark.parametrize(
    ("handler", "name", "status"),
    [(Desk.press, "press", "200"), (Desk.refuse, "refuse", "403"), (Desk.fail, "fail", "500")],
)
async def test_event_is_counted_by_handler_method_and_status(handler, name, status):
    view = f"{__name__}.Desk.{name}"
    async with EventClient(app, secure=True, raise_exceptions=False) as tab:
        await tab.fire(handler)
        await tab.fire(handler)
    by_view = {"view": view, "transport": "https", "method": "POST"}
    assert counted("requests_total_by_view_transport_method_total", **by_view) == 2
    by_status = {"view": view, "status": status, "method": "POST"}
    assert counted("responses_total_by_status_view_method_total", **by_status) == 2


async def test_time_of_the_handler_is_observed():
    labels = {"view": f"{__name__}.Desk.wait", "method": "POST"}
    async with EventClient(app) as tab:
        await tab.fire(Desk.wait)
    assert counted("requests_latency_seconds_by_view_method_sum", **labels) >= 0.02


async def test_exception_is_counted_by_its_type():
    before = counted("exceptions_total_by_type_total", type="LookupError")
    async with EventClient(app, raise_exceptions=False) as tab:
        await tab.fire(Desk.fail)
    assert counted("exceptions_total_by_type_total", type="LookupError") == before + 1
