"""Names that have changed: the former one works for a release, with a warning."""

import warnings
from typing import Any


def warn_of_former(former: str, now: str) -> None:
    """Warn the caller's caller that ``former`` is called ``now``."""
    msg = f"{former} is called {now}; the former name goes with the next release."
    warnings.warn(msg, DeprecationWarning, stacklevel=3)


class Renamed:
    """A class's attribute by its former name."""

    def __init__(self, now: str) -> None:
        self._now = now

    def __set_name__(self, owner: type, former: str) -> None:
        self._former = former

    def __get__(self, instance: object, owner: type) -> Any:
        warn_of_former(f"{owner.__name__}.{self._former}", f"{owner.__name__}.{self._now}")
        return getattr(owner if instance is None else instance, self._now)
