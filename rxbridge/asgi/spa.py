"""A compiled Reflex frontend served as static files, at any address."""

import logging
import math
import os
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import FileResponse
from starlette.staticfiles import NotModifiedResponse

from rxbridge.asgi._bundle import (
    Bundle,
    Entry,
    Representation,
    SourceFile,
    find_files,
    is_hidden,
    read_bundle,
)
from rxbridge.asgi._refusal import refuse
from rxbridge.asgi._types import ASGIApp, Receive, Scope, Send
from rxbridge.asgi.lifespan import LifespanGroup
from rxbridge.asgi.prefix_router import local_path

logger = logging.getLogger(__name__)

BUILD_COMMAND = (
    "manage.py export_reflex, or without rxbridge.django: reflex export --frontend-only --no-zip"
)

PAGES = "rxbridge.pages"
"""The scope's key for an app that answers in the place of every ``SPAStaticApp``."""

RequestHeaders = Mapping[bytes, bytes]

# Where Reflex leaves a build, seen from the directory of rxconfig.py.
_BUILD_OUTPUTS = (".web/build/client", ".web/_static")

# How often to look when `check_interval` is None but the bundle was missing at first. Looking
# does not end when it appears, as it may be half written then.
_MISSING_INTERVAL = 1.0

# Seconds between the two renames that put one directory in place of another.
_REPLACED_WITHIN = 0.05

_MISSING = f"The Reflex frontend is not built yet. Build it: {BUILD_COMMAND}"

# What RFC 9110, section 14.1.2 allows; anything else in a Range header is ignored, as it must
# be. The bound on digits keeps int() cheap.
_ONE_RANGE = rb"[ \t]*(?:\d{1,18}-\d{0,18}|-\d{1,18})[ \t]*"
_RANGES = re.compile(rb"bytes=" + _ONE_RANGE + rb"(?:," + _ONE_RANGE + rb")*")
_BOUNDED_RANGE = re.compile(rb"(\d+)-(\d+)")
_WEIGHT = re.compile(rb"0(\.\d{0,3})?|1(\.0{0,3})?")
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")


def find_bundle(*candidates: str | os.PathLike[str]) -> Path:
    """The first of ``candidates`` that holds a compiled frontend.

    Without candidates these are Reflex's own build outputs below the current directory. When
    none holds one yet, the first candidate: ``SPAStaticApp`` then says how to build it and
    serves it from the moment it is there. So name the build output first and a staged copy
    second, as ``find_bundle(BASE_DIR / ".web/build/client", STATIC_ROOT / "_reflex")``.
    """
    paths = [Path(candidate) for candidate in candidates or _BUILD_OUTPUTS]
    return next((path for path in paths if next(path.rglob("*.html"), None)), paths[0])


