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
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from rxbridge.django._project import Project, Stamp
from rxbridge.errors import RxBridgeError

EXPORT = ("export", "--frontend-only", "--no-zip")
COMPILE = ("compile", "--no-rich")
# `reflex run` writes them besides what it compiles; no command of Reflex does that alone.
_WRITE_ADDRESSES = "from reflex.utils.build import set_env_json; set_env_json()"

# How long a build may say nothing before it is said that it goes on.
_TICK_SECONDS = 5.0

NO_NODE = (
    "Building the pages needs Node 22.22 or newer with npm, and there is none on PATH. "
    "Install it into this environment with: pip install 'rxbridge[node]'. "
    "Serving a bundle that was built elsewhere needs no Node."
)

FIRST_BUILD = "Building the pages. The first time, this installs npm packages."

Environment = Mapping[str, str]
Report = Callable[[str], object]


class BuildFailed(RxBridgeError):
    """Reflex could not compile or build; the message ends with what it wrote."""


def build(project: Project, report: Report) -> Stamp:
    """Build the bundle and put it in the place of the one before, which is served meanwhile.

    Each line Reflex writes goes to ``report``. Raises ``BuildFailed``.
    """
    loaded = _reflex(project, EXPORT, node_environment("prod"), report)
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
    return project.stamp(_reflex(project, COMPILE, node_environment("prod"), silent))


def compile_for_vite(project: Project, report: Report) -> bool:
    """Compile the pages for Vite's development server, which updates them in the browser.

    Only files that differ are written. True when the server is given other notes on the pages
    than those it may have begun with. Raises ``BuildFailed``.
    """
    _reflex(project, COMPILE, node_environment("dev"), report)
    return _keep_for_backend(project)


def write_addresses(project: Project, backend: str) -> None:
    """Tell Vite the backend's address; to be done before it starts. Raises ``BuildFailed``."""
    environment = node_environment("dev") | _workshop(project) | {"REFLEX_API_URL": backend}
    _run([sys.executable, "-c", _WRITE_ADDRESSES], project.root, environment, silent)


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


def node_environment(mode: str) -> dict[str, str]:
    """Return the environment for Reflex in ``mode``, with this Python's own Node before any other.

    Raises ``BuildFailed`` when there is neither npm nor bun.
    """
    # Not resolved: in a virtual environment the link lies in the environment's own bin.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "REFLEX_ENV_MODE": mode, "PYTHONUNBUFFERED": "1"}
    environment.setdefault("REFLEX_TELEMETRY_ENABLED", "false")
    if shutil.which("npm", path=path):
        environment.setdefault("REFLEX_USE_NPM", "1")
    elif not shutil.which("bun", path=path):
        raise BuildFailed(NO_NODE)
    return environment


def _reflex(
    project: Project, arguments: Iterable[str], environment: Environment, report: Report
) -> list[str]:
    """Run a command of Reflex in the workshop; the project's files it has loaded."""
    project.workshop.mkdir(parents=True, exist_ok=True)
    note = project.workshop / "sources.json"
    command = [sys.executable, "-m", "rxbridge.django._reflex_cli", str(note), *arguments]
    _run(command, project.root, {**environment, **_workshop(project)}, report)
    loaded: list[str] = json.loads(note.read_text())
    return loaded


def _workshop(project: Project) -> dict[str, str]:
    return {"REFLEX_WEB_WORKDIR": str(project.workshop)}


def _run(command: list[str], cwd: Path, environment: Environment, report: Report) -> None:
    lines: list[str] = []
    with running(command, cwd, environment) as process, _ticking(report):
        for line in process.stdout or ():
            lines.append(line.rstrip())
            if lines[-1]:
                report(lines[-1])
    if process.returncode:
        wrote = "see above." if report is not silent else "\n".join(["it wrote:", *lines])
        msg = f"Reflex failed; {wrote}"
        raise BuildFailed(msg)


def silent(line: str) -> None:
    """Report nothing of a step that takes no time."""


@contextmanager
def running(
    command: list[str], cwd: Path, environment: Environment, *, stdin: int = subprocess.DEVNULL
) -> Generator[subprocess.Popen[str]]:
    """Run a command until the block ends; nothing of it, npm and Node included, lives longer."""
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=stdin,
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
            end(process)


def end(process: subprocess.Popen[str]) -> None:
    """End a process of ``running`` and all that it has started."""
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


def _keep_for_backend(project: Project) -> bool:
    """Give the server the notes on pages that the compiler left; whether it had others."""
    notes, kept = project.workshop / "backend", project.web / "backend"
    if not notes.is_dir():
        return False
    differ = any(
        (kept / note.name).is_file() and (kept / note.name).read_bytes() != note.read_bytes()
        for note in notes.iterdir()
        if note.is_file()
    )
    shutil.copytree(notes, kept, dirs_exist_ok=True)
    return differ
