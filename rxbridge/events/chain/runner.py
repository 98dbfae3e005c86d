"""MiddlewareRunner: Django's middleware chain around an event's handler."""

from __future__ import annotations

import asyncio
import time
import types
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from asgiref.sync import ThreadSensitiveContext
from django.conf import settings
from django.db import connections, reset_queries
from django.http import HttpResponse
from django.urls import set_script_prefix, set_urlconf

from rxbridge._renamed import Renamed
from rxbridge.events._test_context import in_test_transaction
from rxbridge.events.chain.identity import forget_statements, untie
from rxbridge.events.chain.layers import (
    Identity,
    Run,
    View,
    answered,
    current_run,
    load_chain,
    log,
    unavailable,
)
from rxbridge.events.threads.elsewhere import elsewhere
from rxbridge.events.threads.kept import Kept
from rxbridge.events.threads.pool import Lease, ThreadPool, current_lease

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from rxbridge.asgi.connections import Connection
    from rxbridge.events.chain.around import Around
    from rxbridge.events.chain.plan import Factory, Hook, PlanRow
    from rxbridge.events.threads.line import Client

T = TypeVar("T")

_DECORATES = "it only decorates an HTTP answer"
_FALLS_BACK = "it would answer a handler's 404 with what the page's path has"

DEFAULT_SKIP: Mapping[str, str] = {
    "django.middleware.csrf.CsrfViewMiddleware.process_view": (
        "an event carries no form token; OriginGuard checks where its socket came from"
    ),
    "django.middleware.security.SecurityMiddleware.process_response": _DECORATES,
    "django.middleware.locale.LocaleMiddleware.process_response": (
        "it would send a handler's 404 to a URL with a language; else it only decorates"
    ),
    "django.middleware.common.CommonMiddleware.process_response": (
        "it would send a handler's 404 to a URL with a slash; else it only decorates"
    ),
    "django.middleware.clickjacking.XFrameOptionsMiddleware.process_response": _DECORATES,
    "django.middleware.cache.UpdateCacheMiddleware": "an event's empty answer is no page to cache",
    "django.middleware.cache.FetchFromCacheMiddleware": "a cached page would answer the event",
    "django.middleware.gzip.GZipMiddleware": "it only encodes an HTTP body",
    "django.middleware.http.ConditionalGetMiddleware": "no browser keeps an event's answer",
    "django.middleware.csp.ContentSecurityPolicyMiddleware.process_response": _DECORATES,
    "csp.middleware.CSPMiddleware.process_response": _DECORATES,
    "django.contrib.flatpages.middleware.FlatpageFallbackMiddleware.process_response": _FALLS_BACK,
    "django.contrib.redirects.middleware.RedirectFallbackMiddleware.process_response": _FALLS_BACK,
    "wagtail.contrib.redirects.middleware.RedirectMiddleware.process_response": _FALLS_BACK,
    "corsheaders.middleware.CorsMiddleware": _DECORATES,
    "debug_toolbar.middleware.DebugToolbarMiddleware": "it would put a toolbar into an HTTP body",
    "whitenoise.middleware.WhiteNoiseMiddleware": "it would answer the event with a file",
}
"""What runs around no event, and why: a middleware's dotted path, or that of one of its hooks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of an event: the chain's response, and whether its view ran.

    ``exception`` is what the view or a middleware raised and nothing answered; the response
    then has status 500. Django's own ways to answer by raising, such as ``PermissionDenied`` and
    ``Http404``, are answers: their response has the status they stand for.
    """

    response: HttpResponseBase
    view_called: bool
    exception: Exception | None = None

    reached = Renamed("view_called")


SQLITE_LIMIT = 16
"""Threads where every database is SQLite, whose writers wait for one lock: more only fight."""


SQLITE_KEEP = 1.0
"""Seconds an SQLite connection serves event after event, where nothing else is asked for."""


