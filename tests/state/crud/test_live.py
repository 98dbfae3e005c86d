"""LiveList: pages hear of changes once they are committed, and nothing is left of a gone tab."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from rxbridge.events.sessions.broadcast import RedisBroadcast
from rxbridge.state.live import LiveList
from rxbridge.testing import EventClient
from tests.state.crud.app import Own, app, live_notes
from tests.state.crud.models import Folder, Label, Note
from tests.state.redis_server import needs_redis, run_redis

INTERVAL = 0.01  # seconds
QUIET = 0.15  # seconds after which a change that was to be told would have been


class Hub:
    """A broadcast between the workers of one process."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.down = False
        self._deliver = []

    async def publish(self, message: str) -> None:
        if self.down:
            msg = "nobody there"
            raise OSError(msg)
        self.sent.append(message)
        for deliver in list(self._deliver):
            deliver(message)

    async def listen(self, deliver, gap) -> None:
        self._deliver.append(deliver)
        gap()
        try:
            await asyncio.Event().wait()
        finally:
            self._deliver.remove(deliver)


class Following:
    """A tab that follows, and how often it was told."""

    def __init__(self) -> None:
        self.told = 0
        self.connection = SimpleNamespace(closed=False)
        self.task: asyncio.Task[None]

    async def settle(self) -> int:
        await asyncio.sleep(QUIET)
        return self.told


@asynccontextmanager
async def following(live: LiveList, user, tab: str = "tab") -> AsyncIterator[Following]:
    follows = Following()

    async def follow() -> None:
        async for _ in live.changes(tab, user=user, connection=follows.connection):
            follows.told += 1

    follows.task = asyncio.create_task(follow())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    try:
        yield follows
    finally:
        follows.task.cancel()
        await asyncio.wait([follows.task])


@pytest.fixture
def live(crud_db):
    live = LiveList(Note, owner_field="owner", interval=INTERVAL)
    yield live
    live.close()


@pytest.fixture
def live_to_all(crud_db):
    live = LiveList(Note, interval=INTERVAL)
    yield live
    live.close()


async def test_save_and_delete_are_told(live, ada):
    async with following(live, ada) as tab:
        note = await Note.objects.acreate(title="a", owner=ada)
        assert await tab.settle() == 1
        note.title = "b"
        await note.asave()
        assert await tab.settle() == 2
        await note.adelete()
        assert await tab.settle() == 3


async def test_only_the_owner_is_told(live, ada, bob):
    async with following(live, ada, "hers") as hers, following(live, bob, "his") as his:
        await Note.objects.acreate(title="a", owner=ada)
        assert (await hers.settle(), await his.settle()) == (1, 0)


async def test_without_owners_everybody_is_told(live_to_all, ada, bob):
    async with following(live_to_all, bob) as tab:
        await Note.objects.acreate(title="a", owner=ada)
        assert await tab.settle() == 1


async def test_other_models_are_not_told_of(live_to_all, ada):
    async with following(live_to_all, ada) as tab:
        await Folder.objects.acreate(name="a", owner=ada)
        assert await tab.settle() == 0


async def test_many_to_many_is_told_of(live, ada):
    note = await Note.objects.acreate(title="a", owner=ada)
    label = await Label.objects.acreate(name="red")
    async with following(live, ada) as tab:
        await note.labels.aadd(label)
        assert await tab.settle() == 1


async def test_what_is_rolled_back_is_not_told(live, ada):
    def change(fails: bool) -> None:
        with transaction.atomic():
            Note.objects.create(title=str(fails), owner=ada)
            if fails:
                transaction.set_rollback(True)

    async with following(live, ada) as tab:
        await sync_to_async(change)(True)
        assert await tab.settle() == 0
        await sync_to_async(change)(False)
        assert await tab.settle() == 1


async def test_burst_is_told_once_per_interval_at_most(live, ada):
    async with following(live, ada) as tab:
        began = time.monotonic()
        for number in range(100):
            await Note.objects.acreate(title=f"n {number}", owner=ada)
        assert 1 <= await tab.settle() <= (time.monotonic() - began) / INTERVAL + 1


