"""django-tenants: an event works in its host's schema, however many run at once."""

import asyncio
import contextlib
import random
import time
from collections import Counter

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django_tenants.utils import schema_context, tenant_context

from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import bridged_app
from tests.ecosystem.tenants.models import Company, Domain

# Not transaction=True: the tenants are made once, and what events write is committed by threads
# of their own, out of reach of the test's transaction.
pytestmark = pytest.mark.django_db
TENANTS = ("north", "east", "south", "west")


def schema() -> str:
    """Ask the server, not the wrapper, which schema this thread works in."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return cursor.fetchone()[0]


def enter(tenant: Company) -> None:
    """Work in a tenant's schema, for the rest of the thread's task."""
    connection.set_tenant(tenant)


class Office(AppState, rx.State):
    name: str = ""
    schemas: list[str] = []
    groups: int = -1

    @rx.event
    def look(self):
        self.name, self.schemas = self.user.get_username(), [schema()]

    @rx.event
    def write(self, name: str):
        self.schemas = [schema()]
        Group.objects.create(name=name)
        time.sleep(random.uniform(0, 0.01))
        self.schemas.append(schema())
        self.groups = Group.objects.filter(name=name).count()

    @rx.event
    async def write_async(self, name: str):
        self.schemas = [await sync_to_async(schema)()]
        await Group.objects.acreate(name=name)
        await asyncio.sleep(random.uniform(0, 0.01))
        self.schemas.append(await sync_to_async(schema)())
        self.groups = await Group.objects.filter(name=name).acount()

    @rx.event
    def write_as_generator(self, name: str):
        self.schemas = [schema()]
        yield
        Group.objects.create(name=name)
        yield
        self.schemas.append(schema())
        self.groups = Group.objects.filter(name=name).count()

    @rx.event
    def fail(self):
        schema()
        raise LookupError("in the middle of a tenant")

    @rx.event(background=True)
    async def background(self):
        schemas = [await sync_to_async(schema)(), await self.in_middleware(schema)]
        schemas.append(await sync_to_async(schema)())
        await sync_to_async(enter)(self.request.tenant)
        schemas.append(await sync_to_async(schema)())
        async with self:
            self.schemas = schemas


WRITERS = (Office.write, Office.write_async, Office.write_as_generator)
app = bridged_app(threads=20)


def host(tenant: str) -> str:
    return f"{tenant}.example.com"


@pytest.fixture(scope="module", autouse=True)
def companies(django_db_setup, django_db_blocker):
    with django_db_blocker.unblock():
        for name in TENANTS:
            company = Company.objects.create(schema_name=name, name=name)
            Domain.objects.create(domain=host(name), tenant=company)
            with tenant_context(company):
                User.objects.create_user(f"ada of {name}")
        yield
        connection.set_schema_to_public()


@contextlib.contextmanager
def inside(tenant: str):
    """Work in a tenant's schema; leave no connection that would keep the database from going."""
    try:
        with schema_context(tenant):
            yield
    finally:
        connection.close()


@sync_to_async
def signed_in(tenant: str) -> dict[str, str]:
    with inside(tenant):
        browser = Client()
        browser.force_login(User.objects.get())
        return {name: morsel.value for name, morsel in browser.cookies.items()}


@sync_to_async
def groups_of(tenant: str) -> Counter[str]:
    with inside(tenant):
        return Counter(Group.objects.values_list("name", flat=True))


@pytest.mark.parametrize("tenant", TENANTS)
async def test_handler_works_in_the_schema_of_the_events_host(tenant):
    async with EventClient(app, host=host(tenant), cookies=await signed_in(tenant)) as tab:
        fired = await tab.fire(Office.look)
    assert (fired.vars["name"], fired.vars["schemas"]) == (f"ada of {tenant}", [tenant])


async def test_session_of_one_tenant_is_nobody_at_another():
    async with EventClient(app, host=host("east"), cookies=await signed_in("north")) as tab:
        fired = await tab.fire(Office.look)
        assert (fired.vars["schemas"], (await tab.state(Office)).name) == (["east"], "")


async def test_unknown_host_is_refused_and_the_handler_does_not_run():
    async with EventClient(app, host=host("nowhere")) as tab:
        fired = await tab.fire(Office.write, name="never")
        assert fired.toasts == ["That is no longer there."]
        assert (await tab.state(Office)).schemas == []


async def test_200_simultaneous_events_of_four_tenants_stay_apart():
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(EventClient(app, host=host(TENANTS[0])))
        tabs = [
            (tenant, await stack.enter_async_context(first.tab(host=host(tenant))))
            for tenant in TENANTS
            for _ in range(50)
        ]
        random.shuffle(tabs)
        before = {tenant: await groups_of(tenant) for tenant in TENANTS}
        fired = await asyncio.gather(
            *(
                tab.fire(WRITERS[number % 3], name=f"{tenant} {number}")
                for number, (tenant, tab) in enumerate(tabs)
            )
        )
        states = [await tab.state(Office) for _, tab in tabs]
    assert [each.toasts for each in fired] == [[]] * 200
    assert [list(state.schemas) for state in states] == [[tenant] * 2 for tenant, _ in tabs]
    assert [state.groups for state in states] == [1] * 200
    for tenant in TENANTS:
        written = Counter(f"{name} {n}" for n, (name, _) in enumerate(tabs) if name == tenant)
        assert await groups_of(tenant) - before[tenant] == written


async def test_tenant_of_a_failed_event_is_not_the_next_ones():
    async with (
        EventClient(app, host=host("north"), raise_exceptions=False) as first,
        first.tab(host=host("south")) as second,
    ):
        for _ in range(10):
            await first.fire(Office.fail)
            await second.fire(Office.look)
            assert (await second.state(Office)).schemas == ["south"]


async def test_background_task_begins_in_no_tenant_has_it_in_a_piece_and_may_enter_its_own():
    async with EventClient(app, host=host("west")) as tab:
        await tab.fire(Office.background)
        fired = await tab.background()
    assert fired.vars["schemas"] == ["public", "west", "public", "west"]
