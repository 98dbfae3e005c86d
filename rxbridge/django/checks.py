"""System checks for the traps of serving Django and Reflex on one port.

Each message has an id, ``rxbridge.W001`` and on, a remedy in its hint, and a section in
``docs/checks.md``.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core import checks
from django.core.handlers.asgi import ASGIHandler
from django.core.management import get_commands
from django.db import connections

from rxbridge.asgi import OriginGuard, PrefixRouter, SPAStaticApp, reflex_prefixes
from rxbridge.asgi.cookies import MemoryTickets
from rxbridge.django._project import STAGED, NoProject, Project, Stamp
from rxbridge.django._server import load_application
from rxbridge.django._urlconf import Place, first_segments, places
from rxbridge.django._wiring import layers, routes, wrapped

if TYPE_CHECKING:
    from rxbridge.events.bridge import EventBridge
    from rxbridge.events.threads.pool import ThreadPool

_BUILD = "Build it: manage.py export_reflex"

# Connections a server of the vendor takes unless it is configured otherwise.
_CONNECTION_LIMITS = {"postgresql": 100, "mysql": 151}
_POOL_SIZE = 4  # psycopg_pool's default max_size is its min_size, 4.

# Whose runserver speaks no ASGI; daphne's does.
_WSGI_SERVERS = ("django.core", "django.contrib.staticfiles", "whitenoise.runserver_nostatic")

# What runs around no event by default, and why it should not.
_NOT_FOR_EVENTS = {
    "cache": "would answer an event from the cache, or put its empty answer there",
    "whitenoise": "would answer an event with a file",
    "debug_toolbar": "only decorates an HTTP body",
}


def check_project(**kwargs: Any) -> list[checks.CheckMessage]:  # noqa: ARG001
    """Check the settings, the URLconf and the bundle: what ``manage.py check`` runs."""
    urlconf = places()
    return [
        *_reserved_urls(urlconf),
        *_catch_alls(urlconf),
        *_bundle_of_project(),
        *_session_cookie(),
        *_server_of_views(),
    ]


def check_asgi_application(**kwargs: Any) -> list[checks.CheckMessage]:  # noqa: ARG001
    """Check ``settings.ASGI_APPLICATION``: what ``manage.py check --deploy`` runs besides."""
    path: str | None = getattr(settings, "ASGI_APPLICATION", None)
    return [*check_application(load_application(path)), *_until_stored()] if path else []


def check_application(
    application: Any,
    *,
    bridge: EventBridge | None = None,
    workers: int | None = None,
    max_connections: Mapping[str, int] | None = None,
) -> list[checks.CheckMessage]:
    """Check how an ASGI application is put together; for a test of the project's own.

    - ``bridge``: what was added to the Reflex app. Without it its parts are not checked.
    - ``workers``: how many processes serve; from ``WEB_CONCURRENCY`` or 1 without it.
    - ``max_connections``: what each database takes, by alias; its vendor's default without it.

    Of an ``rx.App`` whose ``api_transformer`` puts Django into it, this checks who may read what
    Django answers there; give what the transformer returns for the rest. An empty list means
    nothing was found::

        def test_application():
            assert check_application(application, bridge=bridge, workers=4) == []
    """
    if workers is None:
        workers = int(os.environ.get("WEB_CONCURRENCY") or 1)
    return [
        *_routing(application),
        *_origins(application),
        *_transformers(application),
        *_bundles_of(application),
        *_headers_of_pages(application),
        *(_event_chain(bridge) if bridge else ()),
        *(_connections(bridge, workers, max_connections or {}) if bridge else ()),
        *(_pools(bridge) if bridge else ()),
        *(_transactions() if bridge else ()),
        *(_several_workers(bridge) if workers > 1 else ()),
    ]


def _reserved_urls(urlconf: Sequence[Place]) -> Iterator[checks.CheckMessage]:
    for place in urlconf:
        for prefix in reflex_prefixes(_reflex_config().backend_path):
            if f"/{place.literal}/".startswith(f"{prefix}/"):
                yield checks.Warning(
                    f"The URL '/{place.literal}' lies under '{prefix}', which Reflex answers.",
                    hint="Give it another path, or set backend_path in rxconfig.py.",
                    obj=place.pattern,
                    id="rxbridge.W003",
                )


def _catch_alls(urlconf: Sequence[Place]) -> Iterator[checks.CheckMessage]:
    spa = next((index for index, place in enumerate(urlconf) if place.is_spa), None)
    if spa is None:
        return
    for place in urlconf[:spa]:
        if place.is_catch_all:
            yield checks.Warning(
                f"The pattern '{place.text}' takes every path, so no page of the SPA is reached.",
                hint="Remove it, or make it match no more than it serves.",
                obj=place.pattern,
                id="rxbridge.W004",
            )
    if hidden := [place.text for place in urlconf[spa + 1 :]]:
        yield checks.Warning(
            f"URL patterns after the SPA's catch-all are never reached: {', '.join(hidden)}.",
            hint="Put spa_urlpatterns() last.",
            id="rxbridge.W005",
        )


def _bundle_of_project() -> Iterator[checks.CheckMessage]:
    try:
        project = Project.find()
    except NoProject:
        return
    bundles = [project.bundle]
    if settings.STATIC_ROOT:
        bundles.append(Path(settings.STATIC_ROOT) / STAGED)
    # Not that there is none: before the first page is built, every command would say so.
    for bundle in filter(Path.is_dir, bundles):
        yield from _staleness(project, bundle)


def _staleness(project: Project, bundle: Path) -> Iterator[checks.CheckMessage]:
    stamp = Stamp.of(bundle)
    if stamp is not None and (changes := project.changes_since(stamp)):
        yield checks.Warning(
            f"The bundle in {bundle} is older than the code: {changes[0]} changed.",
            hint=_BUILD + (" --stage" if bundle.name == STAGED else ""),
            id="rxbridge.W007",
        )


def _session_cookie() -> Iterator[checks.CheckMessage]:
    # In every environment a script must not read it; over plain HTTP it must work in DEBUG,
    # which Django turns off for tests.
    local = settings.DEBUG or sys.argv[1:2] == ["test"]
    wanted = ["SESSION_COOKIE_HTTPONLY"] + ([] if local else ["SESSION_COOKIE_SECURE"])
    if off := [name for name in wanted if not getattr(settings, name)]:
        yield checks.Warning(
            f"The session cookie can be stolen: {' and '.join(off)} is off.",
            hint=" ".join(f"Set {name} = True." for name in off),
            id="rxbridge.W011",
        )


def _server_of_views() -> Iterator[checks.CheckMessage]:
    if sys.argv[1:2] == ["runserver"] and get_commands()["runserver"] in _WSGI_SERVERS:
        yield checks.Warning(
            "runserver serves Django's views alone: no page of Reflex, and no event.",
            hint="Serve both: manage.py run_reflex",
            id="rxbridge.W020",
        )


def _routing(application: Any) -> Iterator[checks.CheckMessage]:
    table = routes(application)
    if not table:
        return
    urlconf = places()
    djangos = [prefix for prefix, app in table.items() if isinstance(wrapped(app)[-1], ASGIHandler)]
    for prefix in djangos:
        if not _is_static(prefix) and not _has_urls(prefix, urlconf):
            yield checks.Warning(
                f"The prefix '{prefix}' goes to Django, which has no URL there.",
                hint="Add the URL to the URLconf, or take the prefix from the PrefixRouter.",
                id="rxbridge.W001",
            )
    if djangos and (lost := _unreached(djangos, urlconf)):
        yield checks.Warning(
            f"No prefix leads to Django's {', '.join(lost)}, so the pages answer there.",
            hint="Give each a prefix in the PrefixRouter, or make Django its default.",
            id="rxbridge.W014",
        )
    backend_path = _reflex_config().backend_path.strip("/")
    missing = [
        path
        for prefix in ("/_event", "/_upload")
        if (path := f"/{backend_path}{prefix}" if backend_path else prefix) not in table
        and "" not in table
        and f"/{backend_path}" not in table
    ]
    if missing:
        yield checks.Warning(
            f"No route leads to Reflex's {' and '.join(missing)}, so no event arrives.",
            hint="Add **dict.fromkeys(reflex_prefixes(backend_path), reflex) to the PrefixRouter.",
            id="rxbridge.W002",
        )


def _is_static(prefix: str) -> bool:
    bases = filter(None, (settings.STATIC_URL, settings.MEDIA_URL))
    return any(f"/{base.strip('/')}/".startswith(f"{prefix}/") for base in bases)


def _has_urls(prefix: str, urlconf: Sequence[Place]) -> bool:
    """Tell whether a URL may lie under ``prefix``; a pattern that begins variable may always."""
    return any(
        _may_lie_under(place, prefix) or not place.literal
        for place in urlconf
        if not place.is_catch_all
    )


def _unreached(prefixes: Sequence[str], urlconf: Sequence[Place]) -> list[str]:
    """Return the first segments of the URLs under none of ``prefixes``."""
    return first_segments(
        place for place in urlconf if not any(_may_lie_under(place, prefix) for prefix in prefixes)
    )


def _may_lie_under(place: Place, prefix: str) -> bool:
    return f"/{place.literal}/".startswith(f"{prefix}/") or (
        place.is_open and f"{prefix}/".startswith(f"/{place.literal}")
    )


def _origins(application: Any) -> Iterator[checks.CheckMessage]:
    guards: dict[bool, list[str]] = {}
    for prefix, app in routes(application).items():
        if prefix.endswith(("/_event", "/_upload")):
            guards.setdefault(_is_guarded(app), []).append(prefix)
    if unguarded := guards.get(False):
        yield checks.Warning(
            f"Every web site may open a visitor's {' and '.join(unguarded)}: all origins pass.",
            hint="Wrap the Reflex app: OriginGuard.from_settings(…), without '*' in allowed; "
            "or set cors_allowed_origins in rxconfig.py.",
            id="rxbridge.W008",
        )


def _is_guarded(app: Any) -> bool:
    layers = wrapped(app)
    if any(isinstance(each, OriginGuard) and not each.any_origin for each in layers):
        return True
    return not _allows_all_origins()


def _allows_all_origins() -> bool:
    return "*" in _reflex_config().cors_allowed_origins


def _transformers(application: Any) -> Iterator[checks.CheckMessage]:
    """Check what an ``api_transformer`` adds to Reflex's app: who may read it, and its routes."""
    transformers = getattr(_reflex_app(application), "api_transformer", None)
    if transformers is None:
        return
    if _allows_all_origins():
        yield checks.Warning(
            "Reflex's CORS is around what api_transformer adds: every web site may read it with "
            "the visitor's cookies.",
            hint="Set cors_allowed_origins in rxconfig.py; [] allows none.",
            id="rxbridge.W015",
        )
    added = transformers if isinstance(transformers, Sequence) else [transformers]
    if lost := sorted({path for each in added for path in _unrouted(each, routes(application))}):
        yield checks.Warning(
            f"No prefix leads to {', '.join(lost)} of api_transformer, so the pages answer there.",
            hint=f"Give each a prefix in the PrefixRouter: {lost[0]!r}: reflex. Where programs "
            "post there, which send no Origin: OriginGuard.from_settings(…, allow_missing=True).",
            id="rxbridge.W022",
        )


