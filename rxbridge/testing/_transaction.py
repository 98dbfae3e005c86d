"""The test's own transaction, for the synchronous code of events to run in."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from asgiref.sync import sync_to_async
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

Connections = dict[str, BaseDatabaseWrapper]


async def in_transaction() -> bool:
    """Tell whether thread-sensitive code finds itself in a transaction, so the test's."""
    return bool(await sync_to_async(_in_transaction)())


@contextmanager
def lent_connections(runner: asyncio.Runner) -> Generator[None]:
    """Let asgiref's thread use this one's connections that are in a transaction.

    While this thread runs an event loop, thread-sensitive code runs on a thread of asgiref's,
    which has connections of its own. Django's live server borrows a test's in the same way.
    """
    lent = _in_transaction()
    replaced = runner.run(sync_to_async(_borrow)(lent))
    try:
        yield
    finally:
        runner.run(sync_to_async(_give_back)(replaced))


def _here() -> Connections:
    return {each.alias: each for each in connections.all(initialized_only=True)}


def _in_transaction() -> Connections:
    return {alias: each for alias, each in _here().items() if each.in_atomic_block}


def _borrow(lent: Connections) -> Mapping[str, BaseDatabaseWrapper | None]:
    """Use ``lent`` on this thread; return what it had instead of each."""
    own = _here()
    replaced = {alias: own.get(alias) for alias, each in lent.items() if own.get(alias) is not each}
    for alias in replaced:
        lent[alias].inc_thread_sharing()
        connections[alias] = lent[alias]
    return replaced


def _give_back(replaced: Mapping[str, BaseDatabaseWrapper | None]) -> None:
    for alias, own in replaced.items():
        connections[alias].dec_thread_sharing()
        if own is None:
            del connections[alias]
        else:
            connections[alias] = own
    # What this thread opened itself would keep the test database from being dropped.
    for each in _here().values():
        if not each.in_atomic_block:
            each.close()
