"""Leaves these tests to ``scripts/test_ecosystem.sh``, which installs what they are about."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

if os.environ.get("RXBRIDGE_ECOSYSTEM") != "1":
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(autouse=True)
def packages_settings(request: pytest.FixtureRequest, settings: Any) -> None:
    """Put the middleware and the settings into place that a test is marked with."""
    if (mark := request.node.get_closest_marker("package")) is None:
        return
    first, last, instead = (mark.kwargs[name] for name in ("first", "last", "instead"))
    usual = [instead.get(path, path) for path in settings.MIDDLEWARE]
    settings.MIDDLEWARE = [*first, *usual, *last]
    for name, value in mark.kwargs["set"].items():
        setattr(settings, name, value)


@pytest.fixture(params=["view", "handler", "async handler"])
def visit(request: pytest.FixtureRequest, packages_settings: None) -> Iterator[Any]:
    """Make visitors of the site: of a Django view, and of handlers that do the same work."""
    from tests.ecosystem.visitors import Visit  # a Reflex app, which Django's settings must precede

    with ExitStack() as stack:
        yield Visit(stack, request.param)
