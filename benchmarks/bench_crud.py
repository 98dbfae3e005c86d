"""A page of a list from ``crud_mixin``, of 100 rows in the table and of 10,000.

One event is a page of 25 rows with a search field, ordering and a relation, for the owner of all
rows, through the whole chain of startproject's middleware and Reflex's event processor, on a
SQLite file. Rounds alternate between the two tables; medians and the median of the rounds'
ratios are printed, and the queries of one page.

    python -m benchmarks.bench_crud [events per round]
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from operator import truediv
from pathlib import Path

ROUNDS = 11
SMALL, LARGE = 100, 10_000


def main(events: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.state.crud.settings")
        os.environ["RXBRIDGE_TEST_DB"] = str(Path(directory, "bench.sqlite3"))
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0, run_syncdb=True)
        users = {count: fill(count) for count in (SMALL, LARGE)}
        show_queries(users[LARGE])
        asyncio.run(measure(users, events))


def fill(count: int):
    """Return a user who owns ``count`` notes."""
    from django.contrib.auth.models import User

    from tests.state.crud.models import Folder, Note

    user = User.objects.create_user(f"owner of {count}")
    folder = Folder.objects.create(name="all", owner=user)
    Note.objects.bulk_create(
        Note(title=f"note {number}", text="text " * 20, owner=user, folder=folder)
        for number in range(count)
    )
    return user


def show_queries(user) -> None:
    """Print the queries of one page, as the database is asked them."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tests.state.crud.app import Own

    with CaptureQueriesContext(connection) as queries:
        Own._crud.store.page(user)
    print(f"one page: {len(queries)} queries")
    for query in queries:
        print("   ", query["sql"][:110])


async def measure(users: dict, events: int) -> None:
    """Print how long an event takes with each table."""
    from rxbridge.testing import EventClient
    from tests.state.crud.app import Own, app

    times: dict[int, list[float]] = {count: [] for count in users}
    async with EventClient(app, user=users[SMALL]) as small, small.tab(user=users[LARGE]) as large:
        tabs = {SMALL: small, LARGE: large}
        for tab in tabs.values():
            await tab.load("/")
        for round_ in range(ROUNDS + 1):
            for count, tab in tabs.items():
                start = time.perf_counter()
                for _ in range(events):
                    await tab.fire(Own.load)
                if round_:
                    times[count].append((time.perf_counter() - start) / events)
    for count, taken in times.items():
        print(f"{count:6} rows: {statistics.median(taken) * 1e3:6.2f} ms an event")
    ratio = statistics.median(map(truediv, times[LARGE], times[SMALL]))
    print(f"ratio {LARGE} to {SMALL}: {ratio:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
