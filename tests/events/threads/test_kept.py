"""Kept: caches and their connections go from event to event, never to two at a time."""

import asyncio
from functools import partial

import pytest
import redis
from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpRequest, HttpResponse

from rxbridge.events import MiddlewareRunner, database_threads
from tests.state.redis_server import needs_redis, run_redis


async def run(runner, work):
    async def view(request):
        await work()
        return HttpResponse()

    return await runner.run(HttpRequest(), view)


def behind(cache):
    return cache._wrapped


class Holding(LocMemCache):
    """A cache of which Django does not say what it holds."""


@pytest.fixture
def runner(settings):
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.Holding"}}
    return MiddlewareRunner([], threads=database_threads(core=2))


async def cache_of_an_event(runner, seen):
    async def work():
        caches["default"].get("key")
        seen.append(behind(caches["default"]))

    await run(runner, work)


async def test_the_next_event_has_the_cache_of_the_last(runner):
    await run(runner, sync_to_async(lambda: None))  # A thread, for which one cache is kept.
    seen = []
    await cache_of_an_event(runner, seen)
    await run(runner, sync_to_async(lambda: None))
    await cache_of_an_event(runner, seen)
    assert seen[0] is seen[1]


async def test_what_is_known_to_hold_nothing_is_made_anew(settings):
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    seen = []

    async def work():
        seen.append(caches["default"])

    for _ in range(2):
        await run(MiddlewareRunner([], threads=database_threads()), work)
    assert seen[0] is not seen[1]
    assert [type(each) for each in seen] == [LocMemCache] * 2


async def test_two_events_at_a_time_never_share_a_cache(runner):
    inside, seen = asyncio.Barrier(2), []

    async def work():
        caches["default"].get("key")
        seen.append(behind(caches["default"]))
        await inside.wait()

    for _ in range(3):
        await asyncio.gather(run(runner, work), run(runner, work))
        assert seen[-1] is not seen[-2]


async def test_what_outlives_its_event_has_a_cache_of_its_own(runner):
    await run(runner, sync_to_async(lambda: None))
    seen, over = [], asyncio.Event()
    tasks = []

    async def later():
        await over.wait()
        caches["default"].get("key")
        return behind(caches["default"])

    async def work():
        await sync_to_async(caches["default"].get)("key")
        seen.append(behind(caches["default"]))
        tasks.append(asyncio.create_task(later()))

    await run(runner, work)
    over.set()
    assert await tasks[0] is not seen[0]


async def test_a_cache_of_an_event_that_failed_is_no_other_events(runner):
    await run(runner, sync_to_async(lambda: None))
    seen = []

    async def work():
        caches["default"].get("key")
        seen.append(behind(caches["default"]))
        raise LookupError

    assert isinstance((await run(runner, work)).exception, LookupError)
    await cache_of_an_event(runner, seen)
    assert seen[0] is not seen[1]


async def test_the_callers_context_keeps_its_own_cache(runner):
    before = caches["default"]
    await cache_of_an_event(runner, [])
    assert caches["default"] is before


async def write_on_thread(number):
    await sync_to_async(caches["default"].set)("n", number)


async def write_on_loop(number):
    await caches["default"].aset("n", number)
    await caches["default"].aset_many({"n": number})


@needs_redis
async def test_one_client_of_redis_serves_all_operations_of_a_kept_cache(settings, monkeypatch):
    made, make = [], redis.Redis.__init__
    with run_redis() as url:
        backend = "django.core.cache.backends.redis.RedisCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": [url, url]}}
        runner = MiddlewareRunner([], threads=database_threads(core=1))
        monkeypatch.setattr(
            redis.Redis, "__init__", lambda *args, **named: made.append(1) or make(*args, **named)
        )

        async def work():
            for number in range(3):
                await caches["default"].aset("key", number)
                assert await caches["default"].aget("key") == number

        for _ in range(2):
            assert (await run(runner, work)).exception is None
    assert len(made) == 2  # One writes to the first server, one reads from the second.


@needs_redis
@pytest.mark.parametrize("write", [write_on_thread, write_on_loop])
async def test_events_open_no_connection_each_to_redis(settings, write):
    with run_redis() as url, redis.Redis.from_url(url) as observer:
        settings.CACHES = {
            "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": url}
        }
        threads = database_threads(core=2, limit=8)
        runner = MiddlewareRunner([], threads=threads)
        opened = observer.info("stats")["total_connections_received"]

        async def tab():
            for number in range(20):
                await run(runner, partial(write, number))

        await asyncio.gather(*(tab() for _ in range(50)))
        opened = observer.info("stats")["total_connections_received"] - opened
        assert opened <= 20
        assert observer.info("clients")["connected_clients"] - 1 <= threads.size + 4
