"""Each check in the case that triggers it and in the nearest one that does not."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import reflex as rx
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.core.cache import caches
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path, re_path
from reflex_base.registry import RegistrationContext
from starlette.applications import Starlette
from starlette.routing import Route

from rxbridge.asgi import (
    REFLEX_PREFIXES,
    CacheTickets,
    ConnectionRegistry,
    CookieHandoff,
    OriginGuard,
    PrefixRouter,
    SPAStaticApp,
    reflex_prefixes,
)
from rxbridge.django import PageHeaders, SPAView, check_application, spa_urlpatterns
from rxbridge.django.checks import check_asgi_application, check_project
from rxbridge.django.urls import admin_urlpatterns
from rxbridge.events import (
    EventBridge,
    MiddlewareRunner,
    SyntheticRequestFactory,
    database_threads,
    login_required,
)
from rxbridge.events.reflex import state_schema
from rxbridge.state.auth import session_auth_mixin
from tests.django_app.site import FILES, manage

REPOSITORY = Path(__file__).parent.parent.parent
ALL = [f"rxbridge.W{number:03}" for number in range(1, 23)]

urlpatterns: list[Any] = []


def view(request: object) -> HttpResponse:
    return HttpResponse()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the ASGI app of Reflex."""


SPA = spa_urlpatterns(app)


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path: Path):
    """A project without a fault, in a directory without ``rxconfig.py``."""
    urlpatterns[:] = [path("api/items/", view)]
    config = rx.Config(app_name="x", cors_allowed_origins=["*"])
    monkeypatch.setattr("rxbridge.django.checks._reflex_config", lambda: config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WEB_CONCURRENCY", raising=False)
    faultless = {"ROOT_URLCONF": __name__, "BASE_DIR": tmp_path, "SESSION_COOKIE_SECURE": True}
    with override_settings(**faultless):
        yield config


def ids(messages: Iterable[Any]) -> list[str]:
    messages = list(messages)
    assert all(message.hint for message in messages), "a message without a remedy"
    return [message.id for message in messages]


def router(more: dict[str, Any] | None = None, **options: Any) -> PrefixRouter:
    """A router without a fault, unless ``more`` brings one."""
    reflex = OriginGuard(app, allowed=[])
    return PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, reflex) | (more or {}), **options)


def bridge(
    middleware: Any = (),
    *,
    limit: int = 10,
    keep: float = 0.0,
    release: bool = False,
    handoff: Any = None,
    **options: Any,
) -> EventBridge:
    threads = database_threads(limit=limit, keep=keep, release=release)
    runner = MiddlewareRunner(middleware, threads=threads, **options)
    return EventBridge(requests=SyntheticRequestFactory(), runner=runner, handoff=handoff)


def test_nothing_is_found_in_a_faultless_project():
    assert check_project() == []
    assert check_application(router(), bridge=bridge(), workers=1) == []


DJANGO = get_asgi_application()
WRAPPED = ASGIStaticFilesHandler(DJANGO)


class TestW001PrefixWithoutUrl:
    @pytest.mark.parametrize("django", [DJANGO, WRAPPED, ConnectionRegistry().wrap(DJANGO)])
    @pytest.mark.parametrize("prefix", ["/shop", "/apis", "/api/items/more"])
    def test_triggered(self, prefix: str, django: Any):
        routed = router({"/api": DJANGO, prefix: django})
        assert ids(check_application(routed)) == ["rxbridge.W001"]

    @pytest.mark.parametrize("prefix", ["/api", "/api/items", "/static"])
    def test_not_triggered(self, prefix: str):
        assert check_application(router({"/api": DJANGO, prefix: WRAPPED})) == []

    @pytest.mark.parametrize(
        "pattern",
        [path("<slug:any>/", view), re_path(r"^sh(op|ip)/", view), path("shop/<x>", view)],
    )
    def test_not_triggered_by_variable_patterns(self, pattern: Any):
        urlpatterns[:] = [pattern]
        assert check_application(router({"/shop": DJANGO})) == []

    def test_catch_all_is_no_url_behind_a_prefix(self):
        urlpatterns[:] = SPA
        assert ids(check_application(router({"/shop": DJANGO}))) == ["rxbridge.W001"]

    def test_prefix_of_another_app_is_not_djangos_matter(self):
        assert check_application(router({"/shop": app})) == []


