"""Django's context processors for pages and handlers: what templates know, as plain values."""

# ruff: noqa: SLF001 - the private vars of a mirror's state are kept here

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.context_processors import PermWrapper
from django.contrib.messages.storage.base import BaseStorage
from django.http import HttpRequest
from django.template import Engine
from django.utils.module_loading import import_string

from rxbridge.errors import RxBridgeError
from rxbridge.events.requests import dotted_name
from rxbridge.events.threads.elsewhere import running_loop
from rxbridge.state.language import is_bidi, language_choices, language_of, plain_text
from rxbridge.state.values import json_safe, user_snapshot

Processor: TypeAlias = "Callable[[Any], Mapping[str, Any] | Awaitable[Mapping[str, Any]]]"

# What processors of Django's own give that belongs to the event alone, or is mirrored otherwise.
_LEFT_OUT = (HttpRequest, BaseStorage, PermWrapper)

# Its token is masked anew each time, and would be sent each time.
_CSRF_PROCESSOR = "django.template.context_processors.csrf"

# Where a request keeps its context, and for which states it was mirrored.
_CONTEXT = "_rxbridge_context"
_MIRRORED = "_rxbridge_contexts_mirrored"


def user_context(request: HttpRequest) -> dict[str, Any]:
    """Be the context processor of the user: ``user``, as ``user_snapshot`` has it."""
    return {"user": user_snapshot(getattr(request, "user", None))}


def i18n_context(request: HttpRequest) -> dict[str, Any]:
    """Be the context processor of the language: ``language``, ``language_bidi``, ``languages``."""
    code = language_of(request)
    return {
        "language": code,
        "language_bidi": is_bidi(code),
        "languages": language_choices(code),
    }


async def collect_context(
    request: HttpRequest, processors: Sequence[Processor | str] | None = None
) -> dict[str, Any]:
    """Return what context processors say of ``request``, as plain values that JSON can hold.

    ``processors`` are functions or their dotted paths, sync or async; without, they are those
    of the template engine in ``settings.TEMPLATES``. A later one wins. The synchronous ones run
    on the event's thread, where they may use the database. Raises ``RxBridgeError`` naming the
    key and the processor for a value that is not plain; ``json_safe`` says what is.
    """
    functions = _engine_processors() if processors is None else _loaded(processors)
    answers = [await fn(request) if inspect.iscoroutinefunction(fn) else None for fn in functions]

    def finish() -> dict[str, Any]:
        context: dict[str, Any] = {}
        for function, answer in zip(functions, answers, strict=True):
            values: Any = function(request) if answer is None else answer
            context |= _plain_items(function, values)
        return context

    return await sync_to_async(finish)()


def _plain_items(function: Processor, values: Any) -> dict[str, Any]:
    name = dotted_name(function)
    if not isinstance(values, Mapping):
        msg = f"The context processor {name} returned {values!r}; return a dict."
        raise RxBridgeError(msg)
    try:
        return {
            plain_text(key): json_safe(value, str(key))
            for key, value in values.items()
            if not issubclass(type(value), _LEFT_OUT)
        }
    except RxBridgeError as error:
        msg = f"The context processor {name}: {error}"
        raise RxBridgeError(msg) from None


def _engine_processors() -> list[Processor]:
    functions: Sequence[Processor] = Engine.get_default().template_context_processors
    return [fn for fn in functions if dotted_name(fn) != _CSRF_PROCESSOR]


def _loaded(processors: Sequence[Processor | str]) -> list[Processor]:
    return [import_string(each) if isinstance(each, str) else each for each in processors]


class EventContext(Mapping[str, Any]):
    """The context of one event, computed when it is first read.

    In an async handler write ``context = await self.django_context``; in a synchronous one it
    is a mapping as it is. It is computed once for each event.
    """

    def __init__(self, request: HttpRequest | None) -> None:
        self._request = request
        self._values: Mapping[str, Any] | None = None

    def __await__(self) -> Generator[Any, None, EventContext]:
        """Compute the context, if it was not computed yet."""
        return self._load().__await__()

    def __getitem__(self, key: str) -> Any:
        """Return a value by its key."""
        return self._known()[key]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the keys."""
        return iter(self._known())

    def __len__(self) -> int:
        """Return how many keys there are."""
        return len(self._known())

    async def _load(self) -> EventContext:
        if self._values is None:
            request = self._request
            self._values = {} if request is None else await collect_context(request)
        return self

    def _known(self) -> Mapping[str, Any]:
        if self._values is None:
            if running_loop() is not None:
                msg = "In an async handler write: context = await self.django_context."
                raise RxBridgeError(msg)
            async_to_sync(self._load)()
        return self._values or {}


def context_of(request: HttpRequest | None) -> EventContext:
    """Return the context of the request's event, the same object each time."""
    if request is None:
        return EventContext(None)
    context: EventContext = vars(request).setdefault(_CONTEXT, EventContext(request))
    return context


def context_mirror(*processors: Processor | str) -> type[Any]:
    """Return a mixin whose var ``context`` holds what ``processors`` say, for pages to show::

        class SiteContext(context_mirror("shop.context.opening_hours"), rx.State):
            "What all pages show of the shop."

    Without any, they are those of the template engine.
    """
    import reflex as rx

    loaded = list(processors) or None

    class ContextMirror(rx.State, mixin=True):
        """What context processors say, for display only."""

        context: dict[str, Any] = {}
        _context_of: str = ""

        async def _rxbridge_mirror(self, request: HttpRequest | None) -> bool:
            return await mirror_context(self, request, loaded)

    return ContextMirror


async def mirror_context(
    state: Any, request: HttpRequest | None, processors: Sequence[Processor | str] | None
) -> bool:
    """Have ``state`` show the context, anew as a page is shown or the visitor is another."""
    of = "" if request is None else _visitor(request)
    done = {} if request is None else vars(request).setdefault(_MIRRORED, {})
    name = state.get_full_name()
    is_due = getattr(request, "shows_page", False) and done.get(name) != of
    if state._context_of == of and not is_due:
        return False
    state._context_of = done[name] = of
    context = {} if request is None else await collect_context(request, processors)
    if state.context == context:
        return False
    state.context = context
    return True


def _visitor(request: HttpRequest) -> str:
    user = getattr(request, "user", None)
    return f"{None if user is None else user.pk} {language_of(request)}"
