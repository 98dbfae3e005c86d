"""django-structlog: what a handler logs carries its event's id and user."""

import asyncio

import pytest
import reflex as rx
import structlog
from django.contrib.auth.models import User
from structlog.contextvars import merge_contextvars
from structlog.testing import LogCapture

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)
logger = structlog.get_logger("shop")


class Desk(AppState, rx.State):
    @rx.event
    def log(self, text: str):
        logger.info(text)

    @rx.event
    async def log_async(self, text: str):
        await asyncio.sleep(0.01)
        logger.info(text)

    @rx.event
    def log_as_generator(self, text: str):
        yield
        logger.info(text)

    @rx.event(background=True)
    async def log_in_background(self, text: str):
        logger.info("without")
        await self.in_middleware(logger.info, text)

    @rx.event
    def fail(self):
        raise LookupError("for the log")


app = bridged_app()
LOGGERS = [Desk.log, Desk.log_async, Desk.log_as_generator]


@pytest.fixture(autouse=True)
def lines():
    capture = LogCapture()
    structlog.configure(processors=[merge_contextvars, capture])
    yield capture.entries
    structlog.reset_defaults()


def named(lines: list[dict], event: str) -> list[dict]:
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("handler", LOGGERS)
async def test_line_of_a_handler_has_request_id_and_user(lines, handler):
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada) as tab:
        await tab.fire(handler, text="sold")
    [sold] = named(lines, "sold")
    assert sold["user_id"] == ada.pk
    around = [line["event"] for line in lines if line.get("request_id") == sold["request_id"]]
    assert around == ["request_started", "sold", "request_finished"]


async def test_line_of_a_background_task_has_them_in_a_piece_inside_the_chain(lines):
    ada = await User.objects.acreate_user("ada")
    async with EventClient(app, user=ada) as tab:
        await tab.fire(Desk.log_in_background, text="sold")
        await tab.background()
    [sold], [without] = named(lines, "sold"), named(lines, "without")
    assert sold["user_id"] == ada.pk
    assert "request_id" in sold
    assert "request_id" not in without


async def test_lines_of_simultaneous_events_do_not_mix(lines):
    ada = await User.objects.acreate_user("ada")
    bob = await User.objects.acreate_user("bob")
    async with EventClient(app, user=ada) as first, first.tab(user=bob) as second:
        await asyncio.gather(
            *(
                tab.fire(handler, text=f"sold by {tab.user.pk}")
                for tab in (first, second)
                for handler in LOGGERS
            )
        )
    for user in (ada, bob):
        sold = named(lines, f"sold by {user.pk}")
        assert [line["user_id"] for line in sold] == [user.pk] * 3
        assert len({line["request_id"] for line in sold}) == 3


async def test_context_ends_with_the_event(lines):
    async with EventClient(app) as tab:
        await tab.fire(Desk.log, text="sold")
        logger.info("outside")
    [outside] = named(lines, "outside")
    assert "request_id" not in outside


async def test_failure_of_a_handler_is_logged_once_with_its_exception(lines):
    async with EventClient(app, raise_exceptions=False) as tab:
        await tab.fire(Desk.fail)
    [failed] = named(lines, "request_failed")
    assert failed["code"] == 500
