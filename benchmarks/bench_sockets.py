"""Events over real sockets: rxbridge beside what one would pick instead.

    python benchmarks/bench_sockets.py [--quick] [--beside PATH]

Each contender is a real server, uvicorn, with a process of clients that speak its protocol. Rounds
go through all of them in turn, so that all see the same machine; figures are medians over the
rounds, ratios medians of the ratios within a round. See ``benchmarks/README.md``.
"""

import argparse
import contextlib
import json
import os
import platform
import signal
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import databases
from report import processor
from workers import CONSTRAINTS, ROOT, NotAvailable, Worker, environment, make_visitors, python_of

REFLEX = tuple(line for line in CONSTRAINTS.read_text().splitlines() if line.startswith("reflex"))
EVENTS = ("read", "session", "orm")
STACKS = {
    "a": "SQLite, sessions in the database, as in startproject",
    "b": "SQLite, sessions in Redis (`cache`)",
    "c": "PostgreSQL (`CONN_MAX_AGE=60`), sessions `cached_db`, cache and Reflex's states in Redis",
}


@dataclass(frozen=True)
class Site:
    """One of those compared: the arguments of ``sites.py``, how its tabs speak, what it needs."""

    name: str
    arguments: tuple[str, ...]
    protocol: str
    events: tuple[str, ...] = EVENTS
    requirements: tuple[str, ...] = ()
    rxbridge: Path = ROOT
    about: str = ""


def sites(beside):
    """Return all contenders; ``beside`` is another checkout of rxbridge, or ``None``."""
    here = [
        Site("rxbridge", ("rxbridge",), "reflex", about="with its defaults, `async def` handlers"),
        Site(
            "rxbridge, def handlers",
            ("rxbridge", "plain"),
            "reflex",
            about="with its defaults, `def` handlers, which may use the plain ORM",
        ),
        Site(
            "rxbridge, checked each minute",
            ("rxbridge", "revalidator"),
            "reflex",
            about="`Sessions(check_every=60)`, measured between two checks",
        ),
    ]
    former = [
        replace(each, name=f"{each.name}, before", rxbridge=beside, about="an earlier commit")
        for each in here[::2]
        if beside
    ]
    channels = Site(
        "Channels",
        ("channels",),
        "channels",
        requirements=("channels==4.3.2",),
        about="a consumer written by hand; the user is known from the handshake",
    )
    return [
        *here,
        *former,
        Site("bare Reflex", ("bare_reflex",), "reflex", ("read",), about="no Django at all"),
        channels,
        replace(
            channels,
            name="Channels, asking",
            arguments=("channels", "asking"),
            about="the same, which loads session and user for each event",
        ),
        Site(
            "djust",
            ("djust",),
            "djust",
            requirements=("djust==1.2.6",),
            about="`djust==1.2.6`, a view with `login_required`; nothing is asked per event",
        ),
        Site(
            "reflex-django",
            ("reflex_django",),
            "reflex",
            requirements=("reflex-django==4.0.3", *REFLEX),
            about="`reflex-django==4.0.3`, its default mode, all mirrors on",
        ),
    ]


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a minute, stack a, 1 and 50 tabs")
    parser.add_argument("--stacks", nargs="+", choices=STACKS, default=None)
    parser.add_argument("--tabs", type=int, nargs="+", default=None)
    parser.add_argument("--events", nargs="+", default=list(EVENTS))
    parser.add_argument("--contenders", nargs="+", default=None, help="parts of their names")
    parser.add_argument("--rounds", type=int, default=None)
    parser.add_argument("--seconds", type=float, default=None)
    parser.add_argument("--workers", type=int, default=1, help="processes behind nginx, stack c")
    parser.add_argument("--idle", type=int, default=None, help="idle sockets to weigh (1000)")
    parser.add_argument("--beside", type=Path, help="another checkout, measured as well")
    parser.add_argument("--here", action="store_true", help="only the running environment")
    parser.add_argument("--output", type=Path, default=None)
    options = parser.parse_args()
    quick = options.quick
    options.stacks = options.stacks or (["a"] if quick else list(STACKS))
    options.tabs = options.tabs or ([1, 50] if quick else [1, 50, 500])
    options.rounds = options.rounds or (2 if quick else 5)
    options.seconds = options.seconds or (0.3 if quick else 1.5)
    options.idle = (0 if quick else 1000) if options.idle is None else options.idle
    return options


