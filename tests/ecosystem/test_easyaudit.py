"""django-easy-audit: with Django's signals around each event it has a row for the request."""

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client
from easyaudit.models import RequestEvent

from rxbridge.events import request_signals
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


class Desk(rx.State):
    @rx.event
    def work(self):
        """Do nothing."""


async def row():
    fields = ("url", "method", "user__username", "remote_ip", "query_string")
    return [each async for each in RequestEvent.objects.values_list(*fields)]


@pytest.mark.parametrize("signals", [True, False])
async def test_row_is_that_of_a_view_where_the_signals_are_sent(signals):
    ada = await User.objects.acreate_user("ada")
    client = Client()
    await sync_to_async(client.force_login)(ada)
    await sync_to_async(client.post)("/")
    of_view = await row()
    assert [each[:4] for each in of_view] == [("/", "POST", "ada", "127.0.0.1")]
    app = bridged_app(around=[request_signals] if signals else [])
    async with EventClient(app, user=ada) as tab:
        await tab.load("/")
        await RequestEvent.objects.all().adelete()
        await tab.fire(Desk.work)
    assert [each[:4] for each in await row()] == [each[:4] for each in of_view if signals]