class SPAStaticApp:
    """Serve the compiled Reflex frontend in ``directory``, without one in ``find_bundle()``.

    A path is looked up as a file of the bundle, then as a prerendered page. What is neither is
    the bundle's fallback page with status 200 when a browser navigates to a known route, the
    bundle's 404 page when it navigates elsewhere, and a plain 404 for all other requests: a
    missing script is never answered with HTML.

    ``is_route`` says which paths are routes of the app; it is called with a path below the
    bundle's ``frontend_path``. Without it only prerendered pages are known.

    ``same_origin=True`` replaces the backend address the bundle was built with by that of the
    page itself, so that one bundle works on any host and port.

    The bundle is read when the app is made. After that, at most every ``check_interval``
    seconds, a request first looks whether files have changed; None never looks again, unless
    there was no bundle yet. Files of up to 1 MiB are held in memory, up to ``max_memory`` bytes in
    all, in each worker process; the others are streamed.

    Raises ``ValueError`` for options that cannot work::

        pages = SPAStaticApp(is_route=app.router)

    Follows RFC 9110 (conditional requests, ranges, content negotiation) and RFC 8246.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        is_route: Callable[[str], object] | None = None,
        same_origin: bool = True,
        check_interval: float | None = 2.0,
        max_memory: int = 64 * 1024 * 1024,
    ) -> None:
        directory = find_bundle() if directory is None else directory
        _check_options(directory, is_route, check_interval, max_memory)
        # Absolute, so that a later chdir() does not change what is served.
        self.directory = os.path.abspath(directory)
        self._is_route = is_route
        self._same_origin = same_origin
        self._max_memory = max_memory
        self._lifespan = LifespanGroup()
        self._bundle = self._look(Bundle())
        missing = self._bundle.shell is None
        if check_interval is None:
            check_interval = _MISSING_INTERVAL if missing else math.inf
        self._check_interval = check_interval
        self._next_check = time.monotonic() + check_interval
        self._said_missing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            # Who wraps the application may serve the pages itself, as DevProxy does.
            answer: ASGIApp = scope.get(PAGES, self._answer)
            await answer(scope, receive, send)
        elif kind == "websocket":
            await refuse(scope, receive, send, HTTPStatus.FORBIDDEN)
        elif kind == "lifespan":
            await self._lifespan(scope, receive, send)
        else:
            msg = f"SPAStaticApp serves http, not ASGI {kind!r} scopes; route them elsewhere."
            raise ValueError(msg)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            await refuse(scope, receive, send, HTTPStatus.METHOD_NOT_ALLOWED, allow="GET, HEAD")
            return
        path = local_path(scope) or "/"
        # The last of several equal header lines counts. That never makes an answer wrong: it
        # can cost a 304 or a better encoding.
        headers: RequestHeaders = dict(scope["headers"])
        bundle = await self._current_bundle()
        if entry := bundle.entries.get(path):
            await self._send_entry(entry, headers, scope, receive, send)
        elif bundle.shell is None:
            self._say_missing()
            await refuse(scope, receive, send, HTTPStatus.NOT_FOUND, _MISSING)
        elif not _may_be_page(bundle, path) or not _is_navigation(headers):
            await refuse(scope, receive, send, HTTPStatus.NOT_FOUND)
        elif self._is_known(bundle, path):
            await self._send_entry(bundle.shell, headers, scope, receive, send)
        else:
            kind = {"content-type": "text/html; charset=utf-8"} if bundle.not_found else {}
            await refuse(scope, receive, send, HTTPStatus.NOT_FOUND, bundle.not_found, **kind)

    async def _send_entry(
        self, entry: Entry, headers: RequestHeaders, scope: Scope, receive: Receive, send: Send
    ) -> None:
        ranged = _is_ranged(entry, scope, headers)
        chosen = entry.identity if ranged else _negotiated(entry, headers)
        if _is_not_modified(chosen, headers):
            await NotModifiedResponse(Headers(raw=[*chosen.headers]))(scope, receive, send)
        elif chosen.source is not None and (ranged or chosen.body is None):
            await self._send_file(chosen, chosen.source, _range_scope(scope, ranged), receive, send)
        else:
            await _send_body(scope, send, chosen)

    async def _send_file(
        self, chosen: Representation, source: SourceFile, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Stream from disk: whole, by ranges, or by name where the server has pathsend."""
        headers = {name.decode(): value.decode() for name, value in chosen.headers}
        current = await run_in_threadpool(SourceFile.at, source.path)
        if current != source:
            self._next_check = 0.0
            if current is None:
                await refuse(scope, receive, send, HTTPStatus.NOT_FOUND)
                return
            # FileResponse puts in their place what is true of the file now.
            for name in ("content-length", "etag", "last-modified"):
                del headers[name]
        await FileResponse(source.path, headers=headers)(scope, receive, send)

    def _is_known(self, bundle: Bundle, path: str) -> bool:
        """Whether ``path`` is a route, and not just what Reflex's router takes for one.

        Reflex registers its 404 page as a route and knows the index page as ``/index`` too,
        neither of which its frontend does.
        """
        if self._is_route is None or not f"{path}/".startswith(f"{bundle.base}/"):
            return False
        route = path[len(bundle.base) :] or "/"
        return route.strip("/") not in ("404", "index") and bool(self._is_route(route))

    def _say_missing(self) -> None:
        # Not before a page is asked for: until then it may be built, or served by Vite.
        if not self._said_missing:
            self._said_missing = True
            logger.warning("No Reflex bundle in %s. Build it: %s", self.directory, BUILD_COMMAND)

    async def _current_bundle(self) -> Bundle:
        if time.monotonic() >= self._next_check:
            # First, so that requests that come meanwhile do not look as well.
            self._next_check = time.monotonic() + self._check_interval
            self._bundle = await run_in_threadpool(self._look, self._bundle)
        return self._bundle

    def _look(self, known: Bundle) -> Bundle:
        """The bundle as it is on disk now, which is ``known`` when no file has changed."""
        files = find_files(self.directory)
        if known.files and not files:
            # A directory that another takes the place of is gone for a moment.
            time.sleep(_REPLACED_WITHIN)
            files = find_files(self.directory)
        if files == known.files:
            return known
        return read_bundle(files, same_origin=self._same_origin, max_memory=self._max_memory)