def _unrouted(transformer: Any, table: Mapping[str, Any]) -> Iterator[str]:
    """Yield the first segments of an app's routes that no prefix takes to an ``rx.App``."""
    reached = [prefix for prefix, app in table.items() if _reflex_app(app) is not None]
    for route in getattr(transformer, "routes", ()) if table else ():
        path: str = getattr(route, "path", "")
        own = getattr(getattr(route, "endpoint", None), "__module__", "") != "fastapi.applications"
        if own and path and not any(f"{path}/".startswith(f"{prefix}/") for prefix in reached):
            yield "/" + path.split("/")[1]


def _bundles_of(application: Any) -> Iterator[checks.CheckMessage]:
    views: list[Any] = [place.pattern.callback for place in places() if place.is_spa]
    pages = [each for view in views for each in wrapped(view.view_initkwargs.get("pages"))]
    apps = [each for each in [*layers(application), *pages] if isinstance(each, SPAStaticApp)]
    for bundle in {Path(each.directory) for each in apps}:
        if next(bundle.rglob("*.html"), None) is None:
            yield checks.Warning(
                f"There is no bundle of pages in {bundle}.", hint=_BUILD, id="rxbridge.W006"
            )
        elif not _is_of_states(bundle, _reflex_app(application)):
            yield checks.Warning(
                f"The bundle in {bundle} is of other states than the server has, so each page "
                "says that there is a new version, and asks for handlers nobody has.",
                hint=f"{_BUILD}. If that is no remedy, a module with states is imported by the "
                "build alone, or by the server alone: import it beside the app.",
                id="rxbridge.W021",
            )


