"""All of it, Django too, below a path that the proxy in front takes off: `/garden`."""

import os
from pathlib import Path

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "stripped.settings")
django = ASGIStaticFilesHandler(get_asgi_application())

from rxbridge.asgi import REFLEX_PREFIXES, OriginGuard, PrefixRouter, SPAStaticApp
from rxbridge.django import PageHeaders
from rxbridge.events import reflex_asgi

from garden.ui import app, connections

# The build keeps the pages below the path, which no request has when it arrives here.
BUNDLE = Path(__file__).parent / ".web" / "build" / "client" / "garden"

reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
application = PrefixRouter(
    dict.fromkeys(REFLEX_PREFIXES, reflex) | dict.fromkeys(["/admin", "/api", "/static"], django),
    default=PageHeaders(SPAStaticApp(BUNDLE, is_route=app.router)),
    lifespan=reflex,
)
