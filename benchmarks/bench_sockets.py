"""Events over real sockets: rxbridge beside what one would pick instead.

    python benchmarks/bench_sockets.py [--quick] [--beside COMMIT] [--parts rates connects idle]

Each contender is a real server with a process of clients that speak its protocol. Rounds go
through all of them in turn, so that all see the same machine; figures are medians over the rounds,
ratios medians of the ratios within a round. What a run measures replaces what an earlier one found
of the same; the page has all of it. See ``benchmarks/README.md``.
"""

import argparse
import contextlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain, product
from pathlib import Path

from sockets_page import page
from sockets_servers import STACKS, Running, Stack
from workers import CONSTRAINTS, ROOT, NotAvailable

REFLEX = tuple(line for line in CONSTRAINTS.read_text().splitlines() if line.startswith("reflex"))
EVENTS = ("read", "session", "orm")
PARTS = ("rates", "connects", "idle")
FOUND = ROOT / ".bench" / "sockets.json"
SERVERS = {
    "uvicorn": "uvicorn as it comes",
    "uvicorn-plain": "`uvicorn --ws-per-message-deflate false`",
    "uvicorn-wsproto": "`uvicorn --ws wsproto`",
    "granian": "`granian --runtime-mode st`",
}


@dataclass(frozen=True)
class Site:
    """One of those compared: the arguments of ``sites.py``, how its tabs speak, what it needs."""

    name: str
    arguments: tuple[str, ...]
    protocol: str
    about: str
    events: tuple[str, ...] = EVENTS
    requirements: tuple[str, ...] = ()
    rxbridge: Path = ROOT


RXBRIDGE = Site("rxbridge", ("rxbridge",), "reflex", "with its defaults, `async def` handlers")
CHECKED = Site(
    "rxbridge, checked each minute",
    ("rxbridge", "revalidator"),
    "reflex",
    "`Sessions(check_every=60)`, measured between two checks",
)
CHANNELS = Site(
    "Channels",
    ("channels",),
    "channels",
    "a consumer written by hand; the user is known from the handshake",
    requirements=("channels==4.3.2",),
)
SITES = [
    RXBRIDGE,
    Site(
        "rxbridge, def handlers",
        ("rxbridge", "plain"),
        "reflex",
        "with its defaults, `def` handlers, which may use the plain ORM",
    ),
    CHECKED,
    Site(
        "rxbridge, one mirror",
        ("rxbridge", "named"),
        "reflex",
        "with `mirrors('username')` in place of `DjangoUserState`, for connects alone",
        events=(),
    ),
    Site("bare Reflex", ("bare_reflex",), "reflex", "no Django at all", events=("read",)),
    CHANNELS,
    replace(
        CHANNELS,
        name="Channels, asking",
        arguments=("channels", "asking"),
        about="the same, which loads session and user for each event",
    ),
    Site(
        "djust",
        ("djust",),
        "djust",
        "`djust==1.2.6`, a view with `login_required`; nothing is asked per event",
        requirements=("djust==1.2.6",),
    ),
    Site(
        "reflex-django",
        ("reflex_django",),
        "reflex",
        "`reflex-django==4.0.3`, its default mode, all mirrors on",
        requirements=("reflex-django==4.0.3", *REFLEX),
    ),
]


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="short rounds, stack a, 1 and 50 tabs")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--stacks", nargs="+", choices=STACKS, default=None)
    parser.add_argument("--tabs", type=int, nargs="+", default=None)
    parser.add_argument("--events", nargs="+", default=EVENTS)
    parser.add_argument("--contenders", nargs="+", default=None, help="their names, or parts of it")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--workers", type=int, nargs="+", default=[1], help="c, d: behind nginx")
    parser.add_argument("--idle", type=int, default=2000, help="idle sockets to weigh")
    parser.add_argument("--servers", nargs="+", choices=SERVERS, default=list(SERVERS))
    parser.add_argument("--beside", help="an earlier commit, measured as well")
    parser.add_argument("--here", action="store_true", help="only the running environment")
    parser.add_argument("--found", type=Path, default=FOUND, help="where parts are put together")
    parser.add_argument("--output", type=Path, default=None, help="the page to write")
    options = parser.parse_args()
    options.stacks = options.stacks or (["a"] if options.quick else list(STACKS))
    options.tabs = options.tabs or ([1, 50] if options.quick else [1, 50, 500])
    options.rounds = options.rounds or (2 if options.quick else 5)
    options.seconds = options.seconds or (0.3 if options.quick else 1.5)
    return options


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # Servers must not outlive us.
    sites = taking_part(options)
    for stack in options.stacks:
        count = max(*options.tabs, 50, options.idle if "idle" in options.parts else 0)
        with contextlib.ExitStack() as over:
            services = Stack(stack, count, over, here=options.here)
            for workers in options.workers:
                for tabs in options.tabs if "rates" in options.parts else ():
                    keep("rates", f"{stack}/{workers}/{tabs}", rates, services, sites, options,
                         tabs=tabs, workers=workers)  # fmt: skip
            if "connects" in options.parts:
                keep("connects", stack, connects, services, sites, options)
            if "idle" in options.parts and stack == "a":
                keep("idle", stack, idle, services, sites, options)
    text = page(json.loads(options.found.read_text()), SITES, STACKS, SERVERS)
    if options.output:
        options.output.write_text(text)
    print(text)


