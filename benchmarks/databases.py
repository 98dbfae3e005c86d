"""The databases the contenders run on: a SQLite file, and a PostgreSQL server of our own."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

KINDS = {
    "sqlite": "SQLite file, CONN_MAX_AGE=0 as in startproject",
    "sqlite-kept": "SQLite file, CONN_MAX_AGE=None",
    "postgresql": "PostgreSQL, CONN_MAX_AGE=0 as in startproject",
    "postgresql-kept": "PostgreSQL, CONN_MAX_AGE=None, CONN_HEALTH_CHECKS=True",
}
MAX_CONNECTIONS = 1000


class Postgres:
    """A private cluster that lives as long as a ``with`` block; ``binaries`` is its bin folder."""

    def __init__(self, binaries):
        self._binaries = binaries
        self.version = self._output("postgres", "--version").split()[2]

    def __enter__(self):
        self._directory = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
        self.port = _free_port()
        if os.geteuid() == 0:
            shutil.chown(self._directory, "postgres")
        cluster = self._directory / "cluster"
        self._run("initdb", "-D", cluster, "-U", "postgres", "-A", "trust", "--no-sync")
        options = (
            f"-p {self.port} -h 127.0.0.1 -k {self._directory} "
            f"-c fsync=off -c max_connections={MAX_CONNECTIONS}"
        )
        log = self._directory / "log"
        self._run("pg_ctl", "-D", cluster, "-o", options, "-l", log, "-w", "start")
        return self

    def __exit__(self, *exc_info):
        with contextlib.suppress(subprocess.CalledProcessError):
            cluster = self._directory / "cluster"
            self._run("pg_ctl", "-D", cluster, "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._directory, ignore_errors=True)

    def query(self, sql, database="postgres"):
        """Return what psql prints for a statement."""
        return self._output(
            "psql", "-X", "-At", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres",
            "-d", database, "-c", sql,
        ).strip()  # fmt: skip

    def _run(self, program, *arguments):
        # PostgreSQL refuses to run as root.
        other_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        subprocess.run(
            [*other_user, self._binaries / program, *map(str, arguments)],
            check=True,
            cwd=self._directory,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def _output(self, program, *arguments):
        done = subprocess.run(
            [self._binaries / program, *arguments], check=True, capture_output=True, text=True
        )
        return done.stdout


def find_postgres():
    """Return the newest PostgreSQL server on this machine, or ``None``."""
    candidates = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"),
        key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0),
        reverse=True,
    )
    if (on_path := shutil.which("initdb")) is not None:
        candidates.append(Path(on_path).parent)
    for binaries in candidates:
        if (binaries / "initdb").exists() and (binaries / "postgres").exists():
            return Postgres(binaries)
    return None


@contextlib.contextmanager
def directory():
    """Make a directory for database files, in memory if the machine has such a place.

    What is compared is what happens above the database, not how long its disk takes to sync.
    """
    shared_memory = Path("/dev/shm")
    parent = shared_memory if os.access(shared_memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as path:
        yield Path(path)


def settings(kind, files, postgres):
    """Return what ``DATABASES["default"]`` is for a kind of database."""
    kept = kind.endswith("-kept")
    if kind.startswith("sqlite"):
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(files / f"{kind}.sqlite3"),
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20},
            "CONN_MAX_AGE": None if kept else 0,
        }
    name = kind.replace("-", "_")
    postgres.query(f"DROP DATABASE IF EXISTS bench_{name}")
    postgres.query(f"CREATE DATABASE bench_{name}")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": f"bench_{name}",
        "USER": "postgres",
        "HOST": "127.0.0.1",
        "PORT": str(postgres.port),
        "CONN_MAX_AGE": None if kept else 0,
        "CONN_HEALTH_CHECKS": kept,
    }


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