class TestW014UrlWithoutPrefix:
    @pytest.mark.parametrize(
        ("pattern", "lost"),
        [
            (path("reports/<int:pk>/", view), "/reports"),
            (path("apis/", view), "/apis"),
            (path("", view), "/"),
            (path("shop/", include([path("cart/", view)])), "/shop"),
        ],
    )
    def test_triggered(self, pattern: Any, lost: str):
        urlpatterns.append(pattern)
        (message,) = check_application(router({"/api": WRAPPED}, default=app))
        assert (message.id, f" {lost}," in message.msg) == ("rxbridge.W014", True)

    @pytest.mark.parametrize(
        "pattern",
        [path("api/", view), path("<slug:any>/", view), re_path(r"^a(pi|x)/", view), *SPA],
    )
    def test_not_triggered(self, pattern: Any):
        urlpatterns.append(pattern)
        assert check_application(router({"/api": DJANGO}, default=app)) == []

    @pytest.mark.parametrize("more", [{"default": DJANGO}, {"default": WRAPPED}])
    def test_not_triggered_where_django_is_the_default(self, more: Any):
        urlpatterns.append(path("reports/", view))
        assert check_application(router(**more)) == []

    def test_not_triggered_where_django_is_outside(self):
        urlpatterns.append(path("reports/", view))
        assert check_application(router(default=app)) == []


class TestW015CorsAroundDjango:
    @pytest.fixture
    def make_app(self) -> Iterator[Any]:
        with RegistrationContext.ensure_context().fork():
            yield rx.App

    @pytest.mark.parametrize("origins", [["*"], ["https://shop.example", "*"]])
    def test_triggered(self, make_app: Any, quiet: rx.Config, origins: list[str]):
        quiet.cors_allowed_origins = origins
        inside = make_app(api_transformer=lambda reflex: reflex)
        assert ids(check_application(inside)) == ["rxbridge.W015"]

    @pytest.mark.parametrize("origins", [[], ["https://shop.example"]])
    def test_not_triggered_where_others_are_not_allowed(
        self, make_app: Any, quiet: rx.Config, origins: list[str]
    ):
        quiet.cors_allowed_origins = origins
        assert check_application(make_app(api_transformer=lambda reflex: reflex)) == []

    def test_not_triggered_where_nothing_is_inside(self, make_app: Any, quiet: rx.Config):
        quiet.cors_allowed_origins = ["*"]
        assert check_application(make_app()) == []


class TestW022ApiTransformerWithoutRoute:
    @pytest.fixture
    def make_app(self) -> Iterator[Any]:
        with RegistrationContext.ensure_context().fork():
            yield rx.App

    @pytest.fixture(autouse=True)
    def closed(self, quiet: rx.Config):
        quiet.cors_allowed_origins = []

    @staticmethod
    def api(*paths: str) -> Starlette:
        return Starlette(routes=[Route(each, view) for each in paths])

    @staticmethod
    def served(inside: rx.App, *prefixes: str, **options: Any) -> PrefixRouter:
        reflex = OriginGuard(ConnectionRegistry().wrap(inside), allowed=[])
        return PrefixRouter(dict.fromkeys([*REFLEX_PREFIXES, *prefixes], reflex), **options)

    def test_triggered(self, make_app: Any):
        inside = make_app(api_transformer=self.api("/v1/items", "/v1/items/{pk}", "/hooks"))
        (message,) = check_application(self.served(inside))
        assert (message.id, " /hooks, /v1 of" in message.msg) == ("rxbridge.W022", True)

    def test_triggered_by_one_of_several_and_by_a_prefix_that_goes_elsewhere(self, make_app: Any):
        inside = make_app(api_transformer=[lambda reflex: reflex, self.api("/v1/items")])
        routed = self.served(inside)
        elsewhere = PrefixRouter({**routed.routes, "/v1": app})
        assert ids(check_application(elsewhere)) == ["rxbridge.W022"]

    @pytest.mark.parametrize("prefix", ["/v1", "/v1/items"])
    def test_not_triggered(self, make_app: Any, prefix: str):
        inside = make_app(api_transformer=self.api("/v1/items", "/v1/items/{pk}"))
        inside.api_transformer.mount("", inside)  # As Reflex does when it is called.
        assert check_application(self.served(inside, prefix)) == []

    def test_not_triggered_where_reflex_is_the_default(self, make_app: Any):
        inside = make_app(api_transformer=self.api("/v1/items"))
        assert check_application(self.served(inside, default=inside)) == []

    def test_not_triggered_without_a_router_or_routes(self, make_app: Any):
        inside = make_app(api_transformer=self.api("/v1/items"))
        assert check_application(inside) == []
        inside.api_transformer = lambda reflex: reflex
        assert check_application(self.served(inside)) == []


