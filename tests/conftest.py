"""Fixtures shared by the suite."""

from typing import Any

import pytest


@pytest.fixture
def no_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out all mirrors: all tests share one app, so it has those of every test's states."""
    monkeypatch.setattr("rxbridge.events.reflex.event._mirroring", lambda states: [])


@pytest.fixture
def own_mirrors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the mirrors of other tests' states, and the queries they make."""
    from rxbridge.events.reflex import event as adapter  # not before Django is set up

    every = adapter._mirroring

    def own(states: Any) -> list[Any]:
        return [each for each in every(states) if not each.__module__.startswith("tests.state.")]

    monkeypatch.setattr(adapter, "_mirroring", own)
