"""What the bridge has a page do, beside showing vars."""

# pyright: reportPrivateUsage=false
# ruff: noqa: SLF001 - the adapter is where Reflex's internals are touched
from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import reflex as rx
from reflex_base.constants.compiler import Imports
from reflex_base.event import Event
from reflex_base.event.context import EventContext
from reflex_base.registry import RegistrationContext

from rxbridge.asgi.cookies import HAND_OFF

LOAD = "window.location.assign"
"""The browser's function that loads an address the app's own router does not answer."""

_TASKS = {
    "focus": "(id => document.getElementById(id)?.focus())",
    "handOff": HAND_OFF,
    "load": LOAD,
    "toast": """refs['__toast']?.["error"]""",
    "wait": "(seconds => new Promise(done => setTimeout(done, 1000 * seconds)))",
    "withoutQuery": "(() => history.replaceState(history.state, '', location.pathname))",
}

TASK_REF = "rxbridge"
"""Under which name a page with ``CSP_APP_WRAPS`` takes tasks."""

# Setting a ref's value is what Reflex's client does of an event without evaluating text.
_LISTENING = """\
refs[%(ref)s] = {current: {set value({task, args, then}) {
  const tasks = {%(tasks)s};
  (async () => {
    await tasks[task](...args);
    if (then.length) addEvents(then);
  })();
}}};"""


class PageTasks(rx.Component):
    """Does in a page what the bridge has it do; see ``CSP_APP_WRAPS``. It shows nothing."""

    library = "react"
    tag = "Fragment"

    def add_imports(self) -> Any:
        """Import what the tasks use."""
        return [Imports.EVENTS, {"$/utils/state": "refs"}]

    def add_custom_code(self) -> list[str]:
        """Listen as soon as the app's script is there."""
        tasks = ", ".join(f"{name}: (...args) => {do}(...args)" for name, do in _TASKS.items())
        return [_LISTENING % {"ref": json.dumps(TASK_REF), "tasks": tasks}]


def _page_tasks(_: bool) -> rx.Component:
    return PageTasks.create()


CSP_APP_WRAPS = {(1, "RxBridge"): _page_tasks}
"""For ``rx.App(extra_app_wraps=CSP_APP_WRAPS)``: no page has to evaluate what the bridge sends.

A Content-Security-Policy can then do without ``'unsafe-eval'``. Without it, the bridge sends
scripts as text, as Reflex does.
"""


def page_task(name: str, *args: Any, then: Sequence[Any] = ()) -> Any:
    """Return the event that has the page do a task, and once it is done what follows."""
    app = RegistrationContext.get()._app
    if app is None or not CSP_APP_WRAPS.keys() <= app.extra_app_wraps.keys():
        script = f"{_TASKS[name]}({', '.join(map(json.dumps, args))})"
        return rx.call_script(script, callback=list(then) or None)
    following = [
        {"name": event.name, "payload": event.payload}
        for event in Event.from_event_type(list(then))
    ]
    task = {"task": name, "args": args, "then": following}
    return Event(name="_set_value", payload={"ref": TASK_REF, "value": task})


async def have_page_fire(handler: Any) -> None:
    """Have the page fire a handler, as if its user had."""
    await EventContext.get().emit_event(*Event.from_event_type(handler))
