"""MiddlewareRunner against the synchronous floor: the same hooks called on one thread, no loop.

Both run the middleware of the test suite's settings (startproject's plus Locale) around a view
that reads ``request.user``, for a signed-in user with database sessions on a SQLite file, with
``close_old_connections()`` before and after each event; the runner's events share a connection for
up to a second, unless ``keep=0``. Rounds alternate between the two, so
that both see the same machine; the medians, and the median of the rounds' ratios, are printed.

    DJANGO_SETTINGS_MODULE=tests.settings python -m benchmarks.bench_chain [events per round]
"""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from operator import truediv
from pathlib import Path
from typing import Any

ROUNDS = 11


def main(events: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
        os.environ["RXBRIDGE_TEST_DB"] = str(Path(directory, "bench.sqlite3"))
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        for max_age in (0, None):
            measure(events, max_age)


def measure(events: int, max_age: int | None) -> None:
    """Print the table for one setting of ``CONN_MAX_AGE``."""
    from django.conf import settings
    from django.db import connections

    connections.close_all()
    settings.DATABASES["default"]["CONN_MAX_AGE"] = max_age
    connections.settings["default"]["CONN_MAX_AGE"] = max_age
    # Two floors: on the main thread, and after one bare hop to another thread.
    contenders = {
        "synchronous floor": floor(),
        "floor behind one bare hop": hopping(floor()),
        "runner, one after another": one_by_one(runner_event()),
        "runner, 50 at once": fifty_at_once(runner_event()),
        "runner, keep=0, one after another": one_by_one(runner_event(keep=0)),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for run in contenders.values():
        run(20)
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            start = time.perf_counter()
            run(events)
            times[name].append((time.perf_counter() - start) / events)
    print(f"\nCONN_MAX_AGE={max_age}, {ROUNDS} rounds of {events} events")
    for name, taken in times.items():
        median = statistics.median(taken)
        ratio = statistics.median(map(truediv, taken, times["synchronous floor"]))
        print(f"{name:35} {median * 1e6:7.0f} µs  {1 / median:7.0f}/s  ratio {ratio:5.2f}")


def make_event() -> Callable[[], Any]:
    """Return what builds the request of a signed-in user's event."""
    from django.contrib.auth.models import User
    from django.test import Client

    from rxbridge.events import SyntheticRequestFactory
    from rxbridge.testing import make_event

    client = Client()
    client.force_login(User.objects.get_or_create(username="ada")[0])
    cookies = {name: morsel.value for name, morsel in client.cookies.items()}
    event, requests = make_event(cookies=cookies), SyntheticRequestFactory()
    return lambda: requests.build(event)


def floor() -> Callable[[int], None]:
    """Call each hook directly, as the shortest possible chain would."""
    from django.conf import settings
    from django.db import close_old_connections
    from django.http import HttpResponse
    from django.utils import translation
    from django.utils.module_loading import import_string

    build = make_event()
    middleware = [import_string(path)(lambda _: None) for path in settings.MIDDLEWARE]
    inward = [each.process_request for each in middleware if hasattr(each, "process_request")]
    outward = [each.process_response for each in middleware if hasattr(each, "process_response")]

    def one() -> None:
        close_old_connections()
        request = build()
        for hook in inward:
            hook(request)
        response = HttpResponse(request.user.get_username())
        for hook in reversed(outward):
            response = hook(request, response)
        translation.deactivate()
        close_old_connections()

    def run(events: int) -> None:
        for _ in range(events):
            one()

    return run


def hopping(run: Callable[[int], None]) -> Callable[[int], None]:
    """Run each event of a floor on another thread, awaited from a loop."""
    executor = ThreadPoolExecutor(max_workers=1)

    async def hop(events: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(events):
            await loop.run_in_executor(executor, run, 1)

    return lambda events: asyncio.run(hop(events))


Event = Callable[[], Coroutine[Any, Any, None]]


def runner_event(keep: float | None = None) -> Event:
    from django.http import HttpResponse

    from rxbridge.events import MiddlewareRunner, database_threads

    build, runner = make_event(), MiddlewareRunner(threads=database_threads(keep=keep))

    async def view(request: Any) -> Any:
        return HttpResponse(request.user.get_username())

    async def event() -> None:
        outcome = await runner.run(build(), view)
        if outcome.response.content != b"ada":
            raise SystemExit(f"wrong answer: {outcome}")

    return event


def one_by_one(event: Event) -> Callable[[int], None]:
    async def run(events: int) -> None:
        for _ in range(events):
            await event()

    return lambda events: asyncio.run(run(events))


def fifty_at_once(event: Event) -> Callable[[int], None]:
    async def run(events: int) -> None:
        async def tab() -> None:
            for _ in range(max(1, events // 50)):
                await event()

        await asyncio.gather(*(tab() for _ in range(50)))

    return lambda events: asyncio.run(run(events))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 200)
