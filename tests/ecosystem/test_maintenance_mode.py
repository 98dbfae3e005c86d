"""django-maintenance-mode: while it is on, handlers run for staff only."""

import pytest
import reflex as rx
from django.contrib.auth.models import User

from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


class Desk(rx.State):
    pressed: int = 0

    @rx.event
    def press(self):
        self.pressed += 1


app = bridged_app()


async def test_event_is_refused_while_closed(settings):
    settings.MAINTENANCE_MODE = True
    async with EventClient(app) as tab:
        fired = await tab.fire(Desk.press)
        assert fired.toasts == ["The service is busy. Please try again in a moment."]
        assert (await tab.state(Desk)).pressed == 0


async def test_page_is_shown_but_told_that_the_site_is_closed(settings):
    settings.MAINTENANCE_MODE = True
    async with EventClient(app) as tab:
        fired = await tab.load("/")
    assert fired.toasts == ["The service is busy. Please try again in a moment."]
    assert fired.vars["is_hydrated"] is True


async def test_staff_may_work_while_closed(settings):
    settings.MAINTENANCE_MODE = True
    staff = await User.objects.acreate_user("staff", is_staff=True)
    async with EventClient(app, user=staff) as tab:
        assert (await tab.fire(Desk.press)).vars["pressed"] == 1


async def test_event_runs_when_open_again(settings):
    async with EventClient(app) as tab:
        settings.MAINTENANCE_MODE = True
        await tab.fire(Desk.press)
        settings.MAINTENANCE_MODE = False
        await tab.fire(Desk.press)
        assert (await tab.state(Desk)).pressed == 1


async def test_redirect_to_a_closed_page_is_followed(settings):
    settings.MAINTENANCE_MODE = True
    settings.MAINTENANCE_MODE_REDIRECT_URL = "https://status.example.org/"
    async with EventClient(app) as tab:
        assert (await tab.fire(Desk.press)).redirect == "https://status.example.org/"
        assert (await tab.state(Desk)).pressed == 0
