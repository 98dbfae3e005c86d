"""The contenders' processes and the virtual environments they run in."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import tomllib
import venv
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EVENTS = ("read", "session", "orm")
CONSTRAINTS = ROOT / "constraints" / "newest.txt"
CONSTRAINED = ["--constraint", CONSTRAINTS]
REFLEX_DJANGO = "reflex-django==4.0.3"
SERVING = ("uvicorn[standard]", "websockets", "redis")


class NotAvailable(Exception):
    """A contender cannot take part; the message says why."""


@dataclass(frozen=True)
class Contender:
    """One of those compared: its program, and what it can do."""

    name: str
    program: tuple[str, ...]
    about: str
    events: tuple[str, ...] = EVENTS
    is_ours: bool = True
    one_tab_only: bool = False


CONTENDERS = {
    each.name: each
    for each in (
        Contender("rxbridge", ("through_rxbridge",), "with its defaults, `async def` handlers"),
        Contender(
            "rxbridge def handlers",
            ("through_rxbridge", "plain"),
            "with its defaults, `def` handlers, which may use the plain ORM",
        ),
        Contender(
            "rxbridge keep=0",
            ("through_rxbridge", "opening"),
            "`database_threads(keep=0)`: opens and closes a connection for each event",
        ),
        Contender(
            "rxbridge Revalidator",
            ("through_rxbridge", "revalidator"),
            "`Revalidator(interval=60)`, measured between two checks",
        ),
        Contender(
            "rxbridge Revalidator, no mirrors",
            ("through_rxbridge", "revalidator", "unmirrored"),
            "the same, and the page shows nothing of Django, as bare Reflex's does not",
            events=("read",),
        ),
        Contender(
            "reflex-django",
            ("through_reflex_django",),
            f"`{REFLEX_DJANGO}`, its default mode, all mirrors on",
            is_ours=False,
        ),
        Contender(
            "Django HTTP",
            ("django_http",),
            "Django's ASGI handler answering a view that reads `request.user`",
        ),
        Contender("bare Reflex", ("bare_reflex",), "no Django at all", events=("read",)),
        Contender(
            "synchronous floor",
            ("floor",),
            "the same hooks, queries and clean-up called directly on one thread; it opens and "
            "closes a connection each time, as Django does",
            one_tab_only=True,
        ),
        Contender(
            "shared floor",
            ("floor", "shared"),
            "the same with one connection for up to a second, as rxbridge's default on SQLite",
            one_tab_only=True,
        ),
    )
}


def python_for(contender, *, here):
    """Return the interpreter a contender runs with; make its environment if there is none yet.

    ``here`` runs what is ours in the environment of the driver.
    """
    if contender.is_ours:
        return sys.executable if here else str(_environment("rxbridge", _our_requirements()))
    if here:
        msg = "it needs a virtual environment of its own"
        raise NotAvailable(msg)
    if sys.version_info < (3, 12):
        msg = f"{REFLEX_DJANGO} needs Python 3.12 and this is {sys.version.split()[0]}"
        raise NotAvailable(msg)
    pins = [line for line in CONSTRAINTS.read_text().splitlines() if line.startswith("reflex")]
    return str(_environment("reflex-django", [REFLEX_DJANGO, "psycopg[binary]", *pins]))


def python_of(requirements, *, here=False):
    """Return the interpreter of an environment for servers: ours, or what is required instead.

    ``here`` is that of the driver.
    """
    if here:
        return sys.executable
    name = "-".join(["sockets", *(each.partition("=")[0] for each in requirements[:1])])
    what = requirements or _our_requirements()
    return str(_environment(name, [*what, "psycopg[binary,pool]", *SERVING]))


def _our_requirements():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [*project["dependencies"], "psycopg[binary]"]


def _environment(name, requirements):
    """Return the interpreter of ``.bench/<name>-<version>``, made on the first run."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    directory = ROOT / ".bench" / f"{name}-{version}"
    python = directory / "bin" / "python"
    stamp = directory / "requirements.json"
    wanted = json.dumps(requirements)
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"Making .bench/{directory.name} (once)", flush=True)
    # Copies, nothing shared: reflex-django rewrites files of the installed Reflex.
    # djust's releases are for an older Django.
    pinned = [] if any(each.startswith("djust") for each in requirements) else CONSTRAINED
    venv.create(directory, clear=True, symlinks=False, with_pip=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *pinned, *requirements],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"pip could not install {requirements[0]}: {_last_line(done.stderr)}"
        raise NotAvailable(msg)
    stamp.write_text(wanted)
    return python


@dataclass
class Worker:
    """A contender's process; every public method of the program's ``Worker`` is a command."""

    contender: Contender
    python: str
    database: dict
    directory: Path
    environment: dict = field(default_factory=dict)
    timeout: float = 900.0

    def __enter__(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self._log = (self.directory / "log.txt").open("w+")
        module, *arguments = self.contender.program
        self._process = subprocess.Popen(
            [self.python, "-m", f"benchmarks.contenders.{module}", *arguments],
            cwd=self.directory,
            env=environment(self.database) | self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        return self

    def __exit__(self, *exc_info):
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def ask(self, do, **arguments):
        """Send a command and return its answer; raise ``NotAvailable`` when it has none."""
        watchdog = threading.Timer(self.timeout, self._process.kill)
        watchdog.start()
        try:
            self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError:
            line = ""
        finally:
            watchdog.cancel()
        answer = json.loads(line) if line else {"error": self._epitaph()}
        if "error" in answer:
            raise NotAvailable(answer["error"])
        return answer

    def _epitaph(self):
        self._process.wait(10)
        self._log.flush()
        self._log.seek(0)
        return _last_line(self._log.read()) or f"it ended with {self._process.returncode}"


def environment(database):
    """Return the environment variables of a process that uses a database."""
    return os.environ | {
        "BENCH_DATABASE": json.dumps(database),
        "DJANGO_SETTINGS_MODULE": "benchmarks.contenders.settings",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "REFLEX_TELEMETRY_ENABLED": "false",
    }


def make_visitors(python, database, count, directory, variables=None):
    """Make the tables and so many signed-in users; return their names and cookies."""
    done = subprocess.run(
        [python, "-m", "benchmarks.contenders.prepare", str(count)],
        env=environment(database) | (variables or {}),
        cwd=directory,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(done.stdout)


def versions(python):
    """Return the versions of what matters in an environment."""
    names = ("Django", "reflex", "asgiref", "psycopg", "reflex-django")
    script = (
        "import importlib.metadata as m, json, sys\n"
        "def v(n):\n try: return m.version(n)\n except m.PackageNotFoundError: return None\n"
        "print(json.dumps({n: v(n) for n in sys.argv[1:]}))"
    )
    done = subprocess.run(
        [python, "-c", script, *names], check=True, capture_output=True, text=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    return {name: version for name, version in found.items() if version}


def _last_line(text):
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