def database_threads(
    *,
    core: int = 2,
    limit: int | None = None,
    wait: float = 30.0,
    keep: float | None = None,
    release: bool = False,
) -> ThreadPool:
    """Return a pool whose threads keep Django's database connections in order.

    Stale and over-aged connections are closed before each event, as Django does around each
    HTTP request, and a moment after the last one; a thread that ends closes its own. ``limit``
    is 16 threads where every database is SQLite, else 100. ``wait`` is in seconds.

    ``keep`` is how many seconds past ``CONN_MAX_AGE`` a sound connection stays open for the
    thread's next event. With ``CONN_MAX_AGE=0`` that saves opening one for each event, and a
    connection that the server ended meanwhile costs the event that finds it so, unless
    ``CONN_HEALTH_CHECKS`` is on. Without it, events that follow each other share an SQLite
    connection for up to a second, since there is no server to spare it for; ``keep=0`` opens
    one for each event.

    With ``release`` a connection that is due by ``CONN_MAX_AGE`` and ``keep`` is closed, or given
    back to its pool, while its event awaits something else, unless it is in a transaction; and
    with the last one goes the thread, where ``MiddlewareRunner.keeps_thread`` is empty. What they
    alone keep is gone then: a role or variable set on a connection, a temporary table, an
    advisory lock, what ``aiterator()`` has yet to fetch, a thread-local.

    Caches, task backends and mailers, which Django makes anew for each context, go from one event
    to the next, never to two at a time, and as many of each stay as there are threads.
    """
    if keep is not None and keep < 0:
        msg = f"keep={keep} is in seconds and must not be negative; write 0 to keep none."
        raise ValueError(msg)
    if limit is None:
        engines = {database["ENGINE"] for database in connections.settings.values()}
        limit = SQLITE_LIMIT if engines == {"django.db.backends.sqlite3"} else 100
    kept = Kept()
    return ThreadPool(
        core=core,
        limit=max(core, limit),
        wait=wait,
        prepare=partial(_close_older, keep),
        clean=partial(_close_older, keep or 0.0),
        release=partial(_release, keep) if release else None,
        retire=partial(_retire, kept),
        kept=kept if kept.places else None,
    )


def _retire(kept: Kept) -> None:
    connections.close_all()
    forget_statements()
    kept.close_one()


def keeps_connections(threads: ThreadPool) -> bool:
    """Tell whether ``threads`` leave connections open whatever ``CONN_MAX_AGE`` says."""
    clean = threads.clean
    return isinstance(clean, partial) and clean.func is _close_older and clean.args[0] > 0


def releases_connections(threads: ThreadPool) -> bool:
    """Tell whether ``threads`` give connections back while their events await."""
    release = threads.release
    return isinstance(release, partial) and release.func is _release


def _close_older(keep: float | None) -> None:
    """Close this thread's connections as Django does, but ``keep`` seconds later.

    One on which something failed is closed where Django would ask the server whether it works.
    """
    if settings.DEBUG:  # when Django keeps them for ``connection.queries``
        reset_queries()
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            # Left by a hook that was broken off: Django would never connect again.
            del connections[connection.alias]
            connection.close()
        elif _state(connection, keep) == "sound":
            # As Django's own clean-up does: the next use asks the server again.
            connection.health_check_done = False  # type: ignore[attr-defined]
        else:
            connection.close()


def _release(keep: float | None) -> bool:
    """Close what the thread's event does not need while it awaits; True if nothing is open then."""
    is_empty = True
    for connection in connections.all(initialized_only=True):
        is_open = connection.connection is not None
        # Without autocommit a transaction may be open of which the driver does not tell.
        is_due = connection.autocommit and _state(connection, keep) == "due"
        if connection.in_atomic_block or (is_open and not is_due):
            is_empty = False
        else:
            connection.close()
    return is_empty