async def test_bulk_changes_are_told_by_touch(live, ada, bob):
    async with following(live, ada) as tab:
        await Note.objects.abulk_create([Note(title="a", owner=ada)])
        assert await tab.settle() == 0
        await sync_to_async(live.touch)(bob)
        assert await tab.settle() == 0
        await sync_to_async(live.touch)(ada)
        assert await tab.settle() == 1
        await sync_to_async(live.touch)()
        assert await tab.settle() == 2


class TestEnd:
    async def test_closed_connection_ends_it(self, live, ada):
        async with following(live, ada) as tab:
            tab.connection.closed = True
            await Note.objects.acreate(title="a", owner=ada)
            assert await tab.settle() == 0
            assert tab.task.done()
        assert len(live) == 0

    async def test_cancelled_task_leaves_nothing(self, live, ada):
        async with following(live, ada) as tab:
            assert len(live) == 1
            tab.task.cancel()
            await asyncio.wait([tab.task])
            assert len(live) == 0

    async def test_tab_that_follows_anew_follows_once(self, live, ada):
        async with following(live, ada) as first, following(live, ada) as second:
            await Note.objects.acreate(title="a", owner=ada)
            assert (await first.settle(), await second.settle()) == (0, 1)
            assert first.task.done()
            assert len(live) == 1

    async def test_close_ends_all_and_hears_no_more(self, live, ada):
        async with following(live, ada) as tab:
            live.close()
            await tab.settle()
            assert tab.task.done()

    async def test_no_more_than_limit_follow(self, crud_db, ada, caplog):
        live = LiveList(Note, interval=0.01, limit=1)
        try:
            async with following(live, ada, "first") as first:
                async with following(live, ada, "second") as second:
                    assert (len(live), second.task.done()) == (1, True)
                    assert "does not follow" in caplog.text
                first.connection.closed = True
                async with following(live, ada, "third") as third:
                    assert (len(live), third.task.done()) == (1, False)
        finally:
            live.close()


