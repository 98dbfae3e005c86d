"""One middleware alone, around one event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from rxbridge.events.chain.runner import MiddlewareRunner, Outcome
from rxbridge.events.requests import ReflexEvent, SyntheticRequestFactory
from rxbridge.testing._cookies import Cookies, sent_headers

if TYPE_CHECKING:
    from rxbridge.events.requests import EventRequest


def make_event(
    name: str = "event",
    *,
    handler: Callable[..., Any] | None = None,
    payload: Mapping[str, Any] | None = None,
    path: str = "/",
    query: str = "",
    host: str = "testserver",
    secure: bool = False,
    headers: Mapping[str, str] | None = None,
    cookies: Cookies | None = None,
    client: str = "127.0.0.1",
    shows_page: bool = False,
) -> ReflexEvent:
    """Return an event as a browser on page ``path`` would send it, for a part under test.

    It is a click, so its request is a POST; with ``shows_page`` it loads the page, by GET.
    """
    more = {"asgi-scope-client": client, **(headers or {})}
    event = ReflexEvent(
        name=name,
        payload=payload or {},
        router_data={
            "pathname": quote(path),
            "asPath": f"{quote(path)}?{query}" if query else quote(path),
            "headers": sent_headers(host, secure, cookies=cookies, headers=more),
        },
        token="test",  # noqa: S106 - a tab, not a secret
        shows_page=shows_page,
    )
    return event if handler is None else replace(event, handler=handler)


@dataclass(frozen=True, slots=True, kw_only=True)
class MiddlewareRun(Outcome):
    """What one middleware made of one event."""

    request: EventRequest


async def run_middleware(
    *middleware: str | Callable[[Any], Any],
    event: ReflexEvent | None = None,
    view: Callable[..., Any] | None = None,
    **attributes: Any,
) -> MiddlewareRun:
    """Run ``middleware`` (classes or dotted paths, outermost first) around ``event``.

    ``attributes``, such as ``user=`` and ``session=``, are set on the request beforehand, as
    middleware further out would have done. ``view`` stands for the handler; it is called with
    the request and the payload. In a test that is not async:
    ``async_to_sync(run_middleware)(…)``.
    """
    request = SyntheticRequestFactory().build(event or make_event())
    for name, value in attributes.items():
        setattr(request, name, value)
    runner = MiddlewareRunner(middleware, threads=None)
    outcome = await runner.run(request, view or _nothing, kwargs=request.reflex_event.payload)
    return MiddlewareRun(
        request=request,
        response=outcome.response,
        view_called=outcome.view_called,
        exception=outcome.exception,
    )


async def _nothing(request: EventRequest, /, **payload: Any) -> None:
    """Stand for a handler that does nothing."""
