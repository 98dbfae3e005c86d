"""django-csp: its nonce is there for what a handler renders; an event's answer has no headers."""

import pytest
import reflex as rx
from django.test import AsyncClient

from rxbridge.events import DEFAULT_SKIP, MiddlewareRunner
from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app, not_skipped

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "csp.middleware.CSPMiddleware"
WAY_OUT = f"{PATH}.process_response"


class Desk(AppState, rx.State):
    nonce: str = ""

    @rx.event
    def press(self):
        self.nonce = str(self.request.csp_nonce)


@pytest.mark.parametrize("skip", [DEFAULT_SKIP, not_skipped(WAY_OUT)], ids=["skipped", "kept"])
async def test_handler_has_a_nonce_with_the_way_out_and_without(skip):
    async with EventClient(bridged_app(skip=skip), host="testserver") as tab:
        first = (await tab.fire(Desk.press)).vars["nonce"]
        second = (await tab.fire(Desk.press)).vars["nonce"]
    assert len(first) == len(second) == 24
    assert first != second


def test_only_its_way_out_is_skipped_and_its_way_in_takes_no_thread():
    rows = [row for row in MiddlewareRunner().explain() if row.middleware == PATH]
    assert [(row.hook, row.runs) for row in rows] == [
        ("process_request", "loop"),
        ("process_response", "skipped"),
    ]
    assert rows[1].reason == DEFAULT_SKIP[WAY_OUT]


async def test_view_has_a_nonce_and_the_header_too():
    response = await AsyncClient().get("/", headers={})
    assert "csp_nonce" in vars(response.asgi_request)
    assert response.headers["Content-Security-Policy"]
