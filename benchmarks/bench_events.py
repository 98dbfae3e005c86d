"""Django's middleware around Reflex events: rxbridge beside all it can be compared with.

    python benchmarks/bench_events.py [--quick] [--soak 10]

Each contender runs in a process of its own. Rounds go through all of them in turn, so that all
see the same machine; medians over the rounds, and ratios within a round, are what is printed and
written to ``docs/benchmarks.md``. See ``benchmarks/README.md``.
"""

import argparse
import contextlib
import signal
import sys
from pathlib import Path

import databases
import report
import targets
from workers import CONTENDERS, NotAvailable, Worker, make_visitors, python_for

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
PARTS = ("rates", "memory", "sleep", "postgresql", "soak")


def main():
    options = parse_options()
    # A database server of our own must not outlive us.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with contextlib.ExitStack() as stack:
        bench = Bench(options, stack)
        results = report.Results(options=options, postgres=bench.postgres, left_out=bench.left_out)
        results.pythons = bench.pythons
        for _ in measured(bench, results):
            text = report.markdown(results)
            if options.output:
                # After each part, so that a run that is broken off leaves what it has found.
                Path(options.output).write_text(text)
    print(text)


def measured(bench, results):
    """Measure part by part."""
    options = bench.options
    for kind in options.database if "rates" in options.parts else ():
        for tabs in options.tabs:
            yield bench.measure_rates(kind, tabs, results)
    if "memory" in options.parts:
        results.memory = targets.memory(bench)
        yield
    if "sleep" in options.parts:
        results.sleep = targets.sleeping_middleware(bench)
        yield
    if "postgresql" in options.parts and bench.postgres is not None:
        results.postgresql = targets.postgresql(bench)
        yield
    if "soak" in options.parts and options.soak:
        results.soak = targets.soak(bench, options.soak * 60)
        yield


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a run of about two minutes")
    parser.add_argument("--rounds", type=int, help="rounds per figure (7; quick 3)")
    parser.add_argument("--seconds", type=float, help="length of one measurement (1.0; quick 0.3)")
    parser.add_argument("--tabs", type=int, nargs="+", help="browser tabs (1 50 500; quick 1 50)")
    parser.add_argument("--events", nargs="+", default=["read", "session", "orm"])
    parser.add_argument("--contenders", nargs="+", default=list(CONTENDERS), choices=CONTENDERS)
    parser.add_argument("--database", nargs="+", choices=databases.KINDS)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--soak", type=float, default=None, metavar="MINUTES")
    parser.add_argument("--here", action="store_true", help="only the running environment")
    parser.add_argument("--output", default=None, help="the file to write, '' for none")
    options = parser.parse_args()
    quick = options.quick
    options.rounds = options.rounds or (3 if quick else 7)
    options.seconds = options.seconds or (0.3 if quick else 1.0)
    options.tabs = options.tabs or ([1, 50] if quick else [1, 50, 500])
    options.database = options.database or (
        ["sqlite"] if quick else ["sqlite", "sqlite-kept", "postgresql-kept"]
    )
    options.soak = (0 if quick else 10) if options.soak is None else options.soak
    if options.output is None:
        options.output = "" if quick else str(DOCUMENT)
    return options


class Bench:
    """The environments, databases and visitors of one run."""

    def __init__(self, options, stack):
        self.options = options
        self.left_out = {}
        self.pythons = {}
        for name in options.contenders:
            try:
                self.pythons[name] = python_for(CONTENDERS[name], here=options.here)
            except NotAvailable as reason:
                self.leave_out(name, reason)
        self.files = stack.enter_context(databases.directory())
        self.postgres = self._start_postgres(stack)
        self._visitors = {}
        self._settings = {}

    def leave_out(self, name, reason):
        """Note that a contender takes no part, once."""
        if name not in self.left_out:
            self.left_out[name] = str(reason)
            print(f"{name}: not yet, {reason}", flush=True)

    def contenders(self, *, tabs=1, only=None):
        """Return those that take part, with so many tabs."""
        return [
            CONTENDERS[name]
            for name in self.pythons
            if name not in self.left_out
            if only is None or name in only
            if tabs == 1 or not CONTENDERS[name].one_tab_only
        ]

    def database(self, kind):
        """Return a database's settings and its visitors; make them at the first call."""
        if kind not in self._settings:
            python = python_for(CONTENDERS["rxbridge"], here=self.options.here)
            self._settings[kind] = databases.settings(kind, self.files, self.postgres)
            count = max(500, *self.options.tabs) if not self.options.quick else 100
            count = max(count, *self.options.tabs) if self.options.tabs else count
            self._visitors[kind] = make_visitors(python, self._settings[kind], count, self.files)
        return self._settings[kind], self._visitors[kind]

    @contextlib.contextmanager
    def worker(self, contender, kind, tabs, **environment):
        """Start a contender's process with so many open tabs."""
        settings, visitors = self.database(kind)
        directory = self.files / contender.program[0]
        python = self.pythons[contender.name]
        with Worker(contender, python, settings, directory, environment) as worker:
            if tabs:
                worker.ask("open", visitors=visitors[:tabs])
            yield worker

    def measure_rates(self, kind, tabs, results):
        """Run all rounds of one database and one number of tabs."""
        if kind.startswith("postgresql") and self.postgres is None:
            return
        print(f"{kind}, {tabs} tabs", flush=True)
        with contextlib.ExitStack() as stack:
            workers = {
                each.name: stack.enter_context(self.worker(each, kind, 0))
                for each in self.contenders(tabs=tabs)
            }
            for name in list(workers):
                try:
                    workers[name].ask("open", visitors=self.database(kind)[1][:tabs])
                except NotAvailable as reason:
                    self.leave_out(name, reason)
                    del workers[name]
            self._warm_up(workers, kind, tabs, results)
            for number in range(self.options.rounds):
                self._round(workers, kind, tabs, results, number)

    def _warm_up(self, workers, kind, tabs, results):
        for name, worker in workers.items():
            for event in self._events(name):
                worker.ask("run", event=event, seconds=min(0.3, self.options.seconds))
                if tabs == min(self.options.tabs):
                    results.counts[kind, name, event] = worker.ask("count", event=event)

    def _round(self, workers, kind, tabs, results, number):
        names = list(workers)
        turned = names[number % len(names) :] + names[: number % len(names)]
        for event in self.options.events:
            for name in turned:
                if event in self._events(name):
                    result = workers[name].ask("run", event=event, seconds=self.options.seconds)
                    results.add(kind, tabs, event, name, result)
                    for error, count in result["errors"].items():
                        print(f"{name}, {event}: {count} times {error}", file=sys.stderr)

    def _events(self, name):
        return [event for event in CONTENDERS[name].events if event in self.options.events]

    def _start_postgres(self, stack):
        wanted = any(kind.startswith("postgresql") for kind in self.options.database)
        if not wanted:
            return None
        postgres = databases.find_postgres()
        if postgres is None:
            print("PostgreSQL: no server found on this machine", flush=True)
            return None
        return stack.enter_context(postgres)


if __name__ == "__main__":
    main()