def _is_of_states(bundle: Path, app: Any) -> bool:
    """Tell whether a bundle's pages are for the states that ``app`` has, as far as is known."""
    if app is None:
        return True
    from rxbridge.events.reflex import state_schema

    schema = (state_schema(app) or "").encode()
    return any(schema in script.read_bytes() for script in bundle.rglob("*.js"))


def _reflex_app(application: Any) -> Any:
    """Return the ``rx.App`` that an application serves, if it is found."""
    return next((each for each in layers(application) if hasattr(each, "api_transformer")), None)


def _headers_of_pages(application: Any) -> Iterator[checks.CheckMessage]:
    security = "django.middleware.security.SecurityMiddleware" in settings.MIDDLEWARE
    frames = "django.middleware.clickjacking.XFrameOptionsMiddleware" in settings.MIDDLEWARE
    asked = {
        "the redirect to https": security and settings.SECURE_SSL_REDIRECT,
        "Strict-Transport-Security": security and settings.SECURE_HSTS_SECONDS,
        "Referrer-Policy": security and settings.SECURE_REFERRER_POLICY,
        "Cross-Origin-Opener-Policy": security and settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
        "X-Frame-Options": frames,
    }
    if any(asked.values()) and _has_bare_pages(application):
        yield checks.Warning(
            f"Views have what pages lack: {', '.join(name for name in asked if asked[name])}.",
            hint="Wrap the pages: PageHeaders(SPAStaticApp(…)). If your proxy sends these headers, "
            "silence this.",
            id="rxbridge.W016",
        )


