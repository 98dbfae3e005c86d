"""One settings module for each package, and what they are made of: the suite's own settings."""

from collections.abc import Iterable

from tests.settings import INSTALLED_APPS, MIDDLEWARE


def apps(*added: str) -> list[str]:
    """Return the suite's installed apps, ``added``, and the notes of these tests."""
    return [*INSTALLED_APPS, *added, "tests.ecosystem.notes"]


def middleware(*, first: Iterable[str] = (), last: Iterable[str] = ()) -> list[str]:
    """Return startproject's middleware between ``first`` and ``last``."""
    return [*first, *MIDDLEWARE, *last]
