"""Scaling: how many threads of a pool should be at work."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rxbridge.events.threads.line import Waiting

CHECK_INTERVAL = 0.04
"""Seconds between samples of a pool for which events wait."""

SOON = 0.01
"""Mean seconds that a thread may take for an event before more threads would gain much."""

LATE = 0.005
"""Seconds that a sample comes too late by which the event loop shows that it has too much to do."""

CPU_BOUND = 0.75
"""Cores in use above which another thread would only fight over the GIL."""

SURPLUS_AFTER = 1.0
"""Seconds of computing after which one thread more than the core leaves events to the others."""

PATIENCE = 2.0
"""Seconds after which an event that waits gets another thread however busy the process is."""

SHORT_PATIENCE = 0.3
"""The same for an event whose client has no thread, while another has several."""

SLOW = 0.1
"""Seconds between two returns of a thread above which waiting events are not merely many."""


class Sample:
    """When the next sample of a pool is due, and how things stood at this one."""

    __slots__ = ("_cpu", "_wall", "due", "returned")

    def __init__(self, due: float, returned: int) -> None:
        self.due = due
        self.returned = returned
        self._wall = time.monotonic()
        self._cpu = time.process_time()

    @property
    def age(self) -> float:
        return time.monotonic() - self._wall

    def is_cpu_bound(self) -> bool:
        """Tell whether the process has been computing since then."""
        return (time.process_time() - self._cpu) / max(self.age, 1e-6) > CPU_BOUND


class Scaling:
    """Judges by how threads come back and by what the process does.

    ``returned`` counts how often a thread has come back; ``has_surplus`` says that the next one
    to do so should leave the events that wait to the others.
    """

    def __init__(self, core: int) -> None:
        self.returned = 0
        self.has_surplus = False
        self._core = core
        self._long_sample = Sample(0.0, 0)

    def sample(self, loop_time: float) -> Sample:
        """Return a sample, the next of which is due in ``CHECK_INTERVAL``."""
        return Sample(loop_time + CHECK_INTERVAL, self.returned)

    def wanted(self, sample: Sample, *, is_late: bool, at_work: int, first: Waiting) -> int:
        """Return how many more threads should serve events; ``first`` is next.

        That threads come back is asked first: on a crowded machine the processor's clock makes a
        process that computes look idle. And where the event loop is behind, threads wait for it.
        """
        is_brisk = (self.returned - sample.returned) * SOON >= at_work * sample.age
        if self._long_sample.age > SURPLUS_AFTER:
            self.has_surplus = at_work > self._core and self._long_sample.is_cpu_bound()
            self._long_sample = Sample(0.0, self.returned)
        if not (is_late or is_brisk or sample.is_cpu_bound()):
            return max(at_work, 1)
        return int(self._is_stuck(first, at_work, PATIENCE))

    def is_overdue(self, waiting: Waiting, at_work: int) -> bool:
        """Tell whether an event that was crowded out has waited long enough."""
        return self._is_stuck(waiting, at_work, SHORT_PATIENCE)

    def _is_stuck(self, waiting: Waiting, at_work: int, patience: float) -> bool:
        """Tell whether an event has waited long, and not because many are before it."""
        waited = time.monotonic() - waiting.since
        returns = self.returned - waiting.returned
        return waited > patience and returns < at_work * waited / SLOW
