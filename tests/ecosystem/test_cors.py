"""django-cors-headers: left out of events, whose answers have no headers."""

import pytest
import reflex as rx
from django.test import AsyncClient

from rxbridge.events import DEFAULT_SKIP, MiddlewareRunner
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app, not_skipped

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "corsheaders.middleware.CorsMiddleware"


class Desk(rx.State):
    pressed: int = 0

    @rx.event
    def press(self):
        self.pressed += 1


@pytest.mark.parametrize("skip", [DEFAULT_SKIP, not_skipped(PATH)], ids=["skipped", "kept"])
async def test_handler_runs_with_it_and_without(skip):
    async with EventClient(bridged_app(skip=skip), host="testserver") as tab:
        assert (await tab.fire(Desk.press)).vars["pressed"] == 1


def test_it_is_skipped_with_a_reason():
    [row] = [row for row in MiddlewareRunner().explain() if row.middleware == PATH]
    assert (row.runs, row.reason) == ("skipped", DEFAULT_SKIP[PATH])


async def test_page_of_djangos_has_its_header():
    response = await AsyncClient().get("/", headers={"Origin": "https://friend.example.org"})
    assert response.headers["Access-Control-Allow-Origin"]