class TestW021OtherStates:
    @pytest.fixture
    def stateful(self) -> Iterator[rx.App]:
        with RegistrationContext.ensure_context().fork():
            yield rx.App()

    @staticmethod
    def bundle(folder: Path, script: str) -> PageHeaders:
        (folder / "assets").mkdir()
        (folder / "index.html").write_text("")
        (folder / "assets/context-WVs9H9Lj.js").write_text(script)
        return PageHeaders(SPAStaticApp(folder))

    def test_triggered(self, stateful: rx.App, tmp_path: Path):
        pages = self.bundle(tmp_path, f"var s=`{'0' * 32}`")
        reflex = OriginGuard(stateful, allowed=[])
        routed = PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, reflex), default=pages)
        assert ids(check_application(routed)) == ["rxbridge.W021"]
        urlpatterns[:] = spa_urlpatterns(pages)
        routed = PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, reflex), default=DJANGO)
        assert ids(check_application(routed)) == ["rxbridge.W021"]

    def test_not_triggered(self, stateful: rx.App, tmp_path: Path):
        pages = self.bundle(tmp_path, f"var s=`{state_schema(stateful)}`")
        reflex = OriginGuard(stateful, allowed=[])
        routed = PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, reflex), default=pages)
        assert check_application(routed) == []
        stateful._state = None
        assert check_application(routed) == []


class TestW002ReflexWithoutRoute:
    def test_triggered(self):
        assert ids(check_application(PrefixRouter({"/api": DJANGO}))) == ["rxbridge.W002"]

    def test_triggered_by_a_backend_path(self, quiet: rx.Config):
        quiet.backend_path = "/back"
        assert ids(check_application(router())) == ["rxbridge.W002"]

    @pytest.mark.parametrize("prefixes", [reflex_prefixes("back"), ["/back"]])
    def test_not_triggered_by_a_backend_path_that_is_routed(
        self, quiet: rx.Config, prefixes: Iterable[str]
    ):
        quiet.backend_path = "/back"
        routed = dict.fromkeys(prefixes, OriginGuard(app, allowed=[]))
        assert check_application(PrefixRouter(routed)) == []

    def test_not_triggered_where_reflex_is_the_default(self):
        assert check_application(PrefixRouter({"/api": DJANGO}, default=app)) == []

    def test_not_triggered_without_a_router_to_look_into(self):
        assert check_application(app) == []


class TestW003ReservedUrl:
    @pytest.mark.parametrize("route", ["ping", "ping/", "_event/x", "_upload/<int:pk>/"])
    def test_triggered(self, route: str):
        urlpatterns[:] = [path(route, view)]
        assert ids(check_project()) == ["rxbridge.W003"]

    def test_triggered_by_an_include(self):
        urlpatterns[:] = [path("_health/", include([path("db/", view)]))]
        assert ids(check_project()) == ["rxbridge.W003"]

    @pytest.mark.parametrize(("route", "is_reserved"), [("ping/", False), ("back/ping/", True)])
    def test_goes_by_the_backend_path(self, quiet: rx.Config, route: str, is_reserved: bool):
        quiet.backend_path = "/back"
        urlpatterns[:] = [path(route, view)]
        assert ids(check_project()) == ["rxbridge.W003"] * is_reserved

    @pytest.mark.parametrize("route", ["pingpong/", "api/ping/", "<slug:ping>/"])
    def test_not_triggered(self, route: str):
        urlpatterns[:] = [path(route, view)]
        assert check_project() == []


