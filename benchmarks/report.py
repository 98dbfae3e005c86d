"""What a run found, as Markdown."""

import os
import platform
import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import databases
from workers import CONTENDERS, versions

REPOSITORY = Path(__file__).resolve().parent.parent
OUTPUTS = REPOSITORY / ".bench"
NOTES = REPOSITORY / "benchmarks" / "notes.md"
RIVAL = "reflex-django"
NAMES = {
    "read": "reads `request.user`",
    "session": "writes the session",
    "orm": "makes one ORM write",
}


@dataclass
class Results:
    """All figures of one run; ``rounds`` has a list of results for each cell."""

    options: object
    postgres: object
    left_out: dict
    pythons: dict = field(default_factory=dict)
    rounds: dict = field(default_factory=lambda: defaultdict(list))
    counts: dict = field(default_factory=dict)
    memory: dict | None = None
    sleep: dict | None = None
    postgresql: dict | None = None
    soak: list | None = None

    def add(self, kind, tabs, event, name, result):
        """Add one measurement."""
        self.rounds[kind, tabs, event, name].append(result)

    def median(self, kind, tabs, event, name, figure):
        """Return the median over the rounds, or ``None``."""
        values = [each[figure] for each in self.rounds.get((kind, tabs, event, name), ())]
        values = [value for value in values if value is not None]
        return statistics.median(values) if values else None

    def ratio(self, kind, tabs, event, name, other, figure="rate"):
        """Return the median over the rounds of one's figure divided by another's."""
        ours = self.rounds.get((kind, tabs, event, name), ())
        theirs = self.rounds.get((kind, tabs, event, other), ())
        pairs = [(a[figure], b[figure]) for a, b in zip(ours, theirs, strict=False)]
        ratios = [a / b for a, b in pairs if a and b]
        return statistics.median(ratios) if ratios else None


