"""A record in terms of JSON: what the page shows of an event, and its line of the log."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rxbridge.trace._record import Record, Step


def described(record: Record, number_of: dict[str, int], threads: dict[int, int]) -> dict[str, Any]:
    """Return a record as the page and the JSON show it; times are milliseconds."""

    def thread(step: Step) -> str:
        ident = _handler_thread(record) if step is record.view else step.thread
        if ident == record.loop:
            return "loop"
        return f"thread {threads.setdefault(ident, len(threads) + 1)}"

    def timed(step: Step) -> dict[str, Any]:
        return {
            "start_ms": round((step.start - record.start) * 1000, 3),
            "ms": round(step.seconds * 1000, 3),
            "thread": thread(step),
        }

    steps = record.hooks if record.view is None else [*record.hooks, record.view]
    began = datetime.fromtimestamp(record.at, UTC).astimezone()
    return {
        "number": record.number,
        "time": began.isoformat(timespec="milliseconds"),
        "handler": record.handler,
        "event": record.event,
        "route": record.route,
        "background": record.background,
        "user": record.user,
        "chained_by": number_of.get(record.parent),
        **summary(record),
        "cookies": list(record.cookies),
        "view": None if record.view is None else {**timed(record.view), "said": record.view.said},
        "hooks": [
            {
                "middleware": step.owner,
                "hook": step.hook,
                "depth": _depth(record, step),
                "said": _said(step, steps),
                **timed(step),
            }
            for step in sorted(record.hooks, key=lambda each: each.start)
        ],
        "queries": [
            {"sql": step.owner, "said": step.said, "within": _within(step, steps), **timed(step)}
            for step in record.queries
        ],
    }


def summary(record: Record) -> dict[str, Any]:
    """Return what came of an event, in numbers and names."""
    return {
        "result": record.result,
        "reached": record.view_called,
        "status": record.status,
        "redirect": record.redirect,
        "error_type": record.error,
        "ms": round(record.seconds * 1000, 3),
        "handler_ms": round(record.view.seconds * 1000, 3) if record.view is not None else 0.0,
        "sql_count": record.query_count,
        "sql_ms": round(record.query_seconds * 1000, 3),
        "delta_count": record.deltas,
        "delta_bytes": record.delta_bytes,
    }


def _handler_thread(record: Record) -> int:
    """Return the thread of the handler: that of all else that blocks, if it blocks."""
    steps = [*record.queries, *record.hooks] if record.blocks else []
    return next((step.thread for step in steps if step.thread != record.loop), record.loop)


def _depth(record: Record, step: Step) -> int:
    return record.stack.index(step.owner) if step.owner in record.stack else len(record.stack)


def _within(query: Step, steps: Sequence[Step]) -> str:
    """Return the hook a statement was run by, the innermost that ran then."""
    around = [step for step in steps if step.holds(query)]
    if not around:
        return ""
    step = max(around, key=lambda each: each.start)
    return "handler" if step.hook == "handler" else f"{step.owner}.{step.hook}"


def _said(step: Step, steps: Sequence[Step]) -> str | int | None:
    """Return what a hook answered, if it was the one that answered, or raised."""
    passed = step.hook == "process_response" or (
        step.hook == "__call__" and any(step.holds(each) for each in steps)
    )
    return None if passed and isinstance(step.said, int) else step.said
