"""States in each of Reflex's managers: all is back after a restart, and nothing of Django."""

import contextlib
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import reflex as rx
from django.contrib.auth.models import Group, User
from django.utils.functional import SimpleLazyObject
from redis.asyncio import Redis
from reflex.istate.manager.disk import StateManagerDisk
from reflex.istate.manager.memory import StateManagerMemory
from reflex.istate.manager.redis import StateManagerRedis
from reflex.istate.manager.token import BaseStateToken

from rxbridge.state import AppState, DjangoContextState, DjangoI18nState, DjangoUserState
from rxbridge.state.pickling import PicklingStripper
from rxbridge.testing import EventClient
from tests.events.app import Counter
from tests.state.crud.app import Own, app
from tests.state.crud.models import Note
from tests.state.redis_server import needs_redis, run_redis

pytestmark = pytest.mark.usefixtures("crud_db")

EVENTS = 500


class Holder(AppState, PicklingStripper, rx.State):
    """A state that holds on to what it should not."""

    count: int = 0
    rows: list[dict[str, Any]] = []
    _request: Any = None
    _user: Any = None
    _group: Any = None
    _mixed: dict[str, Any] = {"empty": True}

    @rx.event
    def hold(self):
        self.count += 1
        self.rows = [*self.rows[-9:], {"number": self.count, "tags": ["a", "b"]}]
        self._request = self.request
        self._user = SimpleLazyObject(lambda: User.objects.get(username="ada"))
        self._group = Group.objects.first()
        self._mixed = {"number": self.count, "users": [self.user, self.count]}


class Disk:
    """The disk manager in a folder of the test's."""

    def __init__(self, tmp_path, monkeypatch):
        monkeypatch.setenv("REFLEX_STATES_WORKDIR", str(tmp_path))
        self._folder = tmp_path

    def make(self):
        return StateManagerDisk()

    async def restarted(self, manager):
        await manager.close()
        return self.make()

    async def stored(self, manager):
        return {path: path.read_bytes() for path in self._folder.glob("*.pkl")}

    async def store(self, manager, path, payload):
        path.write_bytes(payload)


class InRedis:
    """The Redis manager at a server of the tests'."""

    def __init__(self, url):
        self._url = url

    def make(self):
        return StateManagerRedis(redis=Redis.from_url(self._url))

    async def restarted(self, manager):
        await manager.close()
        return self.make()

    async def stored(self, manager):
        keys = [key async for key in manager.redis.scan_iter()]
        return {key: await manager.redis.get(key) for key in keys}

    async def store(self, manager, key, payload):
        await manager.redis.set(key, payload)


class Memory:
    """The memory manager, whose states end with the process: the server alone restarts."""

    def make(self):
        return StateManagerMemory()

    async def restarted(self, manager):
        return manager

    async def stored(self, manager):
        states = list(manager.states.values())
        found = {}
        while states:
            state = states.pop()
            found[state.get_full_name()] = state._serialize()
            states += state.substates.values()
        return found


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    with run_redis() as url:
        yield url


@pytest.fixture(params=["memory", "disk", pytest.param("redis", marks=needs_redis)])
def store(request, tmp_path, monkeypatch):
    if request.param == "memory":
        return Memory()
    if request.param == "disk":
        return Disk(tmp_path, monkeypatch)
    url = request.getfixturevalue("redis_url")
    with redis.Redis.from_url(url) as client:
        client.flushall()
    return InRedis(url)


@contextlib.asynccontextmanager
async def visit(manager, token=None, **options):
    tab = EventClient(app, **options)
    tab.server._manager = manager
    tab.token = token or tab.token
    async with tab:
        yield tab


async def read(manager, token, cls):
    root = await manager.get_state(BaseStateToken(ident=token, cls=cls))
    return root.get_substate(cls.get_full_name().split("."))


@pytest.fixture
def ada():
    user = User.objects.create_user("ada", "ada@example.com", "secret")
    user.groups.add(Group.objects.create(name="poets"))
    return user