def main():
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # Servers must not outlive us.
    text = [*head(options), ""]
    for stack in options.stacks:
        with contextlib.ExitStack() as over:
            text += measured(Stack(stack, options, over), options)
        if options.output:
            # After each stack, so that a run that is broken off leaves what it has found.
            options.output.write_text("\n".join(text))
    print("\n".join(text))


def head(options):
    """Return how it was measured, and on what."""
    return [
        "# Benchmarks over sockets",
        "",
        (
            "Servers are uvicorn in a process of their own, clients too, on the same two cores. "
            "startproject's middleware and Locale, a signed-in user. Each tab fires its next event "
            f"when the last one is answered; {options.rounds} rounds of {options.seconds:g} s per "
            "figure, contenders in turn within a round. Figures are medians; ratios are taken "
            "within a round, and only they carry over to another machine. "
            "What an event does: `read` counts and names the user, `session` also writes the "
            "session, `orm` also makes one ORM write. CPU is the servers', per event; `open` are "
            "the connections that stood open to Redis and PostgreSQL, all contenders' together, "
            "`made` those that were opened to Redis for 1,000 events."
        ),
        "",
        "Written by `python benchmarks/bench_sockets.py`.",
        "",
        "| contender | |",
        "|---|---|",
        *(f"| {each.name} | {each.about} |" for each in sites(options.beside)),
        "",
        "| machine | |",
        "|---|---|",
        f"| written | {date.today().isoformat()} |",  # noqa: DTZ011 - the day is enough
        f"| processor | {processor()}, {os.cpu_count()} cores |",
        f"| system | {platform.platform(terse=True)}, CPython {platform.python_version()} |",
    ]


class Stack:
    """The services of one stack, and what a process is told of them."""

    def __init__(self, name, options, over):
        self.name = name
        self.files = over.enter_context(databases.directory())
        self.redis = over.enter_context(Redis(self.files)) if name in "bc" else None
        self.postgres = None
        kind = "sqlite"
        if name == "c":
            kind = "postgresql-kept"
            self.postgres = databases.find_postgres()
            if self.postgres is None:
                msg = "stack c needs PostgreSQL's server, which is not on this machine"
                raise SystemExit(msg)
            over.enter_context(self.postgres)
        self.database = databases.settings(kind, self.files, self.postgres)
        if name == "c":
            self.database["CONN_MAX_AGE"] = 60
        self.variables = {"BENCH_SESSIONS": {"a": "db", "b": "cache", "c": "cached_db"}[name]}
        if self.redis:
            self.variables["BENCH_CACHE"] = f"{self.redis.url}/1"
        if name == "c":
            self.variables["REFLEX_REDIS_URL"] = f"{self.redis.url}/0"
        self.here = options.here
        python = python_of((), here=self.here)
        count = max(*options.tabs, options.idle, 1)
        self.visitors = make_visitors(python, self.database, count, self.files, self.variables)

    def connections(self):
        """Return how many connections stand open to each service, and how many were made."""
        found = {}
        if self.redis:
            found["redis open"], found["redis made"] = self.redis.connections()
        if self.postgres:
            where = "backend_type = 'client backend' AND datname <> 'postgres'"
            found["postgresql open"] = int(
                self.postgres.query(f"SELECT count(*) FROM pg_stat_activity WHERE {where}")
            )
        return found


