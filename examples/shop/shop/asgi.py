"""One port: Django's admin and API, Reflex's events, and the pages."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django = ASGIStaticFilesHandler(get_asgi_application())

from rxbridge.asgi import REFLEX_PREFIXES, LifespanGroup, OriginGuard, PrefixRouter, SPAStaticApp
from rxbridge.django import PageHeaders
from rxbridge.events import reflex_asgi

from shop.settings import BUNDLE
from shop.sockets import connections, sessions, trace
from shop.ui import app

views = connections.identify_browsers(django)
reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
application = PrefixRouter(
    dict.fromkeys(REFLEX_PREFIXES, reflex)
    | dict.fromkeys(["/accounts", "/admin", "/api", "/media", "/static"], views)
    | {sessions.path: sessions, "/_trace": trace},
    default=connections.identify_browsers(PageHeaders(SPAStaticApp(BUNDLE, is_route=app.router))),
    lifespan=LifespanGroup(sessions, reflex),
)