async def test_all_is_back_after_a_restart_and_nothing_of_django_was_stored(store, ada):
    manager = store.make()
    async with visit(manager, user=ada) as tab:
        await tab.load("/")
        for number in range(EVENTS // 4):
            await tab.fire(Holder.hold)
            await tab.fire(Own.create, form_data={"title": f"note {number}", "price": "1"})
        await tab.fire(Own.find, text="note 11")
        await tab.fire(Own.order_by, field="-title")
        pk = (await tab.state(Own)).rows[0]["id"]
        await tab.fire(Own.edit, pk=pk)
        token, cookies = tab.token, dict(tab.cookies)
    manager = await store.restarted(manager)
    async with visit(manager, token, cookies=cookies) as tab:
        fired = await tab.fire(Own.save, form_data={"title": "note 11z", "price": "2"})
        assert fired.vars["rows"][0]["title"] == "note 11z"
        assert (await Note.objects.aget(pk=pk)).title == "note 11z"
        for _ in range(EVENTS // 4):
            await tab.fire(Holder.hold)
            await tab.fire(Own.edit, pk=pk)
        assert (await tab.state(Holder)).count == EVENTS // 2
    manager = await store.restarted(manager)

    holder = await read(manager, token, Holder)
    assert holder.count == EVENTS // 2
    assert [row["number"] for row in holder.rows] == list(range(EVENTS // 2 - 9, EVENTS // 2 + 1))
    if not isinstance(store, Memory):
        assert (holder._request, holder._user, holder._group) == (None, None, None)
        assert dict(holder._mixed) == {"number": EVENTS // 2, "users": [EVENTS // 2]}
    notes = await read(manager, token, Own)
    assert (notes.search, notes.ordering) == ("note 11", "-title")
    assert (notes.total, len(notes.rows)) == (11, 10)
    assert (notes.editing, notes._crud_draft["pk"], notes.form_open) == (pk, pk, True)
    assert notes.form_values["title"] == "note 11z"
    mirror = await read(manager, token, DjangoUserState)
    assert (mirror.username, list(mirror.group_names)) == ("ada", ["poets"])
    assert (await read(manager, token, DjangoI18nState)).language == "en"
    context = (await read(manager, token, DjangoContextState)).context
    assert context["user"]["username"] == "ada"

    stored = await store.stored(manager)
    assert len(stored) >= 5
    await ada.arefresh_from_db()
    for forbidden in (b"django.", ada.password.encode(), cookies["sessionid"].encode()):
        assert [name for name, payload in stored.items() if forbidden in payload] == []
    if hasattr(manager, "close"):
        await manager.close()


async def test_mirror_of_a_user_signed_out_meanwhile_is_put_right_by_the_first_delta(store, ada):
    manager = store.make()
    async with visit(manager, user=ada) as tab:
        await tab.load("/")
        token, cookies = tab.token, dict(tab.cookies)
    await ada.adelete()
    manager = await store.restarted(manager)
    async with visit(manager, token, cookies=cookies) as tab:
        fired = await tab.fire(Counter.count_up)
        first = fired.deltas[0][DjangoUserState.get_full_name()]
        assert first["username_rx_state_"] == ""
        assert (first["group_names_rx_state_"], first["is_authenticated_rx_state_"]) == ([], False)
    if hasattr(manager, "close"):
        await manager.close()


async def test_the_next_user_of_a_token_finds_nothing_in_any_state_of_it(store, ada):
    manager = store.make()
    async with visit(manager, user=ada) as tab:
        await tab.load("/")
        await tab.fire(Holder.hold)
        await tab.fire(Counter.add, number=5)
        token = tab.token
    manager = await store.restarted(manager)
    bob = await User.objects.acreate_user("bob")
    async with visit(manager, token, user=bob) as tab:
        # With Redis this event has but one state of the tree.
        fired = await tab.fire(Counter.add, number=1)
        assert fired.vars["count"] == 1
        manager = await store.restarted(manager)
    assert (await read(manager, token, Holder)).count == 0
    async with visit(manager, token, user=bob) as tab:
        await tab.fire(Counter.add, number=1)
        assert (await tab.state(Counter)).count == 2
    if hasattr(manager, "close"):
        await manager.close()


@pytest.mark.parametrize("store", [pytest.param("redis", marks=needs_redis)], indirect=True)
async def test_what_an_event_has_not_loaded_is_fresh_after_a_logout_too(store, ada):
    manager = store.make()
    async with visit(manager, user=ada) as tab:
        await tab.fire(Holder.hold)
        token, cookies = tab.token, dict(tab.cookies)
    manager = await store.restarted(manager)
    async with visit(manager, token, cookies=cookies) as tab:
        fired = await tab.fire(Counter.sign_out)
        assert [value for value in fired.deltas if "number" in str(value)] == []
        assert fired.vars["rows"] == []
        manager = await store.restarted(manager)
    assert (await read(manager, token, Holder)).count == 0
    await manager.close()


def with_other_vars(payload):
    """The pickle that another version of the class has left, with vars of other names."""
    schema = Holder._to_schema().encode()
    assert schema in payload
    return payload.replace(schema, b"0" * len(schema))


def without_a_private_var(payload):
    """The pickle that a version of the class has left which had no ``_mixed`` yet."""
    schema, state = pickle.loads(payload)
    del vars(state)["_mixed"]
    return pickle.dumps((schema, state))


@pytest.mark.parametrize("older", [with_other_vars, without_a_private_var])
@pytest.mark.parametrize("store", ["disk", pytest.param("redis", marks=needs_redis)], indirect=True)
async def test_state_of_an_older_version_of_its_class_loads(store, ada, older):
    manager = store.make()
    async with visit(manager, user=ada) as tab:
        await tab.fire(Holder.hold)
        await tab.fire(Holder.hold)
        token, cookies = tab.token, dict(tab.cookies)
    manager = await store.restarted(manager)
    name, payload = next(
        (name, payload)
        for name, payload in (await store.stored(manager)).items()
        if Holder._to_schema().encode() in payload
    )
    await store.store(manager, name, older(payload))
    async with visit(manager, token, cookies=cookies) as tab:
        await tab.fire(Holder.hold)
        holder = await tab.state(Holder)
        assert (holder.count, holder._mixed["number"]) == (3, 3)
    await manager.close()
