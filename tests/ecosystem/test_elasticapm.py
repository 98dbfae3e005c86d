"""elastic-apm: with Django's signals around each event it has a transaction, as for a view."""

import asyncio

import elasticapm
import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path

from rxbridge.events import request_signals
from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.settings.elasticapm import Transport
from tests.ecosystem.site import bridged_app

pytestmark = pytest.mark.django_db(transaction=True)


def view(request):
    elasticapm.label(whose=request.user.get_username())
    raise LookupError(request.user.get_username())


urlpatterns = [path("fail", view)]


class Desk(AppState, rx.State):
    @rx.event
    async def fail(self):
        name = self.user.get_username()
        await sync_to_async(elasticapm.label)(whose=name)
        await asyncio.sleep(0.01)
        raise LookupError(name)


app = bridged_app(around=[request_signals])


@pytest.fixture
def sent():
    Transport.sent.clear()
    yield Transport.sent
    Transport.sent.clear()


def taken(sent, kind):
    return [event for name, event in sent if name == kind]


def summary(transaction):
    return {
        "user": transaction["context"]["user"]["username"],
        "whose": transaction["context"]["tags"]["whose"],
        "result": transaction["result"],
        "outcome": transaction["outcome"],
        "type": transaction["type"],
    }


async def test_transaction_and_error_are_those_of_a_view(sent):
    ada = await User.objects.acreate_user("ada")
    client = Client(raise_request_exception=False)
    await sync_to_async(client.force_login)(ada)
    await sync_to_async(client.get)("/fail")
    [of_view] = taken(sent, "transaction")
    [error_of_view] = taken(sent, "error")
    async with EventClient(app, user=ada, raise_exceptions=False) as tab:
        await tab.load("/")
        sent.clear()
        await tab.fire(Desk.fail)
    [transaction] = taken(sent, "transaction")
    [error] = taken(sent, "error")
    assert summary(transaction) == summary(of_view)
    assert of_view["name"] == f"GET {__name__}.view"
    assert transaction["name"].startswith("POST ")
    assert transaction["name"].endswith("fail")
    assert error["exception"]["message"] == error_of_view["exception"]["message"]
    assert error["transaction_id"] == transaction["id"]
    assert error["context"]["user"]["username"] == "ada"


async def test_50_simultaneous_events_of_10_users_do_not_mix(sent):
    users = [await User.objects.acreate_user(f"user{number}") for number in range(10)]
    async with EventClient(app, raise_exceptions=False) as first:
        tabs = [first.tab(user=user) for user in users for _ in range(5)]
        for tab in tabs:
            await tab.__aenter__()
        sent.clear()
        fired = (tab.fire(Desk.fail) for tab in tabs)
        await asyncio.gather(*fired, return_exceptions=True)
    labelled = [each for each in taken(sent, "transaction") if each["context"].get("tags")]
    told = {each["id"]: summary(each) for each in labelled}
    assert len(told) == 50
    assert all(each["whose"] == each["user"] for each in told.values())
    names = [each["user"] for each in told.values()]
    assert {name: names.count(name) for name in names} == {user.username: 5 for user in users}
    errors = taken(sent, "error")
    assert len(errors) == 50
    for error in errors:
        user = told[error["transaction_id"]]["user"]
        assert user in error["exception"]["message"]
        assert user == error["context"]["user"]["username"]
