"""Whose data it is: every query sees one organisation, or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from django.db import models

_current: ContextVar[int | None] = ContextVar("organisation", default=None)


@contextmanager
def within(organisation_id: int | None) -> Iterator[None]:
    """Let queries see what is the organisation's, and nothing else, for the block."""
    token = _current.set(organisation_id)
    try:
        yield
    finally:
        _current.reset(token)


class TenantManager(models.Manager):
    """The rows of the current organisation; none where there is no organisation."""

    path = "organisation"

    def get_queryset(self) -> models.QuerySet:
        """Return the rows that a query begins with."""
        return super().get_queryset().filter(**{self.path: _current.get()})
