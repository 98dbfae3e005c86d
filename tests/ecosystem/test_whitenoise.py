"""whitenoise: left out, since its front page would answer every event of the app's own."""

import gc

import pytest
import reflex as rx
from django.test import Client

from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app, not_skipped

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "whitenoise.middleware.WhiteNoiseMiddleware"


class Desk(rx.State):
    pressed: int = 0

    @rx.event
    def press(self):
        self.pressed += 1


async def test_handler_runs_on_the_page_whose_path_is_a_file():
    async with EventClient(bridged_app(), path="/") as tab:
        assert (await tab.fire(Desk.press)).vars["pressed"] == 1


# The runner closes no response: this one's file is closed by the garbage collector, which warns.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_kept_it_answers_the_event_with_the_file_and_the_handler_does_not_run():
    async with EventClient(bridged_app(skip=not_skipped(PATH)), path="/") as tab:
        await tab.fire(Desk.press)
        assert (await tab.state(Desk)).pressed == 0
    gc.collect()


def test_browser_gets_the_file():
    response = Client().get("/")
    assert b"A static front page" in b"".join(response)
    response.close()