class TestW004ShadowedSpa:
    @pytest.mark.parametrize(
        "pattern",
        [
            path("<path:any>", view),
            re_path(r"^.*$", view),
            re_path(r".*", view),
            re_path(r"^(?P<rest>.*)$", view),
        ],
    )
    def test_triggered(self, pattern: Any):
        urlpatterns[:] = [pattern, *SPA]
        assert ids(check_project()) == ["rxbridge.W004"]

    @pytest.mark.parametrize(
        "pattern",
        [
            path("docs/<path:any>", view),
            path("<slug:x>/", view),
            path("<path:x>/", view),
            *admin_urlpatterns(),
        ],
    )
    def test_not_triggered(self, pattern: Any):
        urlpatterns[:] = [pattern, *SPA]
        assert check_project() == []

    def test_not_triggered_without_a_spa(self):
        urlpatterns[:] = [path("<path:any>", view), path("x", view)]
        assert check_project() == []


class TestW005SpaNotLast:
    def test_triggered(self):
        urlpatterns[:] = [*SPA, path("late/", view)]
        (message,) = check_project()
        assert (message.id, "late/" in message.msg) == ("rxbridge.W005", True)

    def test_not_triggered_by_one_below_a_path(self):
        pages = SPAView.as_view(pages=app)
        urlpatterns[:] = [re_path(r"^shop/.*$", pages), path("late/", view), *SPA]
        assert check_project() == []


class TestBundle:
    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        (tmp_path / "rxconfig.py").write_text(FILES["rxconfig.py"])
        return tmp_path

    @staticmethod
    def build(bundle: Path, **stamp: Any) -> None:
        bundle.mkdir(parents=True)
        (bundle / "index.html").write_text("")
        from importlib.metadata import version

        stamp = {"reflex": version("reflex"), "ui": "", "sources": {}} | stamp
        (bundle / ".rxbridge.json").write_text(json.dumps(stamp))

    def test_missing_is_not_said_by_every_command(self, project: Path):
        assert check_project() == []

    def test_not_missing_nor_stale(self, project: Path):
        self.build(project / ".web/build/client")
        assert check_project() == []

    def test_not_missing_when_staged(self, project: Path):
        self.build(project / "static/_reflex")
        with override_settings(STATIC_ROOT=project / "static"):
            assert check_project() == []

    @pytest.mark.parametrize("stamp", [{"sources": {"rxconfig.py": "old"}}, {"reflex": "0.9"}])
    @pytest.mark.parametrize("place", [".web/build/client", "static/_reflex"])
    def test_w007_stale(self, project: Path, place: str, stamp: dict[str, Any]):
        self.build(project / place, **stamp)
        with override_settings(STATIC_ROOT=project / "static"):
            assert ids(check_project()) == ["rxbridge.W007"]

    def test_bundle_of_unknown_age_is_not_called_stale(self, project: Path):
        self.build(project / ".web/build/client")
        (project / ".web/build/client/.rxbridge.json").unlink()
        assert check_project() == []

    @pytest.mark.parametrize("built", [False, True])
    def test_w006_of_an_application(self, tmp_path: Path, built: bool):
        pages = SPAStaticApp(tmp_path / "bundle")
        if built:
            self.build(tmp_path / "bundle")
        expected = [] if built else ["rxbridge.W006"]
        wrapped = ConnectionRegistry().identify_browsers(PageHeaders(pages))
        assert ids(check_application(router(default=wrapped))) == expected
        urlpatterns[:] = spa_urlpatterns(pages)
        assert ids(check_application(router(default=DJANGO))) == expected