class Redis:
    """A private server that lives as long as a ``with`` block."""

    def __init__(self, files):
        self._files = files
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"

    def __enter__(self):
        self._process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--save", "", "--dir", self._files],
            stdout=subprocess.DEVNULL,
        )
        wait_for(self.port)
        return self

    def __exit__(self, *exc_info):
        self._process.terminate()
        self._process.wait()

    def connections(self):
        """Return those open now and those made so far, ours included."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(b"INFO clients\r\nINFO stats\r\n")
            text = b""
            while b"total_connections_received" not in text or not text.endswith(b"\r\n"):
                text += client.recv(65536)
        values = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
        return int(values["connected_clients"]), int(values["total_connections_received"])


class Running:
    """A contender's servers with its clients, as long as a ``with`` block."""

    def __init__(self, site, stack, tabs, workers=1):
        self.site, self._stack, self._tabs, self._workers = site, stack, tabs, workers
        self.connecting = None

    def __enter__(self):
        self._over = contextlib.ExitStack()
        try:
            self._start()
        except BaseException:
            self._over.close()
            raise
        return self

    def _start(self):
        site = self.site
        ports = [free_port() for _ in range(self._workers)]
        folder = self._stack.files / f"{'-'.join(site.arguments)}-{ports[0]}"
        # Only rxbridge is another checkout's, not the benchmark.
        folder.mkdir()
        (folder / "rxbridge").symlink_to(site.rxbridge / "rxbridge")
        variables = environment(self._stack.database) | self._stack.variables
        # Tabs of ours read only while they fire, so nobody asks whether they are there.
        variables["REFLEX_SOCKET_INTERVAL"] = variables["REFLEX_SOCKET_TIMEOUT"] = "36000"
        variables["PYTHONPATH"] = f"{folder}{os.pathsep}{ROOT}"
        if site.arguments[0] == "djust":
            variables["BENCH_DJUST"] = "1"
        if site.arguments[0] == "reflex_django":
            variables["BENCH_REFLEX_DJANGO"] = "1"
        log = self._over.enter_context((folder / "log.txt").open("w+"))
        python = python_of(site.requirements, here=self._stack.here)
        self._servers = []
        for port in ports:
            name, *more = site.arguments
            command = [python, "-m", "benchmarks.contenders.sites", name, str(port), *more]
            server = subprocess.Popen(
                command, cwd=folder, env=variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
            self._servers.append(server)
            self._over.callback(server.wait)
            self._over.callback(server.kill)
        try:
            for port, server in zip(ports, self._servers, strict=True):
                wait_for(port, server)
        except OSError:
            log.seek(0)
            lines = log.read().strip().splitlines() or ["it did not start"]
            raise NotAvailable(lines[-1]) from None
        names = folder / "events.json"
        self._events = (
            json.loads(names.read_text()) if names.exists() else {each: each for each in EVENTS}
        )
        front = ports[0] if self._workers == 1 else self._over.enter_context(nginx(folder, ports))
        self._clients = self._over.enter_context(
            Worker(
                Clients(),
                python_of((), here=self._stack.here),
                self._stack.database,
                folder / "clients",
            )
        )
        self._address = f"ws://localhost:{front}"
        self.open(self._tabs)

    def __exit__(self, *exc_info):
        self._over.close()

    def open(self, tabs):
        """Open so many tabs more."""
        cookies = [cookie for _, cookie in self._stack.visitors[:tabs]]
        self.connecting = tabs / self._clients.ask(
            "open", protocol=self.site.protocol, url=self._address, cookies=cookies,
            events=self._events,
        )["seconds"]  # fmt: skip

    def run(self, event, seconds):
        """Return what one measurement found, with CPU time per event and connections made."""
        before, processor = self._stack.connections(), self._processor()
        found = self._clients.ask("run", event=event, seconds=seconds)
        found["cpu"] = (self._processor() - processor) / found["events"]
        after = self._stack.connections()
        if "redis made" in after:
            made = after["redis made"] - before["redis made"] - 1  # The one that asks.
            found["redis made per 1,000"] = 1000 * made / found["events"]
        return found | {name: count for name, count in after.items() if name.endswith("open")}

    def memory(self):
        """Return the bytes that all servers have resident."""
        return sum(
            int(Path(f"/proc/{each.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for each in self._servers
        )

    def _processor(self):
        ticks = 0
        for each in self._servers:
            stat = Path(f"/proc/{each.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(stat[11]) + int(stat[12])
        return ticks / os.sysconf("SC_CLK_TCK")


class Clients:
    """What ``Worker`` asks of a contender."""

    name = "clients"
    program = ("clients",)


@contextlib.contextmanager
def nginx(folder, ports):
    """Run nginx in front of the ports; yield its own."""
    port = free_port()
    upstream = " ".join(f"server 127.0.0.1:{each};" for each in ports)
    (folder / "nginx.conf").write_text(f"""
        daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log stderr error;
        events {{ worker_connections 4096; }}
        http {{
            access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
            fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
            upstream sites {{ {upstream} }}
            server {{
                listen 127.0.0.1:{port};
                location / {{
                    proxy_pass http://sites; proxy_http_version 1.1; proxy_read_timeout 1h;
                    proxy_set_header Host $http_host; proxy_set_header Upgrade $http_upgrade;
                    proxy_set_header Connection upgrade;
                }}
            }}
        }}""")
    search = f"{os.environ['PATH']}:/usr/sbin"
    process = subprocess.Popen(
        ["nginx", "-c", folder / "nginx.conf", "-p", folder], env={"PATH": search}
    )
    try:
        wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def measured(stack, options):
    """Measure one stack; return lines of a page."""
    lines = [f"## Stack {stack.name}: {STACKS[stack.name]}", ""]
    taking_part = [
        each
        for each in sites(options.beside)
        if not options.contenders or any(part in each.name for part in options.contenders)
    ]
    for tabs in options.tabs:
        lines += [*rates(stack, taking_part, tabs, options), ""]
    if options.idle:
        lines += [*memory(stack, taking_part, options.idle), ""]
    return lines


def rates(stack, taking_part, tabs, options):
    """Measure events a second with so many tabs."""
    found = {}
    connecting = {}
    with contextlib.ExitStack() as over:
        running = []
        for site in taking_part:
            print(f"stack {stack.name}, {tabs} tabs: {site.name} starts", file=sys.stderr)
            try:
                each = over.enter_context(Running(site, stack, tabs, options.workers))
                each.run("read", options.seconds / 3)
            except NotAvailable as reason:
                print(f"{site.name}: {reason}", file=sys.stderr)
            else:
                running.append(each)
                connecting[site.name] = each.connecting
        for number in range(options.rounds):
            turned = running[number % len(running) :] + running[: number % len(running)]
            for event in options.events:
                for each in turned:
                    if event in each.site.events:
                        try:
                            result = each.run(event, options.seconds)
                        except NotAvailable as reason:
                            print(f"{each.site.name}, {event}: {reason}", file=sys.stderr)
                        else:
                            found.setdefault((event, each.site.name), []).append(result)
    lines = [
        f"### {tabs} tabs, {options.workers} workers",
        "",
        "| event | contender | events/s | over rxbridge | p50 ms | p99 ms | CPU ms | open | made |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (event, name), results in found.items():
        ours = found.get((event, "rxbridge"), [])
        pairs = [each["rate"] / other["rate"] for each, other in zip(results, ours, strict=False)]
        ratio = f"{statistics.median(pairs):.2f}" if pairs else ""
        opened = ", ".join(
            f"{key.split()[0]} {max(each[key] for each in results)}"
            for key in results[0]
            if key.endswith("open")
        )
        made = [each["redis made per 1,000"] for each in results if "redis made per 1,000" in each]
        lines.append(
            f"| {event} | {name} | {middle(results, 'rate'):,.0f} | {ratio} "
            f"| {1000 * middle(results, 'p50'):.2f} | {1000 * middle(results, 'p99'):.2f} "
            f"| {1000 * middle(results, 'cpu'):.2f} | {opened} "
            f"| {f'{statistics.median(made):.0f}' if made else ''} |"
        )
    lines += ["", "| contender | connects/s |", "|---|---|"]
    return lines + [f"| {name} | {rate:,.0f} |" for name, rate in connecting.items() if tabs > 1]


def memory(stack, taking_part, idle):
    """Weigh idle sockets, as the operating system counts them."""
    lines = [f"### {idle} idle sockets", "", "| contender | KiB per socket |", "|---|---|"]
    for site in taking_part:
        try:
            with Running(site, stack, 1) as running:
                running.open(min(100, idle))  # What is made once.
                before = running.memory()
                running.open(idle)
                time.sleep(1)
                lines.append(f"| {site.name} | {(running.memory() - before) / idle / 1024:.0f} |")
        except NotAvailable as reason:
            print(f"{site.name}: {reason}", file=sys.stderr)
    return lines


def middle(results, key):
    """Return the median of one figure."""
    return statistics.median(each[key] for each in results)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, process=None, seconds=60):
    """Wait until somebody listens; raise ``OSError`` if nobody does or the process ended."""
    over = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > over or (process and process.poll() is not None):
                raise
            time.sleep(0.05)
        else:
            return


if __name__ == "__main__":
    main()
