"""The page of ``bench_sockets.py``: all that was measured, as tables."""

import os
import platform
import statistics

from report import processor

HEAD = """# Benchmarks over sockets

Servers are uvicorn in a process of their own, clients too, on the same two cores. startproject's
middleware and Locale, a signed-in user. Each tab fires its next event when the last one is
answered. Contenders take turns within a round; figures are medians over the rounds, ratios are
taken within a round, and only they carry over to another machine. What an event does: `read` counts
and names the user, `session` also writes the session, `orm` also makes one ORM write. CPU is the
servers', per event. `open` are the connections that a contender's servers have open to Redis and
PostgreSQL after a measurement, at most; `made` those opened to Redis for 1,000 events.

Written by `python benchmarks/bench_sockets.py`; see `benchmarks/README.md`.
"""


def page(found, sites, stacks, servers):
    """Return the page as Markdown."""
    lines = [HEAD, "| contender | |", "|---|---|"]
    lines += [f"| {each.name} | {each.about} |" for each in sites]
    lines += [
        "",
        (
            f"Processor: {processor()}, {os.cpu_count()} cores. {platform.platform(terse=True)}, "
            f"CPython {platform.python_version()}."
        ),
    ]
    for stack, about in stacks.items():
        tables = [*_tables(found, stack, servers)]
        if tables:
            lines += ["", f"## Stack {stack}: {about}", *tables]
    return "\n".join(lines) + "\n"


def _tables(found, stack, servers):
    for key, run in sorted(found.get("rates", {}).items(), key=lambda item: _order(item[0])):
        name, workers, tabs = key.split("/")
        if name == stack:
            behind = "" if stack in "ab" else f", workers behind nginx: {workers}"
            yield from ("", f"### Tabs: {tabs}{behind}", "", *_rates(run))
    if stack in found.get("connects", {}):
        yield from ("", "### Tabs that come back", "", *_connects(found["connects"][stack]))
    if stack in found.get("idle", {}):
        yield from ("", "### Idle sockets", "", *_idle(found["idle"][stack], servers))


def _order(key):
    stack, workers, tabs = key.split("/")
    return stack, int(tabs), int(workers)


def _rates(run):
    figures = run["figures"]
    yield f"{run['rounds']} rounds of {run['seconds']:g} s, {run['written']}."
    yield ""
    yield (
        "| event | contender | events/s | over rxbridge | p50 ms | p99 ms | CPU ms | open | made |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for event, results in figures.items():
        for name, rounds in results.items():
            opened = {
                service: max(each["open"][service] for each in rounds)
                for service in rounds[0]["open"]
            }
            made = f"{_middle(rounds, 'made'):.0f}" if "made" in rounds[0] else ""
            yield (
                f"| {event} | {name} | {_middle(rounds, 'rate'):,.0f} "
                f"| {_ratio(rounds, results.get('rxbridge'))} "
                f"| {1000 * _middle(rounds, 'p50'):.2f} | {1000 * _middle(rounds, 'p99'):.2f} "
                f"| {1000 * _middle(rounds, 'cpu'):.2f} "
                f"| {', '.join(f'{name} {count}' for name, count in opened.items())} | {made} |"
            )


def _connects(run):
    figures = run["figures"]
    yield (
        "From the handshake until the page is hydrated, 50 tabs at a time, 32 of them at once, by "
        f"users with a session and a CSRF cookie; {run['rounds']} rounds, {run['written']}."
    )
    yield ""
    yield "| contender | connects/s | over bare Reflex | CPU ms |"
    yield "|---|---|---|---|"
    for name, rounds in figures.items():
        ratio = _ratio(rounds, figures.get("bare Reflex"))
        cpu = 1000 * _middle(rounds, "cpu")
        yield f"| {name} | {_middle(rounds, 'rate'):,.0f} | {ratio} | {cpu:.2f} |"


def _idle(run, servers):
    yield f"KiB resident per socket, by the operating system, {run['written']}."
    yield ""
    yield "| server | bare Reflex | rxbridge | difference |"
    yield "|---|---|---|---|"
    for server, weights in run["figures"].items():
        bare, ours = (weights.get(name, 0) / 1024 for name in ("bare Reflex", "rxbridge"))
        yield f"| {servers[server]} | {bare:.1f} | {ours:.1f} | {ours - bare:.1f} |"


def _middle(rounds, key):
    return statistics.median(each[key] for each in rounds)


def _ratio(rounds, others):
    """Return the median of the ratios within a round, to two digits."""
    if not others:
        return ""
    pairs = zip(rounds, others, strict=False)
    return f"{statistics.median(each['rate'] / other['rate'] for each, other in pairs):.2f}"
