"""Fixtures for pytest, for a ``conftest.py`` that asks for them::

    pytest_plugins = ["rxbridge.testing.pytest_plugin"]

In the pytest section of ``pyproject.toml`` or in ``pytest.ini``::

    rxbridge_app = "shop.ui:app"
    rxbridge_application = "shop.asgi:application"

or fixtures of these names that return the ``rx.App`` and the ASGI application.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from pkgutil import resolve_name
from typing import Any

import pytest

from rxbridge.testing._transaction import lent_connections
from rxbridge.testing.client import EventClient
from rxbridge.testing.raw import RawClient


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the ini options that say where the application is."""
    parser.addini("rxbridge_app", "the rx.App under test, as module:name")
    parser.addini("rxbridge_application", "the ASGI application under test, as module:name")


@pytest.fixture(scope="session")
def rxbridge_app(pytestconfig: pytest.Config) -> Any:
    """The ``rx.App`` under test."""
    return _imported(pytestconfig, "rxbridge_app")


@pytest.fixture(scope="session")
def rxbridge_application(pytestconfig: pytest.Config) -> Any:
    """The ASGI application under test."""
    return _imported(pytestconfig, "rxbridge_application")


@pytest.fixture
def rxbridge_transaction(request: pytest.FixtureRequest) -> Generator[None]:
    """Have the ``a…`` methods of the ORM in an async test work in the test's transaction too."""
    if "db" in request.fixturenames:
        request.getfixturevalue("db")
    with (
        asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner,
        lent_connections(runner),
    ):
        yield


@pytest.fixture
def event_client(
    rxbridge_transaction: None,  # noqa: ARG001 - it comes first
    rxbridge_app: Any,
) -> Callable[..., EventClient]:
    """Make an ``EventClient`` of the app: ``event_client(user=ada)``, for a ``with`` block."""

    def make(**options: Any) -> EventClient:
        return EventClient(rxbridge_app, **options)

    return make


@pytest.fixture
def raw_client(
    rxbridge_transaction: None,  # noqa: ARG001 - it comes first
    rxbridge_application: Any,
) -> RawClient:
    """A ``RawClient`` of the ASGI application, for an ``async with`` block."""
    return RawClient(rxbridge_application)


def _imported(config: pytest.Config, option: str) -> Any:
    where: str = config.getini(option)
    if ":" not in where:
        pytest.fail(
            f'Write {option} = "package.module:name" into pytest\'s settings, '
            f"or a fixture {option}.",
            pytrace=False,
        )
    return resolve_name(where)
