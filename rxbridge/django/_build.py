"""Building the bundle, through Reflex's own command line."""

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from filecmp import dircmp
from itertools import count
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen
from tempfile import TemporaryDirectory
from types import FrameType
from typing import IO, cast

from rxbridge.django._project import Project, Stamp
from rxbridge.errors import RxBridgeError

EXPORT = ("export", "--frontend-only", "--no-zip")
COMPILE = ("compile", "--no-rich")
# `reflex run` writes them besides what it compiles; no command of Reflex does that alone.
_WRITE_ADDRESSES = "from reflex.utils.build import set_env_json; set_env_json()"

# How often it is said that a build goes on.
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


async def build(project: Project, report: Report) -> Stamp:
    """Build the bundle and put it in the place of the one before, which is served meanwhile.

    Each line Reflex writes goes to ``report``. Raises ``BuildFailed``.
    """
    loaded = await _reflex(project, EXPORT, "prod", report)
    built = project.workshop / "build" / "client"
    if not any(built.rglob("*.html")):
        msg = f"Reflex wrote no pages to {built}."
        raise BuildFailed(msg)
    stamp = project.stamp(loaded)
    stamp.write(built)
    _keep_for_backend(project)
    swap(built, project.bundle)
    return stamp


async def compile_pages(project: Project) -> Stamp:
    """Compile the pages without building them; the stamp that a bundle of them would have.

    Raises ``BuildFailed``.
    """
    return project.stamp(await _reflex(project, COMPILE, "prod", silent))


async def compile_for_vite(project: Project, report: Report) -> bool:
    """Compile the pages for Vite's development server, which updates them in the browser.

    Only files that differ are written. True when the server is given other notes on the pages
    than those it may have begun with. Raises ``BuildFailed``.
    """
    await _reflex(project, COMPILE, "dev", report)
    return _keep_for_backend(project)


async def write_addresses(project: Project, backend: str) -> None:
    """Tell Vite the backend's address; to be done before it starts. Raises ``BuildFailed``."""
    environment = node_environment("dev") | {"REFLEX_API_URL": backend}
    await _run(project, ["-c", _WRITE_ADDRESSES], environment, silent)


def stage(bundle: Path, target: Path) -> None:
    """Copy ``bundle`` to ``target``, which is at no moment half of it."""
    with _beside(target) as folder:
        swap(shutil.copytree(bundle, folder / "new"), target)


def swap(new: Path, place: Path) -> None:
    """Rename ``new`` to ``place``; what was there is kept until then, and put back on failure."""
    with _beside(place) as folder:
        old = folder / "old"
        with suppress(FileNotFoundError):
            place.rename(old)
        try:
            new.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise


@contextmanager
def _beside(place: Path) -> Generator[Path]:
    """Lend a folder in that of ``place``, as a rename is a single step in one file system only."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(
        prefix=f".{place.name}-", dir=place.parent, ignore_cleanup_errors=True
    ) as folder:
        yield Path(folder)


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


async def _reflex(
    project: Project, arguments: Iterable[str], mode: str, report: Report
) -> list[str]:
    """Run a command of Reflex in the workshop; the project's files it has loaded."""
    environment = node_environment(mode)
    project.workshop.mkdir(parents=True, exist_ok=True)
    note = project.workshop / "sources.json"
    command = ["-m", "rxbridge.django._reflex_cli", str(note), *arguments]
    await _run(project, command, environment, report)
    loaded: list[str] = json.loads(note.read_text())
    return loaded


async def _run(
    project: Project, command: list[str], environment: Environment, report: Report
) -> None:
    """Run a command of Python's, which works in the project's workshop."""
    lines: list[str] = []
    environment = {**environment, "REFLEX_WEB_WORKDIR": str(project.workshop)}
    ticks = asyncio.create_task(_tick(report))
    try:
        with running([sys.executable, *command], project.root, environment) as process:
            async for line in lines_of(process):
                lines.append(line)
                report(line)
    finally:
        ticks.cancel()
    if process.returncode:
        wrote = "see above." if report is not silent else "\n".join(["it wrote:", *lines])
        msg = f"Reflex failed; {wrote}"
        raise BuildFailed(msg)


def silent(line: str) -> None:
    """Report nothing of a step that takes no time."""


async def _tick(report: Report) -> None:
    for ticks in count(1):
        await asyncio.sleep(_TICK_SECONDS)
        report(f"… {ticks * _TICK_SECONDS:.0f} s")


@contextmanager
def running(
    command: list[str], cwd: Path, environment: Environment, *, stdin: int = DEVNULL
) -> Generator[Popen[str]]:
    """Run a command until the block ends; nothing of it, npm and Node included, lives longer."""
    # Not asyncio's: before Python 3.13 one that is cancelled while it starts is waited for in vain.
    with Popen(
        command,
        cwd=cwd,
        env=environment,
        stdin=stdin,
        stdout=PIPE,
        stderr=STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError, PermissionError):
                # Windows has no groups of processes.
                os.killpg(process.pid, signal.SIGKILL) if hasattr(os, "killpg") else process.kill()


@contextmanager
def terminable() -> Generator[None]:
    """Leave the block by ``SystemExit`` on SIGTERM, so that child processes can be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may set a handler; its owner looks after signals.
        return

    def leave(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def lines_of(process: Popen[str]) -> AsyncGenerator[str]:
    """Yield what a process of ``running`` writes until it ends, without empty lines."""
    output = cast("IO[str]", process.stdout)
    while line := await asyncio.to_thread(output.readline):
        if text := line.rstrip():
            yield text
    await asyncio.to_thread(process.wait)


def _keep_for_backend(project: Project) -> bool:
    """Give the server the notes on pages that the compiler left; whether it had others."""
    notes, kept = project.workshop / "backend", project.web / "backend"
    if not notes.is_dir():
        return False
    kept.mkdir(parents=True, exist_ok=True)
    differ = bool(dircmp(notes, kept).diff_files)
    shutil.copytree(notes, kept, dirs_exist_ok=True)
    return differ
