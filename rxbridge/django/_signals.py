"""A SIGTERM that lets ``finally`` blocks run."""

import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


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
