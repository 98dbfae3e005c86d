"""What ``bench_sockets.py`` starts: a stack's services, a contender's servers and its clients."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import databases
from workers import ROOT, NotAvailable, Worker, environment, make_visitors, python_of

STACKS = {
    "a": "SQLite, sessions in the database, as in startproject",
    "b": "SQLite, sessions in Redis (`cache`)",
    "c": "PostgreSQL (`CONN_MAX_AGE=60`), sessions `cached_db`, cache and Reflex's states in Redis",
    "d": "as c, with psycopg's pool in place of `CONN_MAX_AGE`",
}
SESSIONS = {"a": "db", "b": "cache", "c": "cached_db", "d": "cached_db"}


class Stack:
    """The services of one stack, and what a process is told of them."""

    def __init__(self, name, visitors, over, *, here=False):
        self.name, self.here = name, here
        self.files = over.enter_context(databases.directory())
        self.redis = over.enter_context(Redis(self.files)) if name != "a" else None
        self.postgres = None
        self.variables = {"BENCH_SESSIONS": SESSIONS[name]}
        if name in "ab":
            self.database = databases.settings("sqlite", self.files, None)
        else:
            self.postgres = databases.find_postgres()
            if self.postgres is None:
                msg = f"stack {name} needs PostgreSQL's server, which is not on this machine"
                raise SystemExit(msg)
            over.enter_context(self.postgres)
            kind = "postgresql-kept" if name == "c" else "postgresql"
            self.database = databases.settings(kind, self.files, self.postgres)
            if name == "c":
                self.database["CONN_MAX_AGE"] = 60
            else:
                self.database["OPTIONS"] = {"pool": {"min_size": 0, "max_size": 20}}
            self.variables["REFLEX_REDIS_URL"] = f"{self.redis.url}/0"
        if self.redis:
            self.variables["BENCH_CACHE"] = f"{self.redis.url}/1"
        # Sessions that are being made hold no connection that counts later.
        self.visitors = make_visitors(
            python_of((), here=here), self.database, visitors, self.files, self.variables
        )

    @property
    def services(self):
        """The ports of Redis and PostgreSQL, as far as the stack has them."""
        found = {"redis": self.redis, "postgresql": self.postgres}
        return {name: each.port for name, each in found.items() if each}


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

    def connections_made(self):
        """Return how many were made so far, ours included."""
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(b"INFO stats\r\n")
            text = b""
            while b"total_connections_received" not in text or not text.endswith(b"\r\n"):
                text += client.recv(65536)
        values = dict(line.split(":", 1) for line in text.decode().splitlines() if ":" in line)
        return int(values["total_connections_received"])


class Running:
    """A contender's servers with its clients, as long as a ``with`` block."""

    def __init__(self, site, stack, workers=1, server="uvicorn"):
        self.site, self._stack, self._workers, self._server = site, stack, workers, server

    def __enter__(self):
        self._over = contextlib.ExitStack()
        try:
            self._start()
        except BaseException:
            self._over.close()
            raise
        return self

    def __exit__(self, *exc_info):
        self._over.close()

    def _start(self):
        site, stack = self.site, self._stack
        python = python_of(site.requirements, here=stack.here)
        ports = [free_port() for _ in range(self._workers)]
        self._folder = stack.files / f"{'-'.join(site.arguments)}-{ports[0]}"
        # Only rxbridge is another checkout's, not the benchmark.
        self._folder.mkdir()
        (self._folder / "rxbridge").symlink_to(site.rxbridge / "rxbridge")
        log = self._over.enter_context((self._folder / "log.txt").open("w+"))
        self._servers = []
        for port in ports:
            name, *more = site.arguments
            server = subprocess.Popen(
                [python, "-m", "benchmarks.contenders.sites", name, str(port), *more],
                cwd=self._folder, env=self._variables(), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            self._servers.append(server)
            self._over.callback(end, server)
        try:
            for port, server in zip(ports, self._servers, strict=True):
                wait_for(port, server)
        except OSError:
            log.seek(0)
            lines = log.read().strip().splitlines() or ["it did not start"]
            raise NotAvailable(lines[-1]) from None
        behind_nginx = stack.postgres or self._workers > 1
        front = self._over.enter_context(nginx(self._folder, ports)) if behind_nginx else ports[0]
        self._address = f"ws://localhost:{front}"
        ours = python_of((), here=stack.here)
        self._clients = self._over.enter_context(
            Worker(Clients(), ours, stack.database, self._folder / "clients")
        )

    def _variables(self):
        variables = environment(self._stack.database) | self._stack.variables
        variables["PYTHONPATH"] = f"{self._folder}{os.pathsep}{ROOT}"
        variables["BENCH_SERVER"] = self._server
        variables[f"BENCH_{self.site.arguments[0].upper()}"] = "1"
        # Tabs of ours read only while they fire, so nobody asks whether they are there.
        variables["REFLEX_SOCKET_INTERVAL"] = variables["REFLEX_SOCKET_TIMEOUT"] = "36000"
        return variables

    def open(self, tabs, *, compressed=False):
        """Open so many tabs more; return the rate, and the CPU seconds of the servers for each."""
        names = self._folder / "events.json"
        events = (
            json.loads(names.read_text()) if names.exists() else dict.fromkeys(self.site.events)
        )
        before = self._processor()
        found = self._clients.ask(
            "open", protocol=self.site.protocol, url=self._address, events=events,
            cookies=[cookie for _, cookie in self._stack.visitors[:tabs]], compressed=compressed,
        )  # fmt: skip
        cpu = (self._processor() - before) / tabs
        return {"rate": tabs / found["seconds"], "cpu": cpu}

    def run(self, event, seconds):
        """Return what one measurement found, with the servers' CPU time and their connections."""
        redis = self._stack.redis
        before, made = self._processor(), redis.connections_made() if redis else 0
        found = self._clients.ask("run", event=event, seconds=seconds)
        found["cpu"] = (self._processor() - before) / found["events"]
        if redis:
            made = redis.connections_made() - made - 1  # The one that asks.
            found["made"] = 1000 * made / found["events"]
        found["open"] = {
            name: sum(count_connections(each.pid, port) for each in self._servers)
            for name, port in self._stack.services.items()
        }
        return found

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


def end(server):
    """Kill a server and what it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def count_connections(pid, port):
    """Return how many connections a process has open to a port of this machine."""
    links = [os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()]
    sockets = {each[8:-1] for each in links if each.startswith("socket:[")}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[2].endswith(f":{port:04X}") and line[9] in sockets for line in lines)


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
