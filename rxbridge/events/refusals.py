"""Refusals: what a page is told, and what is logged, when the chain says no."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urljoin, urlsplit

from django.core.exceptions import DisallowedHost
from django.utils.translation import gettext

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from rxbridge.events.requests import ReflexEvent

logger = logging.getLogger("rxbridge")

EventSpec: TypeAlias = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An event the page is to be told about: what the chain answered, and where that leads.

    ``status`` is the response's. For a redirect, ``location`` is a path on this host or an
    address elsewhere, and ``redirect`` is the event that takes the browser there. ``handler_ran``
    is true when the handler had run: it raised the answer itself, or the way out refused.
    """

    event: ReflexEvent
    status: int
    location: str | None = None
    redirect: EventSpec | None = None
    handler_ran: bool = False


_MESSAGES = {
    401: "Please sign in first.",
    403: "You are not allowed to do that.",
    404: "That is no longer there.",
    409: "Something changed in another tab meanwhile. Please try again.",
    413: "That is too large to be sent.",
    429: "That was too often. Please wait a moment and try again.",
    503: "The service is busy. Please try again in a moment.",
}
_OTHER_MESSAGE = "That did not work. Please try again."


def default_refusal(refusal: Refusal) -> Sequence[EventSpec]:
    """Follow a redirect; else show a toast that says what a visitor can do, and nothing of why.

    The toast has one id, so a page whose events are all refused shows one. Its text is in the
    visitor's language where the project's catalogues have it.
    """
    if refusal.redirect is not None:
        return [refusal.redirect]
    from rxbridge.events.reflex.page import page_task  # the adapter needs this module

    message = gettext(_MESSAGES.get(refusal.status, _OTHER_MESSAGE))
    return [page_task("toast", message, {"id": "rxbridge-refusal"})]


def location(request: HttpRequest, response: HttpResponseBase) -> str | None:
    """Return where a redirect leads: a path on this host, or an http(s) address elsewhere."""
    target = response.headers.get("Location")
    if target is None or not 300 <= response.status_code < 400:
        return None
    try:
        here = request.build_absolute_uri()
        url = urljoin(here, target)
        own, parts = urlsplit(here), urlsplit(url)
    except (DisallowedHost, ValueError):
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    # Alone, a path of two slashes would be an address elsewhere; a backslash is one to browsers.
    looks_external = parts.path[:2].replace("\\", "/") == "//"
    if looks_external or (parts.scheme, parts.netloc) != (own.scheme, own.netloc):
        return url
    return parts._replace(scheme="", netloc="").geturl() or "/"


def log(refusal: Refusal, cause: Exception | str | None) -> None:
    """Write one line of a refusal, which names the handler; Django's log has the traceback."""
    name, status = refusal.event.handler_name, refusal.status
    did = "ran, but was refused" if refusal.handler_ran else "did not run"
    if refusal.location is not None:
        logger.info("%s %s: %s to %s", name, did, status, refusal.location)
    else:
        why = repr(cause) if isinstance(cause, Exception) else cause
        logger.warning("%s %s: %s", name, did, f"{status}. {why}" if why else status)