def markdown(results):
    """Return the page."""
    parts = [
        _head(results),
        _targets(results),
        _counts(results),
        *(_rates(results, kind, tabs) for kind, tabs in _cells(results)),
        _memory(results),
        _soak(results),
        _others(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(results):
    options = results.options
    seconds = f"{options.rounds} rounds of {options.seconds:g} s per figure"
    lines = [
        "# Benchmarks",
        "",
        (
            "Django's middleware (startproject's and Locale, database sessions, a signed-in user) "
            "around Reflex events, through Reflex's own event processor, without sockets. Each tab "
            "fires its next event when the last one is done. Each contender has a process of its "
            f"own; {seconds}, contenders in turn within a round. Figures are medians; ratios are "
            "taken within a round. Only ratios carry over to another machine. Database files are "
            "in memory, so no figure waits for a disk."
        ),
        "",
        "Written by `python benchmarks/bench_events.py`.",
        "",
        "| machine | |",
        "|---|---|",
        f"| written | {date.today().isoformat()} |",  # noqa: DTZ011 - the day is enough
        f"| processor | {processor()}, {os.cpu_count()} cores |",
        (
            f"| system | {platform.system()} {platform.machine()}, "
            f"{platform.python_implementation()} {platform.python_version()} |"
        ),
    ]
    if results.postgres is not None:
        lines.append(f"| PostgreSQL | {results.postgres.version} on the same machine |")
    for python in dict.fromkeys(results.pythons.values()):
        names = [name for name, each in results.pythons.items() if each == python]
        found = ", ".join(f"{name} {version}" for name, version in versions(python).items())
        lines.append(f"| {', '.join(names)} | {found} |")
    lines += ["", "| contender | |", "|---|---|"]
    lines += [f"| {name} | {CONTENDERS[name].about} |" for name in results.options.contenders]
    lines += [f"\n{name} took no part: not yet, {why}." for name, why in results.left_out.items()]
    return "\n".join(lines)


def processor():
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def _targets(results):
    rows = [row for row in _target_rows(results) if row[2] is not None]
    if not rows:
        return ""
    lines = ["## Targets", "", "| target | bound | measured | reached |", "|---|---|---|---|"]
    for name, bound, measured, is_reached in rows:
        lines.append(f"| {name} | {bound} | {measured} | {'yes' if is_reached else '**no**'} |")
    return "\n".join(lines)


def _target_rows(results):
    kind = results.options.database[0]

    def at_least(name, bound, value):
        return name, f"≥ {bound:g}", value and f"{value:.2f}", value and value >= bound

    def at_most(name, bound, value, unit=""):
        shown = (
            None if value is None else f"{value:{'d' if isinstance(value, int) else '.2f'}}{unit}"
        )
        return name, f"≤ {bound:g}{unit}", shown, value is not None and value <= bound

    def ratio(tabs, other, name="rxbridge", **options):
        return results.ratio(kind, tabs, "read", name, other, **options)

    revalidator = "rxbridge Revalidator"
    yield at_least("events/s over reflex-django's, 1 tab", 4, ratio(1, RIVAL))
    yield at_least("events/s over reflex-django's, 50 tabs", 2.5, ratio(50, RIVAL))
    opening = "rxbridge keep=0"
    yield at_least("the same, a connection opened per event, 1 tab", 4, ratio(1, RIVAL, opening))
    yield at_least("the same, 50 tabs", 2.5, ratio(50, RIVAL, opening))

    def over(floor, name="rxbridge"):
        return ratio(1, floor, name, figure="p50")

    yield at_most("p50 over the synchronous floor's, 1 tab", 1.3, over("synchronous floor"))
    alike = over("synchronous floor", opening)
    yield at_most("the same, a connection opened per event by both", 1.3, alike)
    yield at_most("the same, a connection shared by both", 1.3, over("shared floor"))
    counts = results.counts.get((kind, "rxbridge", "read"))
    if counts:
        yield at_most("thread hops of a read-only event", 1, counts["hops"])
        yield at_most("queries of a read-only event", 2, counts["queries"])
    counts = results.counts.get((kind, "rxbridge", "session"))
    if counts:
        yield at_most("thread hops when the session changed", 2, counts["hops"])
    counts = results.counts.get((kind, revalidator, "read"))
    if counts:
        yield at_most("Revalidator: thread hops", 0, counts["hops"])
        yield at_most("Revalidator: queries", 0, counts["queries"])
    yield at_least("Revalidator: events/s over reflex-django's", 25, ratio(1, RIVAL, revalidator))
    yield at_least(
        "Revalidator: events/s over bare Reflex's", 0.25, ratio(1, "bare Reflex", revalidator)
    )
    yield at_least(
        "the same without mirrors",
        0.25,
        ratio(1, "bare Reflex", "rxbridge Revalidator, no mirrors"),
    )
    if results.sleep:
        sleep = results.sleep["rxbridge"]
        yield at_most("50 tabs through 20 ms of sleep, first", 0.25, sleep["first"], " s")
        yield at_most("50 tabs through 20 ms of sleep, median", 0.25, sleep["median"], " s")
    if results.memory and {"rxbridge", "bare Reflex"} <= results.memory.keys():
        bare, ours = (
            results.memory[name]["per_connection"] / 1024 for name in ("bare Reflex", "rxbridge")
        )
        yield at_most("idle connection over bare Reflex's", 4, ours - bare, " KiB")
    yield from _soak_rows(results, at_most)
    yield from _postgresql_rows(results, at_most)


def _soak_rows(results, at_most):
    if not results.soak:
        return
    first, last = results.soak[0], results.soak[-1]
    worst = max(each["p99"] / each["p50"] for each in results.soak)
    lost = sum(sum(each["errors"].values()) for each in results.soak)
    yield at_most("500 tabs: p99 over p50, worst minute", 5, worst)
    yield at_most("500 tabs: events lost", 0, lost)
    grown = (last["rss"] - first["rss"]) / 2**20
    yield at_most("500 tabs: memory grown after the first minute", 5, grown, " MiB")


def _postgresql_rows(results, at_most):
    found = results.postgresql
    if not found:
        return
    yield at_most("PostgreSQL: connections open", found["bound"], found["most"])
    yield at_most("all killed: events that failed", found["killed"], sum(found["lost"].values()))
    yield at_most("after that: events that failed", 0, sum(found["lost_after"].values()))


def _counts(results):
    if not results.counts:
        return ""
    kinds = list(dict.fromkeys(kind for kind, _, _ in results.counts))
    lines = [
        "## What one event costs",
        "",
        (
            "Hops are the times the event loop waits for a thread; jobs include what nobody waits "
            "for, such as the clean-up of a thread that goes back to the pool."
        ),
        "",
        "| contender | event | thread hops | thread jobs | SQL statements |",
        "|---|---|---|---|---|",
    ]
    for (kind, name, event), counts in results.counts.items():
        if kind == kinds[0]:
            shown = " | ".join(f"{counts[each]:g}" for each in ("hops", "jobs", "queries"))
            lines.append(f"| {name} | {NAMES[event]} | {shown} |")
    return "\n".join(lines)


def _cells(results):
    return dict.fromkeys((kind, tabs) for kind, tabs, _, _ in results.rounds)


def _rates(results, kind, tabs):
    lines = [
        f"## {tabs} tab{'s' if tabs > 1 else ''}: {databases.KINDS[kind]}",
        "",
        f"| event | contender | events/s | over {RIVAL} | p50 ms | p99 ms | CPU ms per event |",
        "|---|---|---|---|---|---|---|",
    ]
    for each_kind, each_tabs, event, name in sorted(results.rounds, key=_order(results)):
        if (each_kind, each_tabs) != (kind, tabs):
            continue
        cell = (kind, tabs, event, name)
        figures = [
            _number(results.median(*cell, "rate"), 1, 0),
            _number(results.ratio(*cell, RIVAL), 1, 2),
            *(_number(results.median(*cell, figure), 1000, 2) for figure in ("p50", "p99", "cpu")),
        ]
        failed = sum(sum(each["errors"].values()) for each in results.rounds[cell])
        note = f" ({failed} failed)" if failed else ""
        lines.append(f"| {NAMES[event]} | {name}{note} | {' | '.join(figures)} |")
    return "\n".join(lines)


def _order(results):
    contenders, events = results.options.contenders, results.options.events
    return lambda cell: (cell[0], cell[1], events.index(cell[2]), contenders.index(cell[3]))


def _memory(results):
    if not results.memory:
        return ""
    lines = [
        "## Memory",
        "",
        (
            "Python objects alive, traced; an idle connection has loaded its page and fired one "
            "event. What an event keeps should be nothing once caches are filled."
        ),
        "",
        "| contender | KiB per idle connection | bytes kept per event |",
        "|---|---|---|",
    ]
    for name, found in results.memory.items():
        per_connection = found["per_connection"] / 1024
        lines.append(f"| {name} | {per_connection:.1f} | {found['per_event']:.0f} |")
    return "\n".join(lines)


def _soak(results):
    if not results.soak:
        return ""
    lines = [
        "## 500 tabs that never rest",
        "",
        (
            "rxbridge with its defaults; one event in ten writes the session, one in twenty the "
            "database."
        ),
        "",
        "| minute | events | events/s | p50 ms | p99 ms | p99 / p50 | failed | MiB | threads |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    minute = 0.0
    for each in results.soak:
        minute += each["seconds"] / 60
        lines.append(
            f"| {minute:.1f} | {each['events']} | {each['rate']:.0f} | {each['p50'] * 1000:.0f} | "
            f"{each['p99'] * 1000:.0f} | {each['p99'] / each['p50']:.1f} | "
            f"{sum(each['errors'].values())} | {each['rss'] / 2**20:.0f} | {each['threads']} |"
        )
    return "\n".join(lines)


def _others():
    """Return what the other benchmarks printed when ``make bench`` ran them, and the notes."""
    lines = ["## Other parts", ""]
    for path in sorted(OUTPUTS.glob("*.txt")):
        lines += [f"`bench_{path.stem}.py`:", "", "```text", path.read_text().strip(), "```", ""]
    found = "\n".join(lines) if len(lines) > 2 else ""
    return f"{found}\n{NOTES.read_text().strip()}" if NOTES.exists() else found


def _number(value, scale, digits):
    return "" if value is None else f"{value * scale:,.{digits}f}"
