"""How each listed middleware is taken: its name, its hooks, what is skipped, what runs where."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from asgiref.sync import iscoroutinefunction
from django.contrib.sessions.middleware import SessionMiddleware
from django.utils.deprecation import MiddlewareMixin
from django.utils.module_loading import import_string

from rxbridge.events.chain import hooks
from rxbridge.events.chain.identity import with_quick_rows
from rxbridge.events.requests import dotted_name

Factory: TypeAlias = Callable[[Any], Any]
Hook: TypeAlias = Callable[..., Any]
Observe: TypeAlias = Callable[[str, str, Hook, bool], Hook]
"""Given a middleware, the name of a hook, the hook and whether it is async: what is called."""

Where: TypeAlias = Literal["loop", "thread", "async", "skipped"]

AROUND = ("process_request", "process_response")
HOOKS = (
    "process_request",
    "process_view",
    "process_template_response",
    "process_exception",
    "process_response",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One line of ``explain()``: a hook of a middleware, where it runs, and why there.

    ``runs`` is ``loop`` (known not to block), ``thread`` (the event's own thread), ``async``
    (awaited on the loop) or ``skipped``.
    """

    middleware: str
    hook: str
    runs: Where
    reason: str


IDENTITY_ROW = PlanRow(
    middleware="rxbridge",
    hook="resolve_identity",
    runs="thread",
    reason="loads session and user before the handler; on the loop when there is no session",
)


@dataclass(frozen=True, slots=True)
class Middleware:
    """A loaded middleware; ``skipped`` are the hooks of it the chain is not to call."""

    name: str
    instance: Any
    skipped: Mapping[str, str]
    observe: Observe

    def hook(self, name: str) -> Callable[..., Any] | None:
        """Return a hook the chain is to call, or ``None``."""
        hook = None if name in self.skipped else getattr(self.instance, name, None)
        return None if hook is None else self.observe(self.name, name, hook, is_async(hook))


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the list: a factory and the dotted path it goes by."""

    factory: Factory
    name: str

    @classmethod
    def of(cls, listed: str | Factory) -> Entry:
        """Return the entry for a dotted path or for the factory itself."""
        if isinstance(listed, str):
            return cls(import_string(listed), listed)
        return cls(listed, dotted_name(listed))

    @property
    def is_async(self) -> bool:
        """Whether it is called from the loop, as Django's ASGI handler would call it."""
        return bool(getattr(self.factory, "async_capable", False))

    @property
    def is_hooks_only(self) -> bool:
        """Whether it leaves calling to ``MiddlewareMixin``, so that it is but its hooks."""
        factory = self.factory
        return (
            isinstance(factory, type)
            and issubclass(factory, MiddlewareMixin)
            and factory.__call__ is MiddlewareMixin.__call__
            and factory.__acall__ is MiddlewareMixin.__acall__
            and not any(is_async(getattr(factory, hook, None)) for hook in AROUND)
        )

    def reason(self, reasons: Mapping[str, str]) -> str | None:
        """Return why the whole middleware is skipped, or ``None``."""
        return next((reasons[path] for path in self._paths() if path in reasons), None)

    def load(
        self, get_response: Callable[..., Any], reasons: Mapping[str, str], observe: Observe
    ) -> Middleware:
        """Make the middleware around ``get_response``; raise when there is none to be made."""
        instance = self.factory(get_response)
        if instance is None:
            msg = f"Middleware factory {self.name} returned None; return a callable."
            raise ValueError(msg)
        if type(instance) is SessionMiddleware:
            instance.SessionStore = with_quick_rows(instance.SessionStore)
        skipped = {
            hook: reasons[f"{path}.{hook}"]
            for hook in HOOKS
            for path in reversed(self._paths_of(hook))
            if f"{path}.{hook}" in reasons
        }
        return Middleware(self.name, instance, skipped, observe)

    def left_out(self, reason: str) -> list[PlanRow]:
        """Return the row that says why this entry is not in the chain."""
        return [PlanRow(middleware=self.name, hook="", runs="skipped", reason=reason)]

    def rows(self, middleware: Middleware) -> list[PlanRow]:
        """Return the rows that say where each hook of the loaded middleware runs."""
        rows = [
            PlanRow(middleware=self.name, hook=name, runs=runs, reason=reason)
            for name in HOOKS
            if self.is_hooks_only or name not in AROUND
            if hasattr(middleware.instance, name)
            for runs, reason in [_place(middleware, name)]
        ]
        if not self.is_hooks_only:
            runs: Where = "async" if self.is_async else "thread"
            reason = "a callable of its own, called around the rest"
            rows.insert(0, PlanRow(middleware=self.name, hook="__call__", runs=runs, reason=reason))
        return rows or [PlanRow(middleware=self.name, hook="", runs="loop", reason="no hooks")]

    def _paths(self) -> list[str]:
        """Return the dotted paths it answers to: as listed, and those of its bases."""
        return [self.name, *map(dotted_name, self._bases())]

    def _paths_of(self, hook: str) -> list[str]:
        """Return the dotted paths its ``hook`` is skipped by.

        A ``process_response`` that overrides one which only decorates may do more than that.
        """
        if hook != "process_response":
            return self._paths()
        own = getattr(self.factory, hook, None)
        inherited = (base for base in self._bases() if getattr(base, hook, None) is own)
        return [self.name, *map(dotted_name, inherited)]

    def _bases(self) -> tuple[type, ...]:
        return self.factory.__mro__ if isinstance(self.factory, type) else ()


def is_async(hook: Any) -> bool:
    """Tell whether a hook is a coroutine function, marked ones on Python 3.11 included."""
    return iscoroutinefunction(hook)  # pyright: ignore[reportDeprecated]


def _place(middleware: Middleware, name: str) -> tuple[Where, str]:
    if name in middleware.skipped:
        return "skipped", middleware.skipped[name]
    if is_async(getattr(middleware.instance, name)):
        return "async", "a coroutine function"
    return hooks.place(hooks.blocking_test(middleware.instance, name))
