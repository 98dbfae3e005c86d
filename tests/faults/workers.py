"""The club with workers that can be ended one by one, a proxy before them and Redis behind."""

import contextlib
import os
import random
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.browser.balancer import Balancer, run_balancer
from tests.browser.running import APPLICATION, Place, found, run_redis
from tests.servers import Kind, Server, free_port, run_server


class Worker:
    """A worker that is started again each time it ends, always at the same port."""

    def __init__(self, kind: Kind, environment: dict[str, str], folder: Path) -> None:
        self.kind: Kind = kind
        self.port = free_port()
        self.is_up = False
        self.memory: list[list[int]] = []
        """Of each of its lives, what it took every some seconds, in MB."""
        self.environment = environment
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._server: Server | None = None

    def start(self) -> None:
        """Start the worker, and wait until it serves."""
        arguments = ["--runtime-mode", "st"] if self.kind == "granian" else []
        serving = run_server(
            self.kind,
            APPLICATION,
            env=self.environment,
            cwd=self._folder,
            port=self.port,
            args=arguments,
            timeout=90,
        )
        self._server = self._stack.enter_context(serving)
        self.memory.append([])
        self.is_up = True

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop or kill the worker, and wait until it is gone."""
        self.is_up = False
        if how == signal.SIGKILL and self._server is not None:
            os.killpg(self._server.process.pid, how)
        self._stack.close()

    def weigh(self) -> None:
        """Note what the worker's processes take now."""
        if self.is_up and self._server is not None:
            with contextlib.suppress(OSError, ValueError):
                self.memory[-1].append(sum(map(_megabytes, _family(self._server.process.pid))))


def _family(pid: int) -> Iterator[int]:
    yield pid
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        yield from _family(int(child))


def _megabytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024


@dataclass
class Stage:
    """All that can fail."""

    balancer: Balancer
    workers: list[Worker]
    database: Path
    redis_url: str


@contextlib.contextmanager
def run_stage(kind: Kind, count: int, members: Path | None = None, **more: str) -> Iterator[Stage]:
    """Run so many workers behind one address, which passes on to those that are up.

    Several share their states in Redis; one has them on disk, as Reflex has by default.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rxbridge-faults-")))
        if members is None:
            members = folder / "members.sqlite3"
            found(members)
        place = Place(members, folder)
        redis_url = ""
        if count > 1:
            redis_url = stack.enter_context(run_redis(folder))
            more["CLUB_REDIS"] = redis_url
        else:
            more["CLUB_STATES"] = "disk"
        workers = [Worker(kind, place.environment(**more), folder) for _ in range(count)]
        for worker in workers:
            worker.start()
            stack.callback(worker.end)
        balancer = stack.enter_context(run_balancer([worker.port for worker in workers]))

        def choose(_method: str, _path: str) -> int:
            up = [number for number, worker in enumerate(workers) if worker.is_up]
            return random.choice(up or range(count))

        balancer.choose = choose
        yield Stage(balancer, workers, place.database, redis_url)
