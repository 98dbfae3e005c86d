"""rxbridge.testing in a test that is in a transaction: handlers work in it too."""

import time
from functools import partial

import pytest
import reflex as rx
from asgiref.sync import SyncToAsync, async_to_sync, sync_to_async
from django.contrib.auth.models import Group, User
from django.db import connections, transaction
from django.test import SimpleTestCase, TestCase
from django.utils.deprecation import MiddlewareMixin

from rxbridge.state import AppState
from rxbridge.testing import EventClient, run_middleware
from tests.events.app import Counter, app

pytestmark = pytest.mark.usefixtures("own_mirrors")


class Groups(AppState, rx.State):
    """Handlers of every kind that write a row, and one that reads them."""

    names: list[str] = []

    @rx.event
    def add_sync(self, name: str):
        Group.objects.create(name=name)

    @rx.event
    async def add_async(self, name: str):
        await Group.objects.acreate(name=name)

    @rx.event
    def add_in_steps(self, name: str):
        yield
        Group.objects.create(name=name)
        yield

    @rx.event(background=True)
    async def add_in_background(self, name: str):
        await Group.objects.acreate(name=name)

    @rx.event
    def add_and_fail(self, name: str):
        with transaction.atomic():
            Group.objects.create(name=name)
            raise LookupError

    @rx.event
    async def read(self):
        self.names = [group.name async for group in Group.objects.order_by("name")]


HANDLERS = {
    "sync": Groups.add_sync,
    "async": Groups.add_async,
    "generator": Groups.add_in_steps,
    "background": Groups.add_in_background,
}


class TransactionTests(TestCase):
    """In both kinds of test; each begins with the rows of setUpTestData and no other."""

    @classmethod
    def setUpTestData(cls):
        cls.ada = User.objects.create_user("ada")
        Group.objects.create(name="before")

    def setUp(self):
        assert self.names() == {"before"}

    def names(self):
        return set(Group.objects.values_list("name", flat=True))

    def test_rows_of_every_handler_are_seen_by_a_test(self):
        with EventClient(app, user=self.ada) as tab:
            for name, handler in HANDLERS.items():
                tab.fire(handler(name))
            tab.background()
            assert self.names() == {"before", *HANDLERS}
        assert self.names() == {"before", *HANDLERS}

    async def test_rows_of_every_handler_are_seen_by_an_async_test(self):
        async with EventClient(app, user=self.ada) as tab:
            for name, handler in HANDLERS.items():
                await tab.fire(handler(name))
            await tab.background()
            assert await Group.objects.acount() == 5
        assert await sync_to_async(self.names)() == {"before", *HANDLERS}

    def test_rows_of_a_test_are_seen_by_handlers(self):
        with EventClient(app) as tab:
            Group.objects.create(name="during")
            assert tab.fire(Groups.read).vars["names"] == ["before", "during"]

    async def test_rows_of_an_async_test_are_seen_by_handlers(self):
        async with EventClient(app) as tab:
            await Group.objects.acreate(name="during")
            assert (await tab.fire(Groups.read)).vars["names"] == ["before", "during"]

    def test_block_of_a_handler_is_undone_alone(self):
        with EventClient(app, raise_exceptions=False) as tab:
            tab.fire(Groups.add_sync("kept"))
            assert isinstance(tab.fire(Groups.add_and_fail("lost")).exception, LookupError)
        assert self.names() == {"before", "kept"}

    def test_login_is_in_the_transaction_too(self):
        with EventClient(app, user=self.ada) as tab:
            assert tab.fire(Counter.who).vars["name"] == "ada"
            tab.fire(Counter.sign_out)
            tab.fire(Counter.sign_in("ada"))
            assert tab.fire(Counter.who_async).vars["name"] == "ada"

    def test_queries_of_handlers_are_counted(self):
        with EventClient(app) as tab:
            tab.load()
            with self.assertNumQueries(1):
                tab.fire(Groups.read)

    def test_commit_hooks_of_handlers_are_captured(self):
        called = []

        class Hooked(MiddlewareMixin):
            def process_request(self, request):
                transaction.on_commit(lambda: called.append(request.user.username))

        with self.captureOnCommitCallbacks(execute=True):
            async_to_sync(run_middleware)(Hooked, user=self.ada)
        assert called == ["ada"]

    def test_client_opened_in_set_up_lasts_for_the_test(self):
        tab = self.enterContext(EventClient(app, user=self.ada))
        self.client.force_login(self.ada)
        tab.fire(Groups.add_sync("one"))
        assert self.client.get("/").status_code == 404
        assert tab.fire(Groups.read).vars["names"] == ["before", "one"]

    def test_tabs_share_a_loop(self):
        with EventClient(app, user=self.ada) as tab, tab.tab(cookies={}) as other:
            assert tab.fire(Counter.who).vars["name"] == "ada"
            assert other.fire(Counter.who).vars.get("name", "") == ""

    async def test_run_middleware_works_in_the_transaction(self):
        class Writing(MiddlewareMixin):
            def process_request(self, request):
                Group.objects.create(name="written")

        await run_middleware(Writing)
        assert await Group.objects.acount() == 2


class SimpleTests(SimpleTestCase):
    """Without a database."""

    def test_handlers_run(self):
        with EventClient(app) as tab:
            assert tab.fire(Counter.add(2)).vars["count"] == 2


def asgirefs_connections():
    """The connections of the thread that thread-sensitive code runs on."""
    executor = SyncToAsync.single_thread_executor
    return executor.submit(partial(connections.all, initialized_only=True)).result()


class ConnectionTests(TestCase):
    """What is lent is given back."""

    def test_connection_is_this_threads_alone_afterwards(self):
        own = connections["default"]
        with EventClient(app) as tab:
            assert own in asgirefs_connections()
            with EventClient(app) as second:
                second.fire(Groups.read)
            assert tab.fire(Groups.read).vars["names"] == []
        assert own not in asgirefs_connections()
        assert not own.allow_thread_sharing

    def test_connection_is_given_back_when_the_client_does_not_open(self):
        with pytest.raises(AttributeError), EventClient(app, user="no user"):
            pass
        assert connections["default"] not in asgirefs_connections()


@pytest.mark.django_db(transaction=True)
def test_thread_of_asgirefs_keeps_no_connection_of_its_own():
    ada = User.objects.create_user("ada")
    with EventClient(app, user=ada) as tab:
        assert tab.fire(Counter.who).vars["name"] == "ada"
    assert {each.connection for each in asgirefs_connections()} <= {None}


def test_set_up_of_a_client_takes_no_time():
    """A thousand simple tests take seconds: 2 to 10 ms each, as the machine's phase is."""
    begun = time.process_time()
    for number in range(200):
        with EventClient(app) as tab:
            assert tab.fire(Counter.add(number)).vars["count"] == number
    assert time.process_time() - begun < 200 * 0.02
