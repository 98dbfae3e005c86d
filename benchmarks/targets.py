"""The measurements beside rates: memory, a slow middleware, PostgreSQL's connections, a soak."""

import statistics
import threading
import time

from workers import CONTENDERS, NotAvailable

POOL_LIMIT = 100
"""The bound of the runner's threads by default, and so of its database connections."""


def memory(bench, few=50, many=100):
    """Return bytes per idle connection, and bytes kept per event, of each contender."""
    found = {}
    for contender in bench.contenders(tabs=2):
        if contender.name == "Django HTTP":
            continue  # it has no connections
        print(f"memory: {contender.name}", flush=True)
        try:
            with bench.worker(contender, "sqlite", 0) as worker:
                found[contender.name] = _memory_of(worker, bench.database("sqlite")[1], few, many)
        except NotAvailable as reason:
            bench.leave_out(contender.name, reason)
    return found


def _memory_of(worker, visitors, few, many):
    worker.ask("trace")
    worker.ask("open", visitors=visitors[:few])
    before = worker.ask("memory")["traced"]
    worker.ask("open", visitors=visitors[few:many])
    opened = worker.ask("memory")["traced"]
    # What an event leaves behind: once the caches are filled, nothing should.
    worker.ask("run", event="read", seconds=0, limit=4)
    filled = worker.ask("memory")["traced"]
    fired = worker.ask("run", event="read", seconds=0, limit=20)["events"]
    after = worker.ask("memory")["traced"]
    return {
        "per_connection": (opened - before) / (many - few),
        "per_event": (after - filled) / fired,
    }


def sleeping_middleware(bench, tabs=50, seconds=0.02, trials=5):
    """Return how long one event of each tab takes with a middleware that sleeps in the chain."""
    found = {}
    for contender in bench.contenders(tabs=2, only=("rxbridge", "reflex-django", "Django HTTP")):
        print(f"sleeping middleware: {contender.name}", flush=True)
        environment = {"BENCH_SLEEP": str(seconds)}
        with bench.worker(contender, "sqlite", tabs, **environment) as worker:
            taken = [
                worker.ask("run", event="read", seconds=0, limit=1)["seconds"]
                for _ in range(trials)
            ]
        found[contender.name] = {"first": taken[0], "median": statistics.median(taken)}
    return found


def postgresql(bench, tabs=500):
    """Return how many connections events open at most, and what killing all of them costs."""
    kind = "postgresql-kept"
    contender = CONTENDERS["rxbridge def handlers"]
    if contender not in bench.contenders():
        return None
    print("PostgreSQL: connections", flush=True)
    database = bench.database(kind)[0]["NAME"]
    tabs = min(tabs, len(bench.database(kind)[1]))
    with bench.worker(contender, kind, tabs) as worker:
        with Sampled(bench.postgres, database) as sampled:
            waiting = worker.ask("run", event="wait", seconds=5)
        with Sampled(bench.postgres, database, kill_at=1.0) as killed:
            hit = worker.ask("run", event="wait", seconds=3)
        after = worker.ask("run", event="wait", seconds=2)
    return {
        "most": sampled.most,
        "bound": POOL_LIMIT,
        "rate": waiting["rate"],
        "errors": waiting["errors"],
        "killed": killed.killed,
        "lost": hit["errors"],
        "lost_after": after["errors"],
    }


class Sampled:
    """Watches a database's connections from a thread; may kill them all once."""

    def __init__(self, postgres, database, kill_at=None):
        self._postgres = postgres
        self._where = f"datname = '{database}' AND backend_type = 'client backend'"
        self._kill_at = kill_at
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.most = 0
        self.killed = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc_info):
        self._over.set()
        self._thread.join()

    def _watch(self):
        start = time.monotonic()
        while not self._over.wait(0.1):
            count = f"SELECT count(*) FROM pg_stat_activity WHERE {self._where}"
            self.most = max(self.most, int(self._postgres.query(count)))
            if self._kill_at and time.monotonic() - start > self._kill_at:
                self._kill_at = None
                kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {self._where}"
                self.killed = self._postgres.query(kill).count("t")


def soak(bench, seconds, tabs=500, kind="sqlite"):
    """Return minute by minute what 500 tabs that never rest make of the process."""
    contender = CONTENDERS["rxbridge"]
    print(f"soak: {tabs} tabs for {seconds / 60:g} minutes", flush=True)
    tabs = min(tabs, len(bench.database(kind)[1]))
    slices = max(3, round(seconds / 60))
    with bench.worker(contender, kind, tabs) as worker:
        return [
            worker.ask(
                "run", event="read", seconds=seconds / slices, weights={"session": 10, "orm": 20}
            )
            for _ in range(slices)
        ]
