"""At the socket: who is no longer the visitor is in no delta after that, and the first says so."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.db import connections as databases
from django.test import Client

from rxbridge.state import DjangoUserState
from tests.events.wire import Socket, connect
from tests.servers import Server, run_server

pytestmark = [pytest.mark.server, pytest.mark.django_db(transaction=True)]

CHANGE = "reflex___state____state.tests___state___shared_site____change"
MIRROR = DjangoUserState.get_full_name()
NOBODY = {"username": "", "is_authenticated": False, "group_names": [], "email": "", "user_id": ""}


@pytest.fixture(scope="module")
def server(django_db_setup, tmp_path_factory) -> Iterator[Server]:
    environment = {"RXBRIDGE_TEST_DB": str(databases["default"].settings_dict["NAME"])}
    folder = tmp_path_factory.mktemp("site")
    with run_server(
        "uvicorn", "tests.state.shared_site:application", env=environment, cwd=folder
    ) as running:
        yield running


@pytest.fixture
def ada():
    user = User.objects.create_user("ada", "ada@example.com", "ada-pass")
    user.groups.add(Group.objects.create(name="poets"))
    return user


@pytest.fixture
def bob():
    return User.objects.create_user("bob", "bob@example.com", "bob-pass")


@pytest.fixture
def browser(ada) -> Client:
    client = Client()
    client.force_login(ada)
    return client


def cookies(browser: Client) -> dict[str, str]:
    return {name: morsel.value for name, morsel in browser.cookies.items()}


def mirrored(changes: dict[str, Any]) -> dict[str, Any]:
    """Return what a delta says of the user."""
    told = changes.get(MIRROR, {})
    return {name.removesuffix("_rx_state_"): value for name, value in told.items()}


async def deltas_of(tab: Socket, handler: str, steps: int, **payload: Any) -> list[dict[str, Any]]:
    """Fire a handler; return the deltas until it has taken so many steps, and what follows them."""
    del tab.received[:]
    await tab.fire(f"{CHANGE}.{handler}", **payload)
    await tab.var("steps", steps)
    await tab.fire(f"{CHANGE}.step")
    await tab.var("steps", steps + 1)
    return [update["delta"] for update in tab.received if update.get("delta")]


def check(deltas: list[dict[str, Any]], user: User | None) -> None:
    expected = NOBODY if user is None else {"username": user.username, "email": user.email}
    told = mirrored(deltas[0])
    assert {name: told.get(name) for name in expected} == expected
    assert not [each for each in deltas if "ada" in str(mirrored(each))]
    assert "poets" not in str(deltas)


@pytest.mark.parametrize(
    ("handler", "steps"),
    [
        ("at_once", 1),
        ("at_once_on_a_thread", 1),
        ("and_go_on", 2),
        ("and_go_on_on_a_thread", 2),
    ],
)
@pytest.mark.parametrize("username", ["", "bob"], ids=["logout", "login as another"])
async def test_event_that_changes_the_user(server, browser, bob, handler, steps, username):
    async with connect(server.ws_url, cookies=cookies(browser)) as tab:
        assert tab.vars()["username"] == "ada"
        deltas = await deltas_of(tab, handler, steps, username=username)
        check(deltas, bob if username else None)


def log_out_in_another_tab(browser: Client, ada: User) -> None:
    browser.logout()


def end_session_in_the_database(browser: Client, ada: User) -> None:
    Session.objects.all().delete()


def change_password(browser: Client, ada: User) -> None:
    ada.set_password("another")
    ada.save()


def deactivate(browser: Client, ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)


def delete(browser: Client, ada: User) -> None:
    ada.delete()


ELSEWHERE = [
    log_out_in_another_tab,
    end_session_in_the_database,
    change_password,
    deactivate,
    delete,
]


@pytest.mark.parametrize("change", ELSEWHERE)
async def test_change_elsewhere_is_in_the_first_delta_of_the_next_event(
    server, browser, ada, change
):
    async with connect(server.ws_url, cookies=cookies(browser)) as tab:
        assert tab.vars()["username"] == "ada"
        await sync_to_async(change)(browser, ada)
        check(await deltas_of(tab, "step", 1), None)


@pytest.mark.parametrize("change", ELSEWHERE)
async def test_change_while_the_tab_was_away_is_in_what_its_return_loads(
    server, browser, ada, change
):
    token = str(uuid.uuid4())
    async with connect(server.ws_url, token=token, cookies=cookies(browser)):
        pass
    before = cookies(browser)
    await sync_to_async(change)(browser, ada)
    async with connect(server.ws_url, token=token, cookies=before) as tab:
        check([update["delta"] for update in tab.received if update.get("delta")], None)


async def test_login_of_another_meanwhile_is_in_what_the_tabs_return_loads(server, browser, bob):
    token = str(uuid.uuid4())
    async with connect(server.ws_url, token=token, cookies=cookies(browser)):
        pass
    await sync_to_async(browser.force_login)(bob)
    async with connect(server.ws_url, token=token, cookies=cookies(browser)) as tab:
        check([update["delta"] for update in tab.received if update.get("delta")], bob)