def _state(
    connection: BaseDatabaseWrapper, keep: float | None
) -> Literal["in a transaction", "sound", "due"]:
    """Return how an event has left a connection; one that may stay open is sound."""
    raw = connection.connection
    try:
        status = getattr(getattr(raw, "info", None), "transaction_status", 0)  # psycopg's
        # Begun by hand: Django does not see it, the driver does, as SQLite's does here.
        in_transaction = getattr(raw, "in_transaction", status)
    except Exception:
        in_transaction = True  # The driver has closed it under Django's feet.
    if in_transaction or connection.autocommit != connection.settings_dict["AUTOCOMMIT"]:
        return "in a transaction"
    if keep is None:
        keep = SQLITE_KEEP if connection.vendor == "sqlite" else 0.0
    is_young = connection.close_at is None or time.monotonic() < connection.close_at + keep
    return "sound" if is_young and not connection.errors_occurred else "due"


class MiddlewareRunner:
    """Run Django's middleware chain around an event's handler, as Django does around a view.

    ``middleware`` is a list as in ``settings.MIDDLEWARE``, which is the default; a factory may
    stand in place of its dotted path. ``skip`` names what is left out, by the dotted path of a
    class (or of a base of it) or of one of its hooks; extend it with
    ``{**DEFAULT_SKIP, "path": "why"}``. A ``process_response`` named by a base is left out of
    the classes that inherit it, not of one that overrides it.

    All synchronous code of one event runs on one thread leased from ``threads``, which no other
    event uses meanwhile. With ``threads=None`` it runs where asgiref's thread-sensitive code
    runs: on the caller's own thread under ``async_to_sync``.

    A handler that only awaits gives the thread back where ``leaves_thread`` names all that may
    have left something on it: ``"project"``, which is whatever else than middleware ran there,
    such as backends, sessions and managers; ``"around"``, if there are any; and by its dotted path
    each middleware that is not Django's own. ``keeps_thread`` has those it does not name.

    ``identity`` may know who an event's user is without a check; see ``Revalidator``.

    ``around`` are opened around each event, outside the chain, in this order: each is called
    with the request and returns a context manager. An exception that nothing answered is raised
    into them, as into any ``with``; none of them can answer it.

    ``admission_timeout`` is in seconds; a chain that takes longer to reach the handler refuses
    the event with a 503.

    Source: ``django.core.handlers.base.BaseHandler``.
    """

    def __init__(
        self,
        middleware: Iterable[str | Factory] | None = None,
        *,
        skip: Mapping[str, str] | Iterable[str] = DEFAULT_SKIP,
        threads: ThreadPool | Literal["default"] | None = "default",
        admission_timeout: float | None = 60.0,
        identity: Identity | None = None,
        around: Iterable[Around] = (),
        leaves_thread: Iterable[str] = (),
    ) -> None:
        if any(isinstance(each, str) for each in (middleware, skip, leaves_thread)):
            msg = "middleware, skip, leaves_thread are lists of dotted paths; write [path] for one."
            raise ValueError(msg)
        if admission_timeout is not None and admission_timeout <= 0:
            msg = "admission_timeout is in seconds and must be positive, or None for no limit."
            raise ValueError(msg)
        self.threads = database_threads() if threads == "default" else threads
        self.admission_timeout = admission_timeout
        self.identity = identity
        self.around = tuple(around)
        managers = (AbstractContextManager, AbstractAsyncContextManager)
        if any(isinstance(each, managers) or not callable(each) for each in self.around):
            msg = "around is a list of functions that take the request; write the function itself."
            raise ValueError(msg)
        listed = settings.MIDDLEWARE if middleware is None else middleware
        reasons = skip if isinstance(skip, Mapping) else dict.fromkeys(skip, "named in `skip`")
        self._chain, self._plan, unknown = load_chain(
            list(listed), reasons, identity, self.observed
        )
        may_keep = ["project", *(["around"] if self.around else []), *unknown]
        self.keeps_thread = tuple(name for name in may_keep if name not in {*leaves_thread})

    async def run(
        self, request: HttpRequest, view: View, *, kwargs: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Run ``view`` inside the chain and return what became of it.

        ``view`` is awaited with the request and ``kwargs``, at most once, and only if every
        middleware let the request through. ``process_view`` hooks see its name and attributes, so
        it should carry the handler's. What the chain or the view raises is in the outcome; only a
        cancellation is raised here.

        The event runs in a copy of the caller's context: the language, URLconf and
        ``ContextVar`` values its middleware sets are gone with it.
        """
        run = Run(view, dict(kwargs or {}), asyncio.timeout(None), self.admission_timeout)
        response = await in_context(copy_context(), self._lease_and_run(request, run))
        untie(request)
        return Outcome(response=response, view_called=run.view_called, exception=run.exception)

    def observed(self, middleware: str, name: str, hook: Hook, is_async: bool) -> Hook:  # noqa: ARG002
        """Return what is called in place of a hook: for a subclass that measures, say."""
        return hook

    def explain(self) -> list[PlanRow]:
        """Return the chain as rows: each middleware's hooks, where each runs, and why."""
        return list(self._plan)

    async def _lease_and_run(self, request: HttpRequest, run: Run) -> HttpResponseBase:
        current_run.set(run)
        set_urlconf(settings.ROOT_URLCONF)
        set_script_prefix(getattr(request, "script_name", "") or "/")
        run_chain = self._run_inside_around if self.around else self._run_chain
        if self.threads is None or in_test_transaction():
            return await run_chain(request, run)
        # Whose share of the threads it takes: a browser counts by what its handshake showed, not by
        # the cookie that was then made for it, and a client that shows none by its address. One
        # that invents them is bounded by that.
        client: Client = None
        if (event := getattr(request, "reflex_event", None)) is not None and event.connection:
            connection: Connection = event.connection
            session = connection.cookies.get(settings.SESSION_COOKIE_NAME, "")
            client = connection.network, min(connection.browsers, default="") or session
        with Lease(self.threads, client, bound=bool(self.keeps_thread)) as lease:
            current_lease.set(lease)
            async with ThreadSensitiveContext(executor=lease):
                is_sound = False
                try:
                    response = await run_chain(request, run)
                    is_sound = run.exception is None
                    return response
                finally:
                    if not is_sound:  # Of one that was cancelled something may still be open.
                        lease.failed = True

    async def _run_inside_around(self, request: HttpRequest, run: Run) -> HttpResponseBase:
        """Run the chain inside what is to be around it."""
        response: HttpResponseBase | None = None
        try:
            async with AsyncExitStack() as opened:
                for make in self.around:
                    manager = make(request)
                    if isinstance(manager, AbstractAsyncContextManager):
                        await opened.enter_async_context(manager)
                    else:
                        opened.enter_context(manager)
                response = await self._run_chain(request, run)
                if run.exception is not None:
                    raise run.exception
        except Exception as error:
            if response is None or error is not run.exception:
                response = await elsewhere(answered, request, error)
        # One that swallows what another raised lets nothing through either.
        return response or HttpResponse(status=500)

    async def _run_chain(self, request: HttpRequest, run: Run) -> HttpResponseBase:
        try:
            async with run.clock:
                response = await self._chain.acall(request)
        except TimeoutError as error:
            run.exception = run.exception or error
            # A hook may go on on the event's own thread.
            return await elsewhere(unavailable, request, error)
        finally:
            run.over = True
        if run.answer is not None and response.status_code < 500:
            # A fallback may have answered for the page, such as a flat page or a redirect.
            response.status_code = run.answer
        if response.status_code >= 400 and run.exception is None:
            await elsewhere(log, request, response)
        return response


@types.coroutine
def in_context(context: Context, coroutine: Coroutine[Any, Any, T]) -> Generator[Any, Any, T]:
    """Await ``coroutine`` in ``context``, in the running task."""
    step: Callable[[Any], Any] = coroutine.send
    sent: Any = None
    while True:
        try:
            awaited = context.run(step, sent)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]
        try:
            sent = yield awaited
            step = coroutine.send
        except BaseException as error:
            step, sent = coroutine.throw, error
