"""Real servers for tests: ``run_server`` starts one in a process of its own."""

import contextlib
import fcntl
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests import warm

# The last three are in the environment of scripts/test_ecosystem.sh only.
Kind = Literal["uvicorn", "granian", "daphne", "hypercorn", "gunicorn"]
KINDS: tuple[Kind, ...] = ("uvicorn", "granian")
REPOSITORY = Path(__file__).parent.parent

_POLL_SECONDS = 0.05
_GUNICORN_WORKER = "uvicorn_worker.UvicornWorker"
# What each server writes once it serves. A connect is no sign: granian's parent process
# listens before its worker has started the application.
_READY = {
    "uvicorn": "Uvicorn running on",
    "granian": "Started worker-",
    "daphne": "Listening on TCP address",
    "hypercorn": "Running on http",
    "gunicorn": "Application startup complete",
}


class ServerFailed(Exception):
    """The server ended, or was not ready in time; ``log`` is what it wrote."""

    def __init__(self, reason: str, log: str) -> None:
        super().__init__(f"{reason}\n{log}")
        self.log = log


@dataclass
class Server:
    """A running server; its log can still be read after it was stopped."""

    kind: Kind
    port: int
    process: subprocess.Popen[bytes]
    _log_file: Path
    _final_log: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """Everything the server and the application wrote so far, both streams."""
        if self._final_log is None:
            return self._log_file.read_text(errors="replace")
        return self._final_log

    def wait_for_log(self, text: str, *, timeout: float = 10) -> None:
        """Wait until ``text`` is in the log; ``ServerFailed`` when it does not come."""
        deadline = time.monotonic() + timeout
        while text not in self.log:
            if self.process.poll() is not None and text not in self.log:
                raise ServerFailed(f"exit status {self.process.returncode}", self.log)
            if time.monotonic() > deadline:
                raise ServerFailed(f"no {text!r} in the log after {timeout} s", self.log)
            time.sleep(_POLL_SECONDS)

    def stop(self, *, timeout: float = 10) -> None:
        """Ask the server to shut down; whatever is left after ``timeout`` is killed."""
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._final_log = self.log


def _wait_for_port(port: int, *, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


@contextlib.contextmanager
def run_server(
    kind: Kind,
    target: str,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | str = REPOSITORY,
    args: Sequence[str] = (),
    port: int | None = None,
    timeout: float = 30,
) -> Iterator[Server]:
    """Serve ``target`` (``"module:app"``) until the block ends.

    ``env`` is added to this process's environment, ``args`` to the server's command line.
    ``cwd`` and the repository can be imported from. Raises ``ServerFailed`` when the server
    does not come up within ``timeout`` seconds.
    """
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="rxbridge-server-") as folder:
        log_file = Path(folder) / "log"
        with log_file.open("wb") as log:
            process = warm.Popen(
                [*_command(kind, port), *args, target],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=_environment(env or {}, cwd),
                cwd=cwd,
                start_new_session=True,
            )
        server = Server(kind, port, process, log_file)
        try:
            server.wait_for_log(_READY[kind], timeout=timeout)
            if kind == "granian":  # Its worker listens a moment later.
                _wait_for_port(port, timeout=timeout)
            yield server
        finally:
            server.stop()


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for the folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def free_port() -> int:
    """A TCP port of the loopback address that was free a moment ago.

    It is below those that Linux gives to clients, one of which may take it meanwhile.
    """
    while True:
        port = 10_000 + secrets.randbelow(22_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _command(kind: Kind, port: int) -> list[str]:
    address = {
        "uvicorn": ["--host", "127.0.0.1", "--port", str(port)],
        "granian": ["--host", "127.0.0.1", "--port", str(port), "--interface", "asgi"],
        "daphne": ["--bind", "127.0.0.1", "--port", str(port)],
        "hypercorn": ["--bind", f"127.0.0.1:{port}"],
        "gunicorn": ["--bind", f"127.0.0.1:{port}", "--worker-class", _GUNICORN_WORKER],
    }
    return [sys.executable, "-m", kind, *address[kind]]


def _environment(extra: Mapping[str, str], cwd: Path | str) -> dict[str, str]:
    search_path = [str(cwd), str(REPOSITORY), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, search_path)),
        **extra,
    }
