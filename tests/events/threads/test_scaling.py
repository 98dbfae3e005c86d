"""When a pool grows, on a clock of the test's own."""

from types import SimpleNamespace

import pytest

from rxbridge.events.threads import scaling


class Clock:
    """Seconds that pass when the test says so, in which nothing is computed."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        clock = SimpleNamespace(monotonic=lambda: self.now, process_time=float)
        monkeypatch.setattr(scaling, "time", clock)


def growths(clock, *, threads, seconds, phase, delay=0.0, samples=8):
    """Return at which samples there are to be more of ``threads`` that come back together."""
    pool, found = scaling.Scaling(threads), []
    first = SimpleNamespace(since=clock.now, returned=0)
    for number in range(samples):
        sample = pool.sample(clock.now)
        clock.now += scaling.CHECK_INTERVAL + delay
        pool.returned = threads * int((clock.now + phase) / seconds)
        if pool.wanted(sample, is_late=False, at_work=threads, first=first):
            found.append(number)
    return found


@pytest.mark.parametrize("milliseconds", [13, 15, 20, 25, 30, 40, 60])
@pytest.mark.parametrize("delay", [0.0, 0.0003, 0.004], ids=str)
def test_pool_grows_soon_for_slow_events_whatever_their_phase(monkeypatch, milliseconds, delay):
    seconds = milliseconds / 1000
    for step in range(20):
        clock = Clock(monkeypatch)
        found = growths(clock, threads=2, seconds=seconds, phase=step / 20 * seconds, delay=delay)
        assert found[:1] in ([0], [1], [2], [3]), step
        assert len(found) >= 3, step


@pytest.mark.parametrize("milliseconds", [1, 4, 6])
@pytest.mark.parametrize("delay", [0.0, 0.0003, 0.004], ids=str)
def test_pool_never_grows_for_quick_events_whatever_their_phase(monkeypatch, milliseconds, delay):
    seconds = milliseconds / 1000
    for step in range(20):
        clock = Clock(monkeypatch)
        phase = step / 20 * seconds
        assert not growths(clock, threads=2, seconds=seconds, phase=phase, delay=delay), step
