"""The page of the trace, as HTML without a script."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

from django.template import Context, Engine

ROWS = 50
"""Events on one page."""

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


@dataclass(frozen=True, slots=True)
class Choice:
    """What the address of the page asks for."""

    handler: str = ""
    result: str = ""
    user: str = ""
    before: int = 0
    event: int = 0
    refresh: int = 0

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """Return what a query string asks for; what makes no sense is left out."""

        def number(name: str) -> int:
            text = query.get(name, "")
            return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0

        return cls(
            handler=query.get("handler", ""),
            result=query.get("result", ""),
            user=query.get("user", ""),
            before=number("before"),
            event=number("event"),
            refresh=min(number("refresh"), 60),
        )

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Tell whether an event is among those asked for."""
        return (
            self.handler in ("", event["handler"])
            and self.result in ("", event["result"])
            and self.user in ("", event["user"] or "nobody")
            and (not self.before or event["number"] < self.before)
        )

    def query(self, **changes: Any) -> str:
        """Return the query string that asks for this with something changed."""
        wanted = replace(self, **changes)
        pairs = {name: getattr(wanted, name) for name in self.__slots__}
        return "?" + urlencode({name: value for name, value in pairs.items() if value})


def render(events: Sequence[dict[str, Any]], choice: Choice, *, keep: int) -> str:
    """Return the page that shows ``events``, the newest first."""
    taken = [event for event in events if choice.takes(event)]
    shown = taken[:ROWS]
    return _TEMPLATE.render(
        Context(
            {
                "css": _CSS,
                "choice": choice,
                "keep": keep,
                "count": len(taken),
                "events": [_event(event) for event in shown],
                "slowest": max((event["ms"] for event in shown), default=0.0),
                "opened": choice.event or (shown[0]["number"] if shown else 0),
                "handlers": sorted({event["handler"] for event in events}),
                "results": sorted({event["result"] for event in events}),
                "users": sorted({event["user"] or "nobody" for event in events}),
                "older": choice.query(before=shown[-1]["number"]) if len(taken) > ROWS else "",
                "all": choice.query(handler="", result="", user="", before=0, event=0),
                "json": choice.query(refresh=0, event=0) + "&format=json",
                "live": choice.query(refresh=0 if choice.refresh else 2),
            },
            use_l10n=False,
        )
    )


def _event(event: dict[str, Any]) -> dict[str, Any]:
    module, _, name = event["handler"].rpartition(".")
    module, _, state = module.rpartition(".")
    total = event["ms"] or 0.001
    repeated = Counter(query["sql"] for query in event["queries"])
    return {
        **event,
        "name": f"{state}.{name}" if state else name,
        "module": module,
        "clock": event["time"][11:23],
        "total": total,
        "rows": _rows(event),
        "scale": [(f"{part * 25}%", total * part / 4) for part in range(4)],
        "repeats": max(repeated.values(), default=0),
        "queries": [{**query, "times": repeated[query["sql"]]} for query in event["queries"]],
        "unseen": event["sql_count"] - len(event["queries"]),
    }


def _rows(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a row for each middleware, outermost first, and one for the handler."""
    rows: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for hook in event["hooks"]:
        rows.setdefault((hook["depth"], hook["middleware"]), []).append(hook)
    found = [_row(name, rows[depth, name], event) for depth, name in sorted(rows)]
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
        "own_ms": sum(_own(hook, event) for hook in hooks),
        "threads": ", ".join(dict.fromkeys(hook["thread"] for hook in hooks)),
        "said": next((hook["said"] for hook in hooks if hook["said"] is not None), ""),
    }


def _own(hook: Mapping[str, Any], event: Mapping[str, Any]) -> float:
    """Return the milliseconds of a hook, less those of what it called around."""
    if hook["hook"] != "__call__":
        return float(hook["ms"])
    end: float = hook["start_ms"] + hook["ms"]
    steps = [*event["hooks"], *([event["view"]] if event["view"] else [])]
    reached: float = hook["start_ms"]
    own = 0.0
    for step in sorted(steps, key=lambda each: each["start_ms"]):
        if step is hook or not hook["start_ms"] <= step["start_ms"] <= end:
            continue
        own += max(0.0, step["start_ms"] - reached)
        reached = max(reached, step["start_ms"] + step["ms"])
    return own + max(0.0, end - reached)
