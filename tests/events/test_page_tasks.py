"""What the bridge has a page do, of an app with CSP_APP_WRAPS: nothing is sent as a script."""

import json

import pytest
import reflex as rx
from django.contrib.auth.models import User
from django.http import HttpResponse
from reflex.utils.format import json_dumps

from rxbridge.events import CSP_APP_WRAPS
from rxbridge.events.reflex.page import TASK_REF
from rxbridge.testing import EventClient
from rxbridge.testing.fired import Fired
from tests.events.app import Counter, app, bridged
from tests.events.sign_in import Account, handoff
from tests.events.test_bridge import TOASTS, refusing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def handed_off(monkeypatch: pytest.MonkeyPatch):
    others = {(2, "Other"): lambda _: rx.fragment()}
    monkeypatch.setattr(app, "extra_app_wraps", others | CSP_APP_WRAPS)
    with bridged(handoff=handoff):
        yield


@pytest.fixture
async def ada() -> User:
    return await User.objects.acreate_user("ada", password="right")


def tasks(fired: Fired) -> list[dict[str, object]]:
    """Return the tasks of what was fired, as the page reads them."""
    assert "_call" not in json_dumps(fired.events)
    return [
        json.loads(json_dumps(event.payload["value"]))
        for event in fired.events
        if event.name == "_set_value" and event.payload["ref"] == TASK_REF
    ]


async def test_page_redeems_the_ticket_and_goes_on_to_an_address_of_django(ada):
    async with EventClient(app) as tab:
        fired = await tab.fire(Account.enter, name="ada", then="/admin/")
    (task,) = tasks(fired)
    ((request,), then) = task["args"], task["then"]
    assert task["task"] == "handOff"
    assert request["path"] == handoff.path
    (ticket,) = request["headers"].values()
    assert len(ticket) == 43
    load = {"task": "load", "args": ["/admin/"], "then": []}
    assert then == [{"name": "_set_value", "payload": {"ref": TASK_REF, "value": load}}]
    assert fired.redirect == "/admin/"


async def test_page_redeems_the_ticket_and_goes_on_to_a_page_of_the_app(ada):
    async with EventClient(app) as tab:
        fired = await tab.fire(Account.enter, name="ada", then="/members")
    (task,) = tasks(fired)
    assert [event["name"] for event in task["then"]] == ["_redirect"]
    assert fired.redirect == "/members"


async def test_page_loads_an_address_elsewhere():
    async with EventClient(app) as tab:
        fired = await tab.fire(Account.go, url="https://example.com/?a=\"b'")
    assert [task["task"] for task in tasks(fired)] == ["load"]
    assert fired.redirect == "https://example.com/?a=\"b'"


async def test_page_shows_the_toast_of_a_refusal():
    with bridged(refusing(HttpResponse(status=403))):
        async with EventClient(app) as tab:
            fired = await tab.fire(Counter.who)
    assert tasks(fired) == [
        {"task": "toast", "args": [TOASTS[403], {"id": "rxbridge-refusal"}], "then": []}
    ]
    assert fired.toasts == [TOASTS[403]]
