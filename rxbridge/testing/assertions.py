"""Assertions that tell what happened instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rxbridge.events.refusals import Refusal
    from rxbridge.testing.fired import Fired


def assert_refused(
    fired: Fired,
    *,
    status: int | None = None,
    redirect_to: str | None = None,
    handler_ran: bool = False,
) -> Refusal:
    """Assert that the event, or one it chained, was refused; return the refusal.

    ``status`` is what the middleware or the guard answered, and ``redirect_to`` where its
    redirect leads. A handler that itself raised ``PermissionDenied`` has run by then, so that
    passes with ``handler_ran=True`` only.
    """
    for refusal in fired.refusals:
        if (
            refusal.handler_ran == handler_ran
            and status in (None, refusal.status)
            and redirect_to in (None, refusal.location)
        ):
            return refusal
    raise AssertionError(f"{_expectation(fired, status, redirect_to, handler_ran)} {fired}")


def _expectation(
    fired: Fired, status: int | None, redirect_to: str | None, handler_ran: bool
) -> str:
    if not fired.refusals:
        return "No event was refused;"
    wanted = f" with {status}" if status is not None else ""
    wanted += f" to {redirect_to}" if redirect_to is not None else ""
    wanted += " after the handler ran" if handler_ran else " before the handler ran"
    return f"No event was refused{wanted};"