class TestW016PagesWithoutHeaders:
    @pytest.fixture
    def pages(self, tmp_path: Path) -> SPAStaticApp:
        (tmp_path / "index.html").write_text("<html></html>")
        return SPAStaticApp(tmp_path)

    def test_what_views_have_and_pages_lack(self, pages: SPAStaticApp):
        wrapped = ConnectionRegistry().identify_browsers(pages)
        with override_settings(SECURE_SSL_REDIRECT=True, SECURE_HSTS_SECONDS=60):
            (message,) = check_application(router(default=wrapped))
        assert message.id == "rxbridge.W016"
        assert message.msg == (
            "Views have what pages lack: the redirect to https, Strict-Transport-Security, "
            "Referrer-Policy, Cross-Origin-Opener-Policy, X-Frame-Options."
        )

    def test_pages_at_a_prefix(self, pages: SPAStaticApp):
        nested = router(default=PrefixRouter({"/garden": pages}))
        assert ids(check_application(nested)) == ["rxbridge.W016"]

    def test_only_what_the_settings_ask_for(self, pages: SPAStaticApp):
        frames = "django.middleware.clickjacking.XFrameOptionsMiddleware"
        with override_settings(MIDDLEWARE=[frames]):
            (message,) = check_application(router(default=pages))
        assert message.msg == "Views have what pages lack: X-Frame-Options."
        with override_settings(MIDDLEWARE=[]):
            assert check_application(router(default=pages)) == []

    def test_page_headers_around_the_pages_or_around_everything(self, pages: SPAStaticApp):
        assert check_application(router(default=PageHeaders(pages))) == []
        assert check_application(router(default=PageHeaders(PrefixRouter({"/a": pages})))) == []
        assert check_application(PageHeaders(router(default=pages))) == []

    def test_what_cannot_be_told_is_not_judged(self, pages: SPAStaticApp):
        class OwnHeaders:
            def __init__(self, app: Any) -> None:
                self.app = app

            async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

        assert check_application(router(default=OwnHeaders(pages))) == []
        assert check_application(OwnHeaders(router(default=pages))) == []

    def test_scripts_without_the_pages(self, pages: SPAStaticApp):
        assert check_application(router({"/assets": pages}, default=DJANGO)) == []


class TestW008WildcardOrigins:
    def test_triggered(self):
        bare = PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, ConnectionRegistry().wrap(app)))
        assert ids(check_application(bare)) == ["rxbridge.W008"]

    def test_triggered_by_a_guard_that_lets_all_pass(self):
        guard = OriginGuard(app, allowed=["*"])
        assert ids(check_application(router({"/_event": guard}))) == ["rxbridge.W008"]

    def test_not_triggered_by_origins_that_reflex_checks(self, quiet: rx.Config):
        quiet.cors_allowed_origins = ("https://example.com",)
        assert check_application(PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, app))) == []

    def test_guard_is_seen_inside_of_a_registry(self):
        guarded = ConnectionRegistry().wrap(OriginGuard(app, allowed=[]))
        assert check_application(PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, guarded))) == []


class TestW009EventChain:
    CACHE = "django.middleware.cache.FetchFromCacheMiddleware"

    def test_triggered(self):
        assert ids(check_application(app, bridge=bridge([self.CACHE], skip={}))) == [
            "rxbridge.W009"
        ]

    def test_not_triggered_where_it_is_skipped(self):
        assert check_application(app, bridge=bridge([self.CACHE])) == []


class TestW010Connections:
    @staticmethod
    def check(
        database: dict[str, Any],
        *,
        limit: int = 40,
        keep: float = 0.0,
        workers: int = 2,
        most: int = 79,
    ) -> Any:
        from django.db import connections

        settings = connections["default"].settings_dict
        before = dict(settings)
        settings.update(database)
        try:
            return check_application(
                app,
                bridge=bridge(limit=limit, keep=keep, handoff=None),
                workers=workers,
                max_connections={"default": most},
            )
        finally:
            settings.clear()
            settings.update(before)

    @pytest.fixture(autouse=True)
    def redis(self, quiet: rx.Config):
        quiet.state_manager_mode = type(quiet.state_manager_mode)("redis")

    @pytest.mark.parametrize(
        "database",
        [{"CONN_MAX_AGE": 60}, {"CONN_MAX_AGE": None}, {"OPTIONS": {"pool": {"max_size": 40}}}],
    )
    def test_triggered(self, database: dict[str, Any]):
        assert ids(self.check(database)) == ["rxbridge.W010"]

    @pytest.mark.parametrize(
        ("database", "options"),
        [
            ({"CONN_MAX_AGE": 60}, {"most": 80}),
            ({"CONN_MAX_AGE": 60}, {"workers": 1}),
            ({"CONN_MAX_AGE": 60}, {"limit": 39}),
            ({"CONN_MAX_AGE": 0}, {}),
            ({"OPTIONS": {"pool": True}}, {"limit": 4}),
        ],
    )
    def test_not_triggered(self, database: dict[str, Any], options: dict[str, int]):
        assert self.check(database, **options) == []

    def test_triggered_by_threads_that_keep_their_connections(self):
        assert ids(self.check({"CONN_MAX_AGE": 0}, keep=60.0)) == ["rxbridge.W010"]


