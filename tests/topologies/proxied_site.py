"""An application that tells what Django makes of a request: by a view, and by an event."""

import json
import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.topologies.proxied_settings")

from django.core.asgi import get_asgi_application

django = get_asgi_application()

import reflex as rx  # noqa: E402 - Django comes first
from django.conf import settings  # noqa: E402
from django.contrib import admin  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.shortcuts import resolve_url  # noqa: E402
from django.urls import path, reverse  # noqa: E402

from rxbridge.asgi import (  # noqa: E402
    REFLEX_PREFIXES,
    ConnectionRegistry,
    LifespanGroup,
    OriginGuard,
    PrefixRouter,
)
from rxbridge.events import EventBridge, Sessions, login_required, reflex_asgi  # noqa: E402
from rxbridge.state import AppState  # noqa: E402


def told(request: HttpRequest) -> dict[str, object]:
    """Return what depends on the proxy, the server and the path the application is below."""
    return {
        "path": request.path,
        "path_info": request.path_info,
        "script_name": request.META["SCRIPT_NAME"],
        "reverse": reverse("admin:index"),
        "login": resolve_url(settings.LOGIN_URL),
        "absolute": request.build_absolute_uri(),
        "secure": request.is_secure(),
        "address": request.META.get("REMOTE_ADDR"),
    }


class Asked(AppState, rx.State):
    """What an event is told."""

    told: str = ""

    @rx.event
    def tell(self):
        self.told = json.dumps(told(self.request))

    @rx.event
    def keep(self):
        self.session["kept"] = "a cart"

    @rx.event
    @login_required
    def enter(self):
        self.told = "entered"


def view(request: HttpRequest) -> JsonResponse:
    return JsonResponse(told(request))


urlpatterns = [path("admin/", admin.site.urls), path("cart", view)]

connections = ConnectionRegistry()
app = rx.App()
app.add_page(rx.fragment, route="/")
app.add_page(rx.fragment, route="/cart")
# As a browser sees it, so with the path that the proxy takes off.
sessions = Sessions(connections, path=f"{rx.config.get_config().frontend_path}/_cookies")
app.add_middleware(EventBridge(connections, sessions=sessions))

reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
application = PrefixRouter(
    {**dict.fromkeys(REFLEX_PREFIXES, reflex), "/_cookies": sessions},
    default=django,
    lifespan=LifespanGroup(sessions, reflex),
)
