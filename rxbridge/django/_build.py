"""Building the bundle, through Reflex's own command line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from pathlib import Path

from rxbridge.django._project import Project, Stamp
from rxbridge.errors import RxBridgeError

EXPORT = ("export", "--frontend-only", "--no-zip")
COMPILE = ("compile", "--no-rich")

# How long a build may say nothing before it is said that it goes on.
_TICK_SECONDS = 5.0

NO_NODE = (
    "Building the pages needs Node 22.22 or newer with npm, and there is none on PATH. "
    "Install it into this environment with: pip install 'rxbridge[node]'. "
    "Serving a bundle that was built elsewhere needs no Node."
)

Report = Callable[[str], object]


class BuildFailed(RxBridgeError):
    """Reflex could not compile or build; the message ends with what it wrote."""


def build(project: Project, report: Report) -> Stamp:
    """Build the bundle and put it in the place of the one before, which is served meanwhile.

    Each line Reflex writes goes to ``report``. Raises ``BuildFailed``.
    """
    loaded = _reflex(project, EXPORT, report)
    built = project.workshop / "build" / "client"
    if not next(built.glob("**/*.html"), None):
        msg = f"Reflex wrote no pages to {built}."
        raise BuildFailed(msg)
    stamp = project.stamp(loaded)
    stamp.write(built)
    _keep_for_backend(project)
    swap(built, project.bundle)
    return stamp


def compile_pages(project: Project) -> Stamp:
    """Compile the pages without building them; the stamp that a bundle of them would have.

    Raises ``BuildFailed``.
    """
    return project.stamp(_reflex(project, COMPILE, lambda _: None))


def stage(bundle: Path, target: Path) -> None:
    """Copy ``bundle`` to ``target``, which is at no moment half of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, as only within one file system is a rename a single step.
    beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        copy = shutil.copytree(bundle, beside / "new")
        swap(copy, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def swap(new: Path, place: Path) -> None:
    """Rename ``new`` to ``place``; what was there is kept until then, and put back on failure."""
    place.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    old = aside / "old"
    try:
        with suppress(FileNotFoundError):
            place.rename(old)
        try:
            new.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def node_environment() -> dict[str, str]:
    """Return the environment for Reflex, with this Python's own Node before any other.

    Raises ``BuildFailed`` when there is neither npm nor bun.
    """
    # Not resolved: in a virtual environment the link lies in the environment's own bin.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "REFLEX_ENV_MODE": "prod", "PYTHONUNBUFFERED": "1"}
    environment.setdefault("REFLEX_TELEMETRY_ENABLED", "false")
    if shutil.which("npm", path=path):
        environment.setdefault("REFLEX_USE_NPM", "1")
    elif not shutil.which("bun", path=path):
        raise BuildFailed(NO_NODE)
    return environment


def _reflex(project: Project, arguments: Iterable[str], report: Report) -> list[str]:
    """Run a command of Reflex in the workshop; the project's files it has loaded."""
    project.workshop.mkdir(parents=True, exist_ok=True)
    note = project.workshop / "sources.json"
    environment = node_environment() | {"REFLEX_WEB_WORKDIR": str(project.workshop)}
    command = [sys.executable, "-m", "rxbridge.django._reflex_cli", str(note), *arguments]
    lines: list[str] = []
    with _running(command, project.root, environment) as process, _ticking(report):
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if lines[-1]:
                report(lines[-1])
    if process.returncode:
        msg = "\n".join(["Reflex failed; this is what it wrote.", *lines])
        raise BuildFailed(msg)
    loaded: list[str] = json.loads(note.read_text())
    return loaded


@contextmanager
def _running(
    command: list[str], cwd: Path, environment: dict[str, str]
) -> Generator[subprocess.Popen[str]]:
    """Run a command until the block ends; nothing of it, npm and Node included, lives longer."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            yield process
            process.wait()
        finally:
            if hasattr(os, "killpg"):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


@contextmanager
def _ticking(report: Report) -> Generator[None]:
    start, done = time.monotonic(), threading.Event()

    def tick() -> None:
        while not done.wait(_TICK_SECONDS):
            report(f"… {time.monotonic() - start:.0f} s")

    ticker = threading.Thread(target=tick, daemon=True)
    ticker.start()
    try:
        yield
    finally:
        done.set()
        ticker.join()


def _keep_for_backend(project: Project) -> None:
    """Give the server the notes on pages that the compiler left for it."""
    notes = project.workshop / "backend"
    if notes.is_dir():
        shutil.copytree(notes, project.web / "backend", dirs_exist_ok=True)