class TestW017Pool:
    @staticmethod
    def check(monkeypatch: pytest.MonkeyPatch, pool: Any, **options: Any) -> Any:
        from django.db import connections

        monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", {"pool": pool})
        return check_application(app, bridge=bridge(**options), workers=1)

    @pytest.mark.parametrize("pool", [True, {"min_size": 1}, {"max_size": 9}])
    def test_triggered(self, monkeypatch: pytest.MonkeyPatch, pool: Any):
        (found,) = self.check(monkeypatch, pool)
        assert found.id == "rxbridge.W017"
        assert "release=True" in (found.hint or "")

    @pytest.mark.parametrize(
        ("pool", "options"),
        [(False, {}), (True, {"release": True}), (True, {"limit": 4}), ({"max_size": 10}, {})],
    )
    def test_not_triggered(
        self, monkeypatch: pytest.MonkeyPatch, pool: Any, options: dict[str, Any]
    ):
        assert self.check(monkeypatch, pool, **options) == []


class TestW018Transactions:
    @pytest.fixture(autouse=True)
    def handlers(self) -> Iterator[None]:
        with RegistrationContext():

            class Desk(rx.State):
                @rx.event
                def plain(self): ...

                @rx.event(background=True)
                async def task(self): ...

                @rx.event
                @transaction.non_atomic_requests
                @login_required
                async def marked_guarded(self): ...

                @rx.event
                @transaction.non_atomic_requests
                async def marked(self): ...

            class Guarded(rx.State, mixin=True):
                @rx.event
                @login_required
                async def guarded(self): ...

            class Account(session_auth_mixin(), rx.State):
                __module__ = "shop.state"
                __qualname__ = "Account"

            class Till(Guarded, rx.State):
                @rx.event
                def steps(self):
                    yield

                @rx.event
                @transaction.non_atomic_requests(using="other")
                async def async_steps(self):
                    yield

            yield

    @staticmethod
    def check(monkeypatch: pytest.MonkeyPatch, *, atomic: bool) -> Any:
        monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", atomic)
        return check_application(app, bridge=bridge(), workers=1)

    def test_triggered(self, monkeypatch: pytest.MonkeyPatch):
        (found,) = self.check(monkeypatch, atomic=True)
        assert found.id == "rxbridge.W018"
        names = re.findall(r"(\w+)\.(\w+)(?:,|\.$)", found.msg)
        assert names == [("Guarded", "guarded"), ("Till", "async_steps"), ("Till", "steps")]

    def test_not_triggered(self, monkeypatch: pytest.MonkeyPatch):
        assert self.check(monkeypatch, atomic=False) == []