class TestWorkers:
    @pytest.fixture
    def hub(self):
        return Hub()

    @pytest.fixture
    def here(self, crud_db, hub):
        live = LiveList(Note, owner_field="owner", broadcast=hub, interval=0.01)
        yield live
        live.close()

    @pytest.fixture
    def elsewhere(self, crud_db, hub):
        """Another worker, so without the signals of this process."""
        live = LiveList(Note, owner_field="owner", broadcast=hub, interval=0.01)
        live.close()
        return live

    async def test_other_workers_are_told(self, here, elsewhere, ada, bob):
        async with (
            following(here, ada),
            following(elsewhere, ada, "hers") as hers,
            following(elsewhere, bob, "his") as his,
        ):
            await hers.settle()
            before = hers.told, his.told
            await Note.objects.acreate(title="a", owner=ada)
            assert (await hers.settle(), await his.settle()) == (before[0] + 1, before[1])

    @needs_redis
    async def test_other_workers_are_told_through_redis(self, crud_db, ada):
        with run_redis() as url:
            here = LiveList(Note, broadcast=RedisBroadcast(url, channel="notes"), interval=0.01)
            elsewhere = LiveList(Note, broadcast=RedisBroadcast(url, channel="notes"))
            elsewhere.close()
            try:
                async with following(here, ada), following(elsewhere, ada) as tab:
                    async with asyncio.timeout(10):
                        # It is told as listening begins.
                        while not tab.told:  # noqa: ASYNC110
                            await asyncio.sleep(0.05)
                    before = await tab.settle()
                    await Note.objects.acreate(title="a", owner=ada)
                    async with asyncio.timeout(10):
                        while tab.told == before:  # noqa: ASYNC110
                            await asyncio.sleep(0.05)
            finally:
                here.close()

    async def test_process_without_tabs_tells_too(self, here, elsewhere, ada):
        async with following(elsewhere, ada) as tab:
            before = await tab.settle()
            await Note.objects.acreate(title="a", owner=ada)
            assert await tab.settle() == before + 1

    async def test_messages_hold_no_rows(self, here, hub, ada):
        async with following(here, ada):
            await Note.objects.acreate(title="canary", owner=ada)
            await asyncio.sleep(QUIET)
        assert hub.sent
        assert "canary" not in "".join(hub.sent)

    async def test_change_succeeds_while_the_broadcast_is_down(self, here, hub, ada, caplog):
        hub.down = True
        async with following(here, ada) as tab:
            before = await tab.settle()
            await Note.objects.acreate(title="a", owner=ada)
            assert await tab.settle() == before + 1
            assert "are not told of live lists" in caplog.text
            hub.down = False
            await asyncio.sleep(2 * QUIET)
            assert len(hub.sent) == 1

    async def test_foreign_messages_are_ignored(self, here, hub, ada, caplog):
        async with following(here, ada) as tab:
            before = await tab.settle()
            for message in ("", "[]", "{}", "null", '{"live": "auth.user", "worker": "x"}'):
                await hub.publish(message)
            assert await tab.settle() == before
        assert all(record.levelno < logging.CRITICAL for record in caplog.records)

    async def test_change_that_comes_while_the_same_is_being_told_is_told_too(self, here, hub, ada):
        publish, going_on = hub.publish, asyncio.Event()

        async def slowly(message):
            await publish(message)
            await going_on.wait()

        hub.publish = slowly
        async with following(here, ada):
            await Note.objects.acreate(title="a", owner=ada)
            await asyncio.sleep(QUIET)
            await Note.objects.acreate(title="b", owner=ada)
            await asyncio.sleep(QUIET)
            going_on.set()
            await asyncio.sleep(QUIET)
        assert len(hub.sent) == 2

    async def test_whether_the_other_workers_are_heard_can_be_asked(self, live, here, hub, ada):
        ends = asyncio.Event()
        listen = hub.listen

        async def listen_until(deliver, gap):
            listening = asyncio.create_task(listen(deliver, gap))
            await ends.wait()
            ends.clear()
            listening.cancel()

        hub.listen = listen_until
        assert here.is_listening
        assert live.is_listening
        async with following(here, ada), following(live, ada) as alone:
            assert live.is_listening
            await alone.settle()
            assert here.is_listening
            ends.set()
            for expected in (False, True):
                async with asyncio.timeout(5):
                    while here.is_listening is not expected:  # noqa: ASYNC110
                        await asyncio.sleep(0.001)

    async def test_listening_ends_with_the_last_tab(self, here, hub, ada):
        async with following(here, ada):
            assert len(hub._deliver) == 1
        await asyncio.sleep(0.01)
        assert hub._deliver == []


class TestInAPage:
    async def test_page_is_made_to_load_with_its_own_identity(self, tab, ada, bob):
        await tab.fire(Own.follow)
        await asyncio.sleep(QUIET)
        assert len(live_notes) == 1
        await Note.objects.acreate(title="his", owner=bob)
        await asyncio.sleep(QUIET)
        assert tab.server.received(tab.token)[1] == []
        await Note.objects.acreate(title="hers", owner=ada)
        await asyncio.sleep(QUIET)
        _, (event,) = tab.server.received(tab.token)
        assert event.name == f"{Own.get_full_name()}.load"
        fired = await tab.fire(Own.load)
        assert [row["title"] for row in fired.vars["rows"]] == ["hers"]

    async def test_anonymous_visitors_do_not_follow(self, crud_db, caplog):
        async with EventClient(app) as tab:
            await tab.fire(Own.follow)
            await tab.background()
        assert len(live_notes) == 0
        assert "refused to user" in caplog.text

    async def test_following_ends_with_the_server(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Own.follow)
            await asyncio.sleep(QUIET)
            assert len(live_notes) == 1
        assert len(live_notes) == 0


@pytest.mark.parametrize("options", [{"interval": 0}, {"limit": 0}])
def test_refuses_options_that_cannot_be(options):
    with pytest.raises(ValueError, match="must be positive"):
        LiveList(Note, **options)
