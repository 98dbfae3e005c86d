"""ATOMIC_REQUESTS: a handler that is not async runs in a transaction, as a Django view does."""

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth import login
from django.contrib.auth.models import Group, User
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.db import connection, connections, transaction
from django.http import Http404, HttpResponse
from django.test import AsyncClient, override_settings
from django.urls import path

from rxbridge.events import MiddlewareRunner, database_threads, login_required
from rxbridge.events.reflex import event as event_module
from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.events.app import app, bridged

pytestmark = pytest.mark.django_db(transaction=True)

journal: list[str] = []
ERRORS = {"ValueError": ValueError, "Http404": Http404, "PermissionDenied": PermissionDenied}


def work(raises: str = "") -> None:
    """Do what a view and a handler do, and tell of it."""
    journal.append(f"atomic: {connection.in_atomic_block}")
    transaction.on_commit(lambda: journal.append("committed"))
    Group.objects.create(name="written")
    journal.append("written")
    if raises:
        raise ERRORS[raises]


def sign_in(request) -> None:
    """Sign the one user in, and fail."""
    login(request, User.objects.get())
    raise PermissionDenied


class Atomic(AppState, rx.State):
    step: str = ""

    @rx.event
    def write(self, raises: str = ""):
        self.step = "begun"
        work(raises)
        self.step = "written"

    @rx.event
    @transaction.non_atomic_requests
    def write_unguarded(self, raises: str = ""):
        work(raises)

    @rx.event
    @login_required
    def write_signed_in(self, raises: str = ""):
        work(raises)

    @rx.event
    async def write_async(self, raises: str = ""):
        await sync_to_async(work)(raises)

    @rx.event
    async def write_async_by_hand(self, raises: str = ""):
        await sync_to_async(transaction.atomic(work))(raises)

    @rx.event
    def write_in_steps(self, raises: str = ""):
        yield
        work(raises)

    @rx.event
    def write_and_chain(self):
        work()
        return Atomic.write

    @rx.event
    def sign_in(self):
        sign_in(self.request)

    @rx.event
    def who(self):
        journal.append(f"user: {self.user.get_username()}")

    @rx.event
    def show(self):
        self.step += ", shown"


def view(request, raises=""):
    work(raises)
    return HttpResponse()


@transaction.non_atomic_requests
def unguarded(request, raises=""):
    work(raises)
    return HttpResponse()


async def by_hand(request, raises=""):
    await sync_to_async(transaction.atomic(work))(raises)
    return HttpResponse()


urlpatterns = [
    path("sign_in/", sign_in),
    *(
        path(f"{name}/{suffix}", each)
        for name, each in {
            "write": view,
            "write_unguarded": unguarded,
            "write_async_by_hand": transaction.non_atomic_requests(by_hand),
        }.items()
        for suffix in ("", "<raises>/")
    ),
]


@pytest.fixture(autouse=True)
def atomic_requests(monkeypatch):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    event_module._known.cache_clear()
    journal.clear()
    with override_settings(ROOT_URLCONF=__name__):
        yield
    event_module._known.cache_clear()


async def outcome() -> tuple[list[str], bool]:
    seen = journal[:]
    journal.clear()
    written = await Group.objects.aexists()
    await Group.objects.all().adelete()
    return seen, written


@pytest.fixture(params=[False, True], ids=["kept", "released"])
def runner(request):
    return MiddlewareRunner(threads=database_threads(release=request.param))


@pytest.mark.parametrize("raises", ["", *ERRORS])
@pytest.mark.parametrize("name", ["write", "write_unguarded", "write_async_by_hand"])
async def test_handler_leaves_behind_what_the_view_does(runner, name, raises):
    client = AsyncClient(raise_request_exception=False)
    await client.get(f"/{name}/{raises}/" if raises else f"/{name}/")
    of_view = await outcome()
    with bridged(runner=runner):
        async with EventClient(app, raise_exceptions=False) as tab:
            await tab.fire(getattr(Atomic, name)(raises))
            assert await outcome() == of_view
    in_transaction = name != "write_unguarded"
    assert of_view[0][0] == f"atomic: {in_transaction}"
    assert of_view[1] is (not raises or not in_transaction)


async def test_on_commit_waits_for_the_handlers_end():
    async with EventClient(app) as tab:
        await tab.fire(Atomic.write)
    assert journal == ["atomic: True", "written", "committed"]


async def test_guarded_handler_is_in_its_transaction_too():
    async with EventClient(app, user=await User.objects.acreate_user("ada")) as tab:
        await tab.fire(Atomic.write_signed_in)
    assert journal[0] == "atomic: True"


@pytest.mark.parametrize("handler", [Atomic.write_async, Atomic.write_in_steps])
async def test_async_handler_and_generator_are_in_none(handler):
    async with EventClient(app, raise_exceptions=False) as tab:
        await tab.fire(handler("ValueError"))
    assert await outcome() == (["atomic: False", "committed", "written"], True)


async def test_chained_handler_has_a_transaction_of_its_own():
    async with EventClient(app, raise_exceptions=False) as tab:
        await tab.fire(Atomic.write_and_chain)
    # The second one's group is there already.
    assert journal == ["atomic: True", "written", "committed", "atomic: True"]
    assert await Group.objects.acount() == 1


async def test_login_of_a_handler_that_raises_is_rolled_back_with_its_session():
    await User.objects.acreate_user("ada")
    response = await AsyncClient().get("/sign_in/")
    assert (response.status_code >= 400, "sessionid" in response.cookies) == (True, False)
    async with EventClient(app) as tab:
        fired = await tab.fire(Atomic.sign_in)
        assert (len(fired.refusals), "sessionid" in fired.cookies) == (1, False)
        await tab.fire(Atomic.who)
    assert journal == ["user: "]
    assert not await Session.objects.aexists()


@pytest.mark.parametrize("raises", ERRORS)
async def test_vars_are_not_rolled_back_and_reach_the_page_with_its_next_event(raises):
    async with EventClient(app, raise_exceptions=False) as tab:
        await tab.fire(Atomic.show)
        assert "step" not in (await tab.fire(Atomic.write(raises))).vars
        assert (await tab.fire(Atomic.show)).vars["step"] == "begun, shown"
