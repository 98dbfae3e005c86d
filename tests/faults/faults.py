"""What can fail, one function each; each returns once it is over."""

import contextlib
import os
import signal
import sqlite3
import time
from collections.abc import Callable

import redis

from tests.faults.visits import Visit
from tests.faults.workers import Stage

AWAY = 5.0
"""Seconds for which Redis or the database is away, and the network slow."""

Fault = Callable[[Stage, Visit], object]


def fall_silent(stage: Stage, visit: Visit) -> None:
    """The network dies without a word, and a second later the browser is told."""
    stage.balancer.go_silent()
    time.sleep(1)
    visit.offline = True
    time.sleep(1)
    visit.offline = False


def cut(stage: Stage, visit: Visit) -> None:
    stage.balancer.cut()


def be_slow(stage: Stage, visit: Visit) -> None:
    stage.balancer.delay = 0.8
    time.sleep(AWAY)
    stage.balancer.delay = 0


def kill(stage: Stage, visit: Visit) -> None:
    worker = stage.workers[stage.balancer.served[-1].worker]
    worker.end(signal.SIGKILL)
    worker.start()


def restart(stage: Stage, visit: Visit) -> None:
    for worker in stage.workers:
        worker.end()
        worker.start()


def release(stage: Stage, visit: Visit) -> None:
    for worker in stage.workers:
        worker.environment["CLUB_RELEASE"] = "2"
    restart(stage, visit)


def stall_redis(stage: Stage, visit: Visit) -> None:
    with redis.Redis.from_url(stage.redis_url) as client:
        process = int(client.info("server")["process_id"])
    os.kill(process, signal.SIGSTOP)
    time.sleep(AWAY)
    os.kill(process, signal.SIGCONT)


def lock_database(stage: Stage, visit: Visit) -> None:
    with contextlib.closing(sqlite3.connect(stage.database, timeout=20)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(AWAY)
        connection.rollback()
