"""sentry-sdk: a scope, a user, a request and a transaction of its own for each event."""

import asyncio

import pytest
import reflex as rx
import sentry_sdk
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import Client
from django.urls import path
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.transport import Transport

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app, recipe

pytestmark = pytest.mark.django_db(transaction=True)


class Kept(Transport):
    sent: list[dict] = []

    def capture_envelope(self, envelope):
        self.sent += [item.payload.json for item in envelope.items if item.payload.json]


sentry_sdk.init(
    dsn="https://key@sentry.example.com/1",
    transport=Kept,
    traces_sample_rate=1.0,
    send_default_pii=True,
    integrations=[DjangoIntegration()],
)


def work(name):
    """What the plain view and the handler do."""
    sentry_sdk.set_tag("whose", name)
    sentry_sdk.add_breadcrumb(message=f"crumb of {name}")


def view(request):
    work(request.user.get_username())
    raise LookupError(request.user.get_username())


urlpatterns = [path("fail", view)]


class Desk(AppState, rx.State):
    @rx.event
    async def fail(self):
        name = self.user.get_username()
        await sync_to_async(work)(name)
        await asyncio.sleep(0.01)
        raise LookupError(name)


app = bridged_app(around=[recipe("sentry")])
HANDLER = f"{__name__}.Desk.fail"


@pytest.fixture
def sent():
    Kept.sent.clear()
    yield Kept.sent
    Kept.sent.clear()


def summary(event):
    return {
        "error": event["exception"]["values"][-1]["value"],
        "handled": event["exception"]["values"][-1]["mechanism"]["handled"],
        "user": event["user"]["username"],
        "id": event["user"]["id"],
        "whose": event["tags"]["whose"],
        "crumbs": {
            each["message"]
            for each in event["breadcrumbs"]["values"]
            if each["message"].startswith("crumb")
        },
    }


async def test_failure_is_told_as_that_of_a_view(sent):
    ada = await User.objects.acreate_user("ada")
    client = Client(raise_request_exception=False)
    await sync_to_async(client.force_login)(ada)
    await sync_to_async(client.get)("/fail")
    [of_view] = [event for event in sent if "exception" in event]
    sent.clear()
    async with EventClient(app, user=ada, raise_exceptions=False) as tab:
        await tab.load("/")
        sent.clear()
        await tab.fire(Desk.fail)
    [failure] = [event for event in sent if "exception" in event]
    assert {**summary(failure), "id": 0} == {**summary(of_view), "id": 0}
    assert str(summary(failure)["id"]) == str(summary(of_view)["id"])
    assert failure["transaction"] == HANDLER
    assert failure["request"]["method"] == "POST"
    assert failure["request"]["url"].endswith("/")
    [transaction] = [event for event in sent if event.get("type") == "transaction"]
    assert transaction["transaction"] == HANDLER
    assert transaction["contexts"]["trace"]["status"] == "internal_error"
    assert transaction["contexts"]["trace"]["trace_id"] == failure["contexts"]["trace"]["trace_id"]


async def test_50_simultaneous_events_of_10_users_do_not_mix(sent):
    users = [await User.objects.acreate_user(f"user{number}") for number in range(10)]
    async with EventClient(app, raise_exceptions=False) as first:
        tabs = [first.tab(user=user) for user in users for _ in range(5)]
        for tab in tabs:
            await tab.__aenter__()
        sent.clear()
        fired = (tab.fire(Desk.fail) for tab in tabs)
        await asyncio.gather(*fired, return_exceptions=True)
    failures = [event for event in sent if "exception" in event]
    assert len(failures) == 50
    for failure in failures:
        told = summary(failure)
        assert told["whose"] == told["error"] == told["user"]
        assert told["crumbs"] == {f"crumb of {told['user']}"}
        assert failure["transaction"] == HANDLER
    told = [summary(failure)["user"] for failure in failures]
    assert {name: told.count(name) for name in told} == {user.username: 5 for user in users}
    traces = {failure["contexts"]["trace"]["trace_id"] for failure in failures}
    assert len(traces) == 50
