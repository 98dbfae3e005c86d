"""Fixtures shared by the suite."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

# The environment of other people's middleware has none.
if find_spec("hypothesis"):
    from hypothesis import HealthCheck
    from hypothesis import settings as hypothesis

    # How long an example takes is up to what else the machine does.
    _UNTIMED = hypothesis(deadline=None, suppress_health_check=[HealthCheck.too_slow])
    hypothesis.register_profile("untimed", _UNTIMED)
    hypothesis.load_profile("untimed")

# Files that take long, though they drive no browser and run no server of their own.
LONG = [f"test_{name}.py" for name in ("attacks", "benchmarks", "docs", "export_reflex")]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long, so that no worker is left with one at the end.

    First of all one whose pages all others' are built from; while it builds them, the other workers
    have what only runs servers.
    """
    ranks: dict[Path, int] = {}
    for item in items:
        marks = [item.get_closest_marker(name) is not None for name in ("browser", "server")]
        rank = 2 if marks[0] or item.path.name in LONG else 1 if marks[1] else 3
        rank = 0 if item.path.name == "test_topologies.py" else rank
        known = ranks.setdefault(item.path, rank)
        ranks[item.path] = 2 if {known, rank} == {1, 2} else min(known, rank)
    items.sort(key=lambda item: ranks[item.path])


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(crashitem: str) -> None:
    """End a run one of whose workers a test has ended: pytest-xdist would wait for ever."""
    pytest.exit(f"{crashitem} ended its worker; what was left to it did not run.", returncode=3)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A database of this worker's own: no other run is at it, and none that was killed has been."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        name = tmp_path_factory.mktemp("database") / "test.sqlite3"
        database.setdefault("TEST", {})["NAME"] = str(name)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """Keep permissions and content types from test to test: to make them is most of a flush."""
    if os.environ.get("RXBRIDGE_ECOSYSTEM") == "1":
        return  # Other packages' apps make more than these.
    from django.core.management.commands import flush

    def sql_flush(style: Any, connection: Any, **options: bool) -> list[str]:
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        tables = [name for name in names if name not in ("auth_permission", "django_content_type")]
        return connection.ops.sql_flush(style, tables, **options)

    flush.sql_flush = sql_flush
    flush.emit_post_migrate_signal = lambda *signal: None


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
