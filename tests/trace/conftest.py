"""A traced app and the people who use it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from rxbridge.trace import EventTrace
from tests.trace import site


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture(autouse=True)
def quiet(no_mirrors: None) -> None:
    """Trace no queries but those of the events themselves."""


@pytest.fixture
def traced() -> Iterator[Callable[..., EventTrace]]:
    """Put a traced bridge into the app for the length of a test; returns its trace."""
    before = site.app._middlewares

    def put(*middleware: Any, trace: EventTrace | None = None, **options: Any) -> EventTrace:
        trace = trace or EventTrace(allow=lambda scope: True)
        site.app._middlewares = [site.bridge(trace, *middleware, **options)]
        return trace

    yield put
    site.app._middlewares = before