def _may_be_page(bundle: Bundle, path: str) -> bool:
    """Whether ``path`` can be a page at all: dots in it are fine, a script's path is not."""
    if path.startswith(f"{bundle.base}/assets/") or _CONTROL_CHARACTER.search(path):
        return False
    return not any(map(is_hidden, path.split("/")))


def _is_navigation(headers: RequestHeaders) -> bool:
    """Whether a browser wants a page to show, not a script or an answer to ``fetch()``."""
    mode = headers.get(b"sec-fetch-mode", b"navigate")
    return mode == b"navigate" and _weights(headers.get(b"accept", b"")).get(b"text/html", 0) > 0


def _negotiated(entry: Entry, headers: RequestHeaders) -> Representation:
    """The most wanted encoding, the smallest of equals; the file itself when none will do."""
    accepted = headers.get(b"accept-encoding")
    if not accepted or not entry.encoded:
        return entry.identity
    weights = _weights(accepted)
    others = weights.get(b"*", 0.0)
    # Unless it is named, identity is acceptable and wanted less than anything that is.
    best, chosen = weights.get(b"identity", 0.0), entry.identity
    for coding, candidate in entry.encoded:
        weight = weights.get(coding, others)
        if weight > best or (weight == best > 0 and chosen is entry.identity):
            best, chosen = weight, candidate
    return chosen


def _weights(header: bytes) -> dict[bytes, float]:
    """The members of an ``Accept*`` header with their ``q``; an unreadable one counts as 0."""
    weights: dict[bytes, float] = {}
    for member in header.lower().split(b","):
        name, *parameters = member.split(b";")
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition(b"=")
            if key.strip() == b"q":
                weight = float(value) if _WEIGHT.fullmatch(value := value.strip()) else 0.0
        weights[name.strip()] = weight
    return weights


def _is_not_modified(chosen: Representation, headers: RequestHeaders) -> bool:
    """RFC 9110, section 13.2.2: a date counts only where there is no If-None-Match."""
    if (tags := headers.get(b"if-none-match")) is not None:
        return tags.strip() == b"*" or chosen.etag in (
            # The weak comparison: W/ makes no difference.
            tag.strip().removeprefix(b"W/")
            for tag in tags.split(b",")
        )
    since = headers.get(b"if-modified-since")
    source = chosen.source
    return since is not None and source is not None and source.modified <= _timestamp(since)


def _timestamp(date: bytes) -> float:
    """Seconds since 1970, or minus infinity for what is no date."""
    try:
        return parsedate_to_datetime(date.decode("ascii")).replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return -math.inf


def _is_ranged(entry: Entry, scope: Scope, headers: RequestHeaders) -> bool:
    """Whether the request asks for ranges that can be had: of a file, uncompressed, with GET."""
    ranges = headers.get(b"range")
    if ranges is None or scope["method"] != "GET" or entry.identity.source is None:
        return False
    if not _RANGES.fullmatch(ranges):
        return False
    return all(int(first) <= int(last) for first, last in _BOUNDED_RANGE.findall(ranges))


def _range_scope(scope: Scope, ranged: bool) -> Scope:
    """A copy of ``scope`` that shows ``FileResponse`` nothing but a range we accept."""
    names = (b"range", b"if-range") if ranged else ()
    headers = dict(scope["headers"])
    return {**scope, "headers": [(name, headers[name]) for name in names if name in headers]}


async def _send_body(scope: Scope, send: Send, chosen: Representation) -> None:
    # A copy, as a middleware around this app may change the list in place.
    headers = list(chosen.headers)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else chosen.body
    await send({"type": "http.response.body", "body": body})


def _check_options(
    directory: str | os.PathLike[str],
    is_route: object,
    check_interval: float | None,
    max_memory: int,
) -> None:
    if not os.fspath(directory):
        msg = "directory is empty; pass the path of the bundle, such as find_bundle()."
        raise ValueError(msg)
    if is_route is not None and not callable(is_route):
        msg = f"is_route is a callable that takes a path, such as app.router, not {is_route!r}."
        raise ValueError(msg)
    # Not "< 0", which NaN passes.
    if check_interval is not None and not check_interval >= 0:
        msg = f"check_interval is seconds, 0 or more, or None for never, not {check_interval!r}."
        raise ValueError(msg)
    if max_memory < 0:
        msg = f"max_memory is a number of bytes, 0 to stream all files, not {max_memory!r}."
        raise ValueError(msg)
