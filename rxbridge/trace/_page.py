"""The page of the trace, as HTML without a script."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.template import Context, Engine

if TYPE_CHECKING:
    from django.http import QueryDict

ROWS = 50
"""Events on one page."""

NOBODY = "nobody"
"""The user of an event that has none, or has not asked who it is."""

_FILTERS = ("handler", "result", "user")

_FOLDER = Path(__file__).parent
_CSS = (_FOLDER / "page.css").read_text()
_TEMPLATE = Engine(builtins=["rxbridge.trace._filters"]).from_string(
    (_FOLDER / "page.html").read_text()
)
_HASH = base64.b64encode(hashlib.sha256(_CSS.encode()).digest()).decode()

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self';"
        " base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def chosen(events: Sequence[dict[str, Any]], query: QueryDict) -> list[dict[str, Any]]:
    """Return the events that a query string asks for; a number that is none asks for nothing."""
    before = _number(query, "before")
    return [
        event
        for event in events
        if all(query.get(name, "") in ("", event[name] or NOBODY) for name in _FILTERS)
        and (not before or event["number"] < before)
    ]


def render(events: Sequence[dict[str, Any]], query: QueryDict, *, keep: int) -> str:
    """Return the page that shows those of ``events`` that are asked for, the newest first."""
    taken = chosen(events, query)
    shown = taken[:ROWS]
    return _TEMPLATE.render(
        Context(
            {
                "css": _CSS,
                "query": query,
                "refresh": min(_number(query, "refresh"), 60),
                "filters": [
                    (name, query.get(name, ""), sorted({each[name] or NOBODY for each in events}))
                    for name in _FILTERS
                ],
                "keep": keep,
                "count": len(taken),
                "events": [_event(event) for event in shown],
                "slowest": max((event["ms"] for event in shown), default=0.0),
                "opened": _number(query, "event") or (shown[0]["number"] if shown else 0),
                "older": shown[-1]["number"] if len(taken) > ROWS else None,
            },
            use_l10n=False,
        )
    )


def _number(query: QueryDict, name: str) -> int:
    text = query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _event(event: dict[str, Any]) -> dict[str, Any]:
    module, _, name = event["handler"].rpartition(".")
    module, _, state = module.rpartition(".")
    total = event["ms"] or 0.001
    repeated = Counter(query["sql"] for query in event["queries"])
    return {
        **event,
        "name": f"{state}.{name}" if state else name,
        "module": module,
        "total": total,
        "rows": _rows(event),
        "scale": [(f"{part * 25}%", total * part / 4) for part in range(4)],
        "repeats": max(repeated.values(), default=0),
        "queries": [{**query, "times": repeated[query["sql"]]} for query in event["queries"]],
        "unseen": event["sql_count"] - len(event["queries"]),
    }


def _rows(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each middleware, outermost first, and one for the handler."""
    rows = defaultdict(list)
    for hook in event["hooks"]:
        rows[hook["depth"], hook["middleware"]].append(hook)
    found = [_row(name, hooks, event) for (_, name), hooks in sorted(rows.items())]
    if event["view"] is not None:
        found.append(_row("handler", [{**event["view"], "hook": "handler"}], event))
    for depth, row in enumerate(found):
        row["indent"] = range(depth)
    return found


def _row(name: str, hooks: list[dict[str, Any]], event: dict[str, Any]) -> dict[str, Any]:
    names = {f"{name}.{hook['hook']}" for hook in hooks} | {name}
    return {
        "name": "session and user" if name == "rxbridge" else name.rpartition(".")[2],
        "full": name,
        "hooks": hooks,
        "queries": [query for query in event["queries"] if query["within"] in names],
        "own_ms": sum(hook["own_ms"] for hook in hooks),
        "threads": ", ".join(dict.fromkeys(hook["thread"] for hook in hooks)),
        "said": next((hook["said"] for hook in hooks if hook["said"] is not None), ""),
    }
