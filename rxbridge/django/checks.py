"""System checks for the traps of serving Django and Reflex on one port.

Each message has an id, ``rxbridge.W001`` and on, its text and remedy in ``checks.toml``, and a
section in ``docs/checks.md``.
"""

from __future__ import annotations

import math
import os
import sys
import tomllib
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
    from django.urls import URLPattern

    from rxbridge.events.bridge import EventBridge
    from rxbridge.events.threads.pool import ThreadPool

_TEXTS = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))

# The ends of Reflex's prefixes by which events come.
_OF_EVENTS = ("/_event", "/_upload")

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
    found = [
        *_routing(application),
        *_origins(application),
        *_transformers(application),
        *_bundles_of(application),
        *_headers_of_pages(application),
    ]
    if bridge:
        limits = max_connections or {}
        found += [
            *_event_chain(bridge),
            *_connections(bridge, workers, limits),
            *_pools(bridge),
            *_transactions(),
        ]
    return [*found, *(_several_workers(bridge) if workers > 1 else ())]


def _warning(name: str, pattern: URLPattern | None = None, **found: object) -> checks.Warning:
    """Return a warning with the text it has in ``checks.toml``."""
    text = _TEXTS[name]
    hint = text["remedy"].format(**found)
    return checks.Warning(text["found"].format(**found), hint=hint, obj=pattern, id=name)


def _reserved_urls(urlconf: Sequence[Place]) -> Iterator[checks.CheckMessage]:
    for place in urlconf:
        for prefix in reflex_prefixes(_reflex_config().backend_path):
            if f"/{place.literal}/".startswith(f"{prefix}/"):
                yield _warning("rxbridge.W003", place.pattern, url=place.literal, prefix=prefix)


def _catch_alls(urlconf: Sequence[Place]) -> Iterator[checks.CheckMessage]:
    spa = next((index for index, place in enumerate(urlconf) if place.is_spa), None)
    if spa is None:
        return
    for place in urlconf[:spa]:
        if place.is_catch_all:
            yield _warning("rxbridge.W004", place.pattern, text=place.text)
    if hidden := [place.text for place in urlconf[spa + 1 :]]:
        yield _warning("rxbridge.W005", patterns=", ".join(hidden))


def _bundle_of_project() -> Iterator[checks.CheckMessage]:
    try:
        project = Project.find()
    except NoProject:
        return
    # Not that there is none: before the first page is built, every command would say so.
    bundles = {project.bundle: ""}
    if settings.STATIC_ROOT:
        bundles[Path(settings.STATIC_ROOT) / STAGED] = " --stage"
    for bundle, option in bundles.items():
        stamp = Stamp.of(bundle)
        if stamp is not None and (changes := project.changes_since(stamp)):
            yield _warning("rxbridge.W007", bundle=bundle, file=changes[0], option=option)


def _session_cookie() -> Iterator[checks.CheckMessage]:
    # In every environment a script must not read it; over plain HTTP it must work in DEBUG,
    # which Django turns off for tests.
    local = settings.DEBUG or sys.argv[1:2] == ["test"]
    wanted = ["SESSION_COOKIE_HTTPONLY"] + ([] if local else ["SESSION_COOKIE_SECURE"])
    if off := [name for name in wanted if not getattr(settings, name)]:
        remedies = " ".join(f"Set {name} = True." for name in off)
        yield _warning("rxbridge.W011", settings=" and ".join(off), remedies=remedies)


def _server_of_views() -> Iterator[checks.CheckMessage]:
    if sys.argv[1:2] == ["runserver"] and get_commands()["runserver"] in _WSGI_SERVERS:
        yield _warning("rxbridge.W020")