def taking_part(options):
    """Return the contenders, and those of an earlier commit too if one is named."""
    parts = options.contenders or [""]
    sites = [each for each in SITES if any(part in each.name for part in parts)]
    if options.beside:
        before = checkout(options.beside)
        sites += [
            replace(each, name=f"{each.name}, {options.beside}", rxbridge=before, about="")
            for each in (RXBRIDGE, CHECKED)
            if each in sites
        ]
    return sites


def checkout(commit):
    """Return the folder of a commit's files, made on the first run."""
    folder = ROOT / ".bench" / f"rxbridge-{commit}"
    if not folder.exists():
        # By force: git still knows of one that `make clean` has removed.
        add = ["git", "-C", ROOT, "worktree", "add", "--quiet", "--force", "--detach"]
        subprocess.run([*add, folder, commit], check=True)
    return folder


def keep(part, key, measure, *arguments, **named):
    """Measure, and put what that finds into the file of all that was found."""
    print(f"{part} {key}", file=sys.stderr)
    options = arguments[-1]
    figures = measure(*arguments, **named)
    found = options.found
    all_found = json.loads(found.read_text()) if found.exists() else {}
    all_found.setdefault(part, {})[key] = {
        "written": date.today().isoformat(),  # noqa: DTZ011 - the day is enough
        "rounds": options.rounds,
        "seconds": options.seconds,
        "figures": figures,
    }
    found.parent.mkdir(exist_ok=True)
    found.write_text(json.dumps(all_found, indent=1))


@contextlib.contextmanager
def started(sites, stack, **named):
    """Start the servers of those that can take part."""
    with contextlib.ExitStack() as over:
        running = []
        for site in sites:
            try:
                running.append(over.enter_context(Running(site, stack, **named)))
            except NotAvailable as reason:
                print(f"{site.name}: {reason}", file=sys.stderr)
        yield running


def in_turn(running, rounds):
    """Yield all contenders for each round, each time with another of them first."""
    for number in range(rounds):
        first = number % len(running)
        yield running[first:] + running[:first]


def rates(stack, sites, options, *, tabs, workers):
    """Measure events a second with so many tabs; return results by event and contender."""
    found = {event: {} for event in options.events}
    with started([each for each in sites if each.events], stack, workers=workers) as running:
        for each in list(running):
            try:
                each.open(tabs)
                each.run("read", options.seconds / 3)
            except NotAvailable as reason:
                print(f"{each.site.name}: {reason}", file=sys.stderr)
                running.remove(each)
        for turn in in_turn(running, options.rounds):
            for event, each in product(options.events, turn):
                if event in each.site.events:
                    result = each.run(event, options.seconds)
                    found[event].setdefault(each.site.name, []).append(result)
    return found


def connects(stack, sites, options):
    """Measure tabs that come back, 50 at a time, to a server that has served some before."""
    found = {}
    with started(sites, stack) as running:
        for each in running:
            each.open(50)
        for each in chain.from_iterable(in_turn(running, options.rounds)):
            found.setdefault(each.site.name, []).append(each.open(50))
    return found


def idle(stack, sites, options):
    """Weigh idle sockets, as the operating system counts them, by server and contender.

    The tabs offer compression, as browsers do.
    """
    found = {}
    names = ("rxbridge", "bare Reflex")
    for server in options.servers:
        for site in (each for each in sites if each.name in names):
            with started([site], stack, server=server) as running:
                for each in running:
                    each.open(100, compressed=True)  # What is made once.
                    before = each.memory()
                    each.open(options.idle, compressed=True)
                    time.sleep(3)  # What connecting alone has needed is given back.
                    weight = (each.memory() - before) / options.idle
                    found.setdefault(server, {})[site.name] = weight
    return found


if __name__ == "__main__":
    main()
