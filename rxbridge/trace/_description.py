"""A record in terms of JSON: what the page shows of an event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rxbridge.trace._record import Record, Step


def described(record: Record, number_of: dict[str, int], threads: dict[int, int]) -> dict[str, Any]:
    """Return a record as the page and the JSON show it; times are milliseconds."""

    def timed(step: Step, **more: Any) -> dict[str, Any]:
        ident = _handler_thread(record) if step is record.view else step.thread
        number = 0 if ident == record.loop else threads.setdefault(ident, len(threads) + 1)
        return {
            **more,
            "said": step.said,
            "start_ms": round((step.start - record.start) * 1000, 3),
            "ms": round(step.ms, 3),
            "own_ms": round(_own_ms(step, steps), 3),
            "thread": f"thread {number}" if number else "loop",
        }

    steps = record.hooks if record.view is None else [*record.hooks, record.view]
    hooks = sorted(record.hooks, key=lambda each: each.start)
    return {
        **asdict(record.told),
        "time": datetime.fromtimestamp(record.at, UTC).astimezone().isoformat("T", "milliseconds"),
        "chained_by": number_of.get(record.parent),
        "view": timed(record.view) if record.view is not None else None,
        "hooks": [
            timed(each, middleware=each.owner, hook=each.hook, depth=_depth(record, each))
            | {"said": _said(each, steps)}
            for each in hooks
        ],
        "queries": [
            timed(each, sql=each.owner, within=_within(each, steps)) for each in record.queries
        ],
    }


def _handler_thread(record: Record) -> int:
    """Return the thread of the handler: that of all else that blocks, if it blocks."""
    steps = [*record.queries, *record.hooks] if record.blocks else []
    return next((step.thread for step in steps if step.thread != record.loop), record.loop)


def _own_ms(step: Step, steps: Sequence[Step]) -> float:
    """Return how long a step took, less what a middleware called around."""
    if step.hook != "__call__":
        return step.ms
    own, reached = 0.0, step.start
    for inner in sorted(filter(step.holds, steps), key=lambda each: each.start):
        own += max(0.0, inner.start - reached)
        reached = max(reached, inner.end)
    return 1000 * (own + max(0.0, step.end - reached))


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