def _routing(application: Any) -> Iterator[checks.CheckMessage]:
    table = routes(application)
    if not table:
        return
    urlconf = places()
    djangos = [prefix for prefix, app in table.items() if isinstance(wrapped(app)[-1], ASGIHandler)]
    for prefix in djangos:
        if not _is_static(prefix) and not _has_urls(prefix, urlconf):
            yield _warning("rxbridge.W001", prefix=prefix)
    if djangos and (lost := _unreached(djangos, urlconf)):
        yield _warning("rxbridge.W014", urls=", ".join(lost))
    backend_path = _reflex_config().backend_path
    above = {"", f"/{backend_path.strip('/')}"}
    needed = [each for each in reflex_prefixes(backend_path) if each.endswith(_OF_EVENTS)]
    if missing := [each for each in needed if not table.keys() & {each, *above}]:
        yield _warning("rxbridge.W002", paths=" and ".join(missing))


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
    table = routes(application).items()
    events = [(prefix, app) for prefix, app in table if prefix.endswith(_OF_EVENTS)]
    if unguarded := [prefix for prefix, app in events if not _is_guarded(app)]:
        yield _warning("rxbridge.W008", paths=" and ".join(unguarded))


def _is_guarded(app: Any) -> bool:
    guards = [each for each in wrapped(app) if isinstance(each, OriginGuard)]
    return not (_allows_all_origins() and all(each.any_origin for each in guards))


def _allows_all_origins() -> bool:
    return "*" in _reflex_config().cors_allowed_origins


def _transformers(application: Any) -> Iterator[checks.CheckMessage]:
    """Check what an ``api_transformer`` adds to Reflex's app: who may read it, and its routes."""
    transformers = getattr(_reflex_app(application), "api_transformer", None)
    if transformers is None:
        return
    if _allows_all_origins():
        yield _warning("rxbridge.W015")
    added = transformers if isinstance(transformers, Sequence) else [transformers]
    if lost := sorted({path for each in added for path in _unrouted(each, routes(application))}):
        yield _warning("rxbridge.W022", routes=", ".join(lost), first=lost[0])


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
            yield _warning("rxbridge.W006", bundle=bundle)
        elif not _is_of_states(bundle, _reflex_app(application)):
            yield _warning("rxbridge.W021", bundle=bundle)


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
        yield _warning("rxbridge.W016", headers=", ".join(name for name in asked if asked[name]))


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
            yield _warning("rxbridge.W009", middleware=row.middleware, hook=row.hook, reason=reason)


def _connections(
    bridge: EventBridge, workers: int, limits: Mapping[str, int]
) -> Iterator[checks.CheckMessage]:
    threads = bridge.runner.threads
    for alias in connections:
        connection = connections[alias]
        limit = limits.get(alias, _CONNECTION_LIMITS.get(connection.vendor))
        held = _held_by_a_process(connection.settings_dict, threads)
        if limit is not None and held * workers > limit:
            yield _warning("rxbridge.W010", alias=alias, held=held, workers=workers, limit=limit)


def _pools(bridge: EventBridge) -> Iterator[checks.CheckMessage]:
    from rxbridge.events.chain.runner import releases_connections

    threads = bridge.runner.threads
    if threads is None or releases_connections(threads):
        return
    for alias in connections:
        size = _pool_size(connections[alias].settings_dict)
        if 0 < size < threads.limit:
            yield _warning("rxbridge.W017", alias=alias, size=size, limit=threads.limit)


def _transactions() -> Iterator[checks.CheckMessage]:
    from rxbridge.events.reflex import handlers_without_transaction

    if names := sorted(handlers_without_transaction()):
        yield _warning("rxbridge.W018", names=", ".join(names))


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
        yield _warning("rxbridge.W012")
    if _reflex_config().state_manager_mode.value != "redis":
        yield _warning("rxbridge.W013")


def _until_stored() -> Iterator[checks.CheckMessage]:
    from rxbridge.events.reflex import seconds_until_stored

    if seconds := seconds_until_stored(_reflex_config()):
        lost = "all states" if seconds == math.inf else f"what {seconds:g} seconds changed"
        yield _warning("rxbridge.W019", lost=lost)


def _reflex_config() -> Any:
    import reflex as rx

    return rx.config.get_config()
