"""The pages are the default: what neither Reflex nor Django claims by a prefix is a page."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "garden.settings")
django = ASGIStaticFilesHandler(get_asgi_application())

from rxbridge.asgi import REFLEX_PREFIXES, OriginGuard, PrefixRouter, SPAStaticApp
from rxbridge.django import PageHeaders
from rxbridge.events import reflex_asgi

from garden.settings import BUNDLE
from garden.ui import app, connections

reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
application = PrefixRouter(
    dict.fromkeys(REFLEX_PREFIXES, reflex) | dict.fromkeys(["/admin", "/api", "/static"], django),
    default=PageHeaders(SPAStaticApp(BUNDLE, is_route=app.router)),
    lifespan=reflex,
)