def _has_bare_pages(app: Any) -> bool:
    """Tell whether a bundle's pages are served with nothing around them that may add a header."""
    *around, inmost = wrapped(app)
    if not all(each.__module__.startswith("rxbridge.asgi.") for each in around):
        return False
    if isinstance(inmost, PrefixRouter):
        # Scripts, which an "/assets" of its own is for, do without these headers.
        apps = [app for prefix, app in inmost.routes.items() if not prefix.endswith("/assets")]
        return any(map(_has_bare_pages, [*apps, inmost.default]))
    return isinstance(inmost, SPAStaticApp)


def _event_chain(bridge: EventBridge) -> Iterator[checks.CheckMessage]:
    for row in bridge.runner.explain():
        reasons = (why for name, why in _NOT_FOR_EVENTS.items() if name in row.middleware.lower())
        if row.runs != "skipped" and (reason := next(reasons, None)):
            yield checks.Warning(
                f"{row.middleware} runs around events ({row.hook}) and {reason}.",
                hint="Leave it out: MiddlewareRunner(skip={**DEFAULT_SKIP, "
                f"'{row.middleware}': 'why'}}).",
                id="rxbridge.W009",
            )


def _connections(
    bridge: EventBridge, workers: int, limits: Mapping[str, int]
) -> Iterator[checks.CheckMessage]:
    threads = bridge.runner.threads
    for alias in connections:
        connection = connections[alias]
        limit = limits.get(alias, _CONNECTION_LIMITS.get(connection.vendor))
        held = _held_by_a_process(connection.settings_dict, threads)
        if limit is not None and held * workers > limit:
            yield checks.Warning(
                f"Database '{alias}': {held} connections in each of {workers} workers may be "
                f"kept open, and it takes {limit}.",
                hint="Lower MiddlewareRunner(threads=database_threads(limit=…)), use "
                "CONN_MAX_AGE = 0, a pool (OPTIONS['pool']) or PgBouncer.",
                id="rxbridge.W010",
            )


