"""Fired: what came of an event, as its page received it; and that it was refused."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rxbridge.events.refusals import Refusal

# What Reflex makes of rx.toast("…") and rx.toast.error("…").
_STRING = r"""("(?:[^"\\]|\\.)*")"""
_REDIRECT = re.compile(r"""ReflexEvent\("_redirect", \{path:""" + _STRING)
_SCRIPT = re.compile(r"""ReflexEvent\("_call_script", \{javascript_code:""" + _STRING)
_TOAST = re.compile(r"""\['__toast'\](?:\?\.\["\w+"\])?\(("(?:[^"\\]|\\.)*")""")


@dataclass(slots=True)
class Fired:
    """What came of one fired event and of all it chained.

    ``deltas`` and ``events`` are in the order the page received them; ``exceptions`` is what
    handlers raised and no middleware answered; ``refusals`` is what the bridge refused and why.
    ``cookies`` are those the events changed, ``None`` for one that was deleted. ``messages`` are
    the texts of Django's messages that a mirror of the page had not shown before.
    """

    deltas: list[Mapping[str, Any]] = field(default_factory=list)
    events: list[Any] = field(default_factory=list)
    exceptions: list[Exception] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    cookies: dict[str, str | None] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def exception(self) -> Exception | None:
        """The first of ``exceptions``."""
        return next(iter(self.exceptions), None)

    @property
    def vars(self) -> dict[str, Any]:
        """The vars the page was sent, by bare name; the last value of each."""
        return {
            name.removesuffix("_rx_state_"): value
            for delta in self.deltas
            for changes in delta.values()
            for name, value in changes.items()
        }

    @property
    def redirect(self) -> str | None:
        """Where the browser was taken, if it was: a page of the app, or an address to load."""
        return next(filter(None, map(_destination, self.events)), None)

    @property
    def toasts(self) -> list[str]:
        """The messages of the toasts that were shown."""
        return [text for event in self.events if (text := _toast(event)) is not None]

    def __str__(self) -> str:
        """Say what happened, for a test that expected something else."""
        shown = {
            name: value for name, value in self.vars.items() if not name.startswith("rx_router_")
        }
        told = {
            "refused": [describe(refusal) for refusal in self.refusals],
            "raised": [repr(error) for error in self.exceptions],
            "taken to": self.redirect,
            "toasts": self.toasts,
            "messages": self.messages,
            "vars": shown,
        }
        return "; ".join(f"{what}: {each}" for what, each in told.items() if each) or "nothing came"


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
    wanted = ""
    if fired.refusals:
        wanted += f" with {status}" if status is not None else ""
        wanted += f" to {redirect_to}" if redirect_to is not None else ""
        wanted += " after the handler ran" if handler_ran else " before the handler ran"
    raise AssertionError(f"No event was refused{wanted}; {fired}")


def describe(refusal: Refusal) -> str:
    """Say what was refused, and how."""
    to = f" to {refusal.location}" if refusal.location is not None else ""
    ran = ", after the handler ran" if refusal.handler_ran else ""
    return f"{refusal.event.handler_name} with {refusal.status}{to}{ran}"


def mirrored_messages(deltas: list[Mapping[str, Any]]) -> dict[str, str]:
    """Return the texts of Django's messages in ``deltas``, by their ids."""
    return {
        entry["id"]: entry["text"]
        for delta in deltas
        for changes in delta.values()
        for name, value in changes.items()
        if name.removesuffix("_rx_state_") == "messages" and isinstance(value, list)
        for entry in value
        if isinstance(entry, dict) and entry.keys() == {"id", "level", "tags", "text"}
    }


def _destination(event: Any) -> str | None:
    if event.name == "_redirect":
        return str(event.payload["path"])
    if (task := _task(event)) is not None:
        if task["task"] == "load":
            return str(task["args"][0])
        then = [SimpleNamespace(**each) for each in task["then"]]
        return next(filter(None, map(_destination, then)), None)
    # After a hand-off the redirect is what follows the script: it waits for the cookies.
    following = str(event.payload.get("callback") or "")
    if (redirect := _REDIRECT.search(following)) is not None:
        return str(json.loads(redirect[1]))
    script = _SCRIPT.search(following)
    return _loaded(_script(event) if script is None else json.loads(script[1]))


def _loaded(script: str) -> str | None:
    prefix = "window.location.assign("
    return json.loads(script[len(prefix) : -1]) if script.startswith(prefix) else None


def _task(event: Any) -> dict[str, Any] | None:
    # What the bridge sends to an app with CSP_APP_WRAPS.
    from rxbridge.events.reflex.page import TASK_REF

    is_task = event.name == "_set_value" and event.payload["ref"] == TASK_REF
    return event.payload["value"] if is_task else None


def _toast(event: Any) -> str | None:
    if (task := _task(event)) is not None:
        return str(task["args"][0]) if task["task"] == "toast" else None
    shown = _TOAST.search(_script(event))
    return None if shown is None else str(json.loads(shown[1]))


def _script(event: Any) -> str:
    return str(event.payload.get("javascript_code") or event.payload.get("function") or "")