class TestW011SessionCookie:
    @pytest.mark.parametrize(
        "settings",
        [
            {"SESSION_COOKIE_HTTPONLY": False},
            {"SESSION_COOKIE_HTTPONLY": False, "DEBUG": True},
            {"SESSION_COOKIE_SECURE": False},
        ],
    )
    def test_triggered(self, settings: dict[str, bool]):
        with override_settings(**settings):
            assert ids(check_project()) == ["rxbridge.W011"]

    def test_insecure_cookie_is_fine_in_development(self):
        with override_settings(DEBUG=True, SESSION_COOKIE_SECURE=False):
            assert check_project() == []

    def test_insecure_cookie_is_fine_in_tests(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr("sys.argv", ["manage.py", "test"])
        with override_settings(SESSION_COOKIE_SECURE=False):
            assert check_project() == []


class TestSeveralWorkers:
    @pytest.fixture
    def redis(self, quiet: rx.Config):
        quiet.state_manager_mode = type(quiet.state_manager_mode)("redis")

    @pytest.mark.parametrize(("workers", "expected"), [(1, []), (2, ["rxbridge.W012"])])
    def test_w012_tickets_in_memory(self, redis: None, workers: int, expected: list[str]):
        handoff = CookieHandoff(ConnectionRegistry())
        found = check_application(app, bridge=bridge(handoff=handoff), workers=workers)
        assert ids(found) == expected

    def test_w012_not_triggered_by_a_shared_store(self, redis: None):
        handoff = CookieHandoff(ConnectionRegistry(), tickets=CacheTickets(caches["default"]))
        assert check_application(app, bridge=bridge(handoff=handoff), workers=2) == []

    @pytest.mark.parametrize("mode", ["memory", "disk"])
    def test_w013_states_of_one_process(self, quiet: rx.Config, mode: str):
        quiet.state_manager_mode = type(quiet.state_manager_mode)(mode)
        assert ids(check_application(app, workers=2)) == ["rxbridge.W013"]
        assert check_application(app, workers=1) == []

    def test_w013_not_triggered_by_redis(self, redis: None):
        assert check_application(app, workers=2) == []

    def test_workers_are_those_the_environment_names(self, monkeypatch):
        monkeypatch.setenv("WEB_CONCURRENCY", "3")
        assert ids(check_application(app)) == ["rxbridge.W013"]


def test_asgi_application_is_that_of_the_settings():
    with override_settings(ASGI_APPLICATION=f"{__name__}.faulty"):
        assert ids(check_asgi_application()) == ["rxbridge.W008", "rxbridge.W019"]
    with override_settings(ASGI_APPLICATION=None):
        assert check_asgi_application() == []


@pytest.mark.parametrize(
    ("mode", "debounce", "told"),
    [
        ("disk", None, "2 seconds"),
        ("disk", "0", None),
        ("memory", "0", "all states"),
        ("redis", None, None),
    ],
)
def test_w019_states_that_a_killed_process_forgets(quiet, monkeypatch, mode, debounce, told):
    quiet.state_manager_mode = type(quiet.state_manager_mode)(mode)
    if debounce is not None:
        monkeypatch.setenv("REFLEX_STATE_MANAGER_DISK_DEBOUNCE", debounce)
    with override_settings(ASGI_APPLICATION=f"{__name__}.faulty"):
        found = [each for each in check_asgi_application() if each.id == "rxbridge.W019"]
    assert [told in each.msg for each in found] == ([] if told is None else [True])


faulty = PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, app))


@pytest.mark.parametrize(
    ("command", "of", "expected"),
    [
        ("runserver", "django.contrib.staticfiles", ["rxbridge.W020"]),
        ("runserver", "daphne", []),
        ("migrate", "django.contrib.staticfiles", []),
    ],
)
def test_w020_runserver_of_views_alone(monkeypatch, command: str, of: str, expected: list[str]):
    monkeypatch.setattr("sys.argv", ["manage.py", command])
    monkeypatch.setattr("rxbridge.django.checks.get_commands", lambda: {"runserver": of})
    assert ids(check_project()) == expected


def test_manage_py_check_says_them(built: Path, tmp_path: Path, monkeypatch):
    assert "no issues" in manage(built, "check").stdout
    monkeypatch.setenv("REFLEX_STATE_MANAGER_DISK_DEBOUNCE", "0")
    result = manage(built, "check", "--deploy")
    assert "rxbridge" not in result.stdout, result.stdout
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text.lstrip())
    assert "no issues" in manage(tmp_path, "check").stdout
    result = manage(tmp_path, "check", "--deploy")
    assert result.stdout.count("(rxbridge.W006)") == 1
    assert "manage.py export_reflex" in result.stdout


def test_every_check_has_a_text_a_section_in_the_docs_and_a_test():
    docs = (REPOSITORY / "docs" / "checks.md").read_text()
    code = REPOSITORY / "rxbridge" / "django" / "checks.py"
    assert sorted(set(re.findall(r'"(rxbridge\.W\d+)"', code.read_text()))) == ALL
    assert list(tomllib.loads(code.with_suffix(".toml").read_text("utf-8"))) == ALL
    assert re.findall(r"^## (rxbridge\.W\d+)", docs, re.MULTILINE) == ALL