def _pools(bridge: EventBridge) -> Iterator[checks.CheckMessage]:
    from rxbridge.events.chain.runner import releases_connections

    threads = bridge.runner.threads
    if threads is None or releases_connections(threads):
        return
    for alias in connections:
        size = _pool_size(connections[alias].settings_dict)
        if 0 < size < threads.limit:
            yield checks.Warning(
                f"Database '{alias}': its pool has {size} connections, and an event that awaits "
                f"holds one; there may be {threads.limit} at once.",
                hint="Write MiddlewareRunner(threads=database_threads(release=True)), which gives "
                "them back meanwhile, or raise the pool's max_size.",
                id="rxbridge.W017",
            )


def _transactions() -> Iterator[checks.CheckMessage]:
    from rxbridge.events.reflex import handlers_without_transaction

    if names := sorted(handlers_without_transaction()):
        yield checks.Warning(
            "ATOMIC_REQUESTS is on, and handlers that are async or generators run in no "
            f"transaction: {', '.join(names)}.",
            hint="Write transaction.atomic() in a function that is not async, call it through "
            "sync_to_async, and mark the handler with @transaction.non_atomic_requests.",
            id="rxbridge.W018",
        )


def _pool_size(database: Mapping[str, Any]) -> int:
    pool = database["OPTIONS"].get("pool")
    if not pool:
        return 0
    return int(pool.get("max_size") or _POOL_SIZE) if isinstance(pool, dict) else _POOL_SIZE


def _held_by_a_process(database: Mapping[str, Any], threads: ThreadPool | None) -> int:
    if size := _pool_size(database):
        return size
    # Not before Django's models are loaded, as this module is.
    from rxbridge.events.chain.runner import keeps_connections

    if threads is None:
        return int(database["CONN_MAX_AGE"] != 0)
    return threads.limit if database["CONN_MAX_AGE"] != 0 or keeps_connections(threads) else 0


def _several_workers(bridge: EventBridge | None) -> Iterator[checks.CheckMessage]:
    handoff: Any = bridge.handoff if bridge else None
    if handoff is not None and isinstance(handoff.tickets, MemoryTickets):
        yield checks.Warning(
            "Several workers, and CookieHandoff keeps its tickets in the memory of each: a "
            "ticket redeemed at another worker is not found.",
            hint="Pass Sessions(…, tickets=CacheTickets(caches['default'])), or CookieHandoff.",
            id="rxbridge.W012",
        )
    if _reflex_config().state_manager_mode.value != "redis":
        yield checks.Warning(
            "Several workers, and Reflex keeps its states where only one finds them.",
            hint="Set redis_url in rxconfig.py.",
            id="rxbridge.W013",
        )


def _until_stored() -> Iterator[checks.CheckMessage]:
    from rxbridge.events.reflex import seconds_until_stored

    if seconds := seconds_until_stored(_reflex_config()):
        lost = "all states" if seconds == math.inf else f"what {seconds:g} seconds changed"
        yield checks.Warning(
            f"A process that is killed takes {lost} with it, which pages have shown.",
            hint="Set REFLEX_STATE_MANAGER_DISK_DEBOUNCE=0 in the environment, or redis_url in "
            "rxconfig.py.",
            id="rxbridge.W019",
        )


def _reflex_config() -> Any:
    import reflex as rx

    return rx.config.get_config()
