"""What a test client asks of the events that run under it; nothing is asked in production."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rxbridge.events.refusals import Refusal


@dataclass(slots=True)
class TestContext:
    """What a test wants and learns of its events.

    With ``in_transaction`` they take no threads of their own: their synchronous code runs where
    the test's does, so in the test's transaction. ``refusals`` is all that were refused.
    """

    in_transaction: bool = False
    refusals: list[Refusal] = field(default_factory=list)

    def taken_by(self, token: str) -> list[Refusal]:
        """Take out what a tab was refused since the last call."""
        taken = [each for each in self.refusals if each.event.token == token]
        self.refusals = [each for each in self.refusals if each.event.token != token]
        return taken


current_test: ContextVar[TestContext | None] = ContextVar("rxbridge.test", default=None)


@contextmanager
def under_test(test: TestContext) -> Generator[None]:
    """Have the events of a server that starts in the block be those of ``test``."""
    token = current_test.set(test)
    try:
        yield
    finally:
        current_test.reset(token)


def in_test_transaction() -> bool:
    """Tell whether the running event belongs to a test that is in a transaction."""
    test = current_test.get()
    return test is not None and test.in_transaction
