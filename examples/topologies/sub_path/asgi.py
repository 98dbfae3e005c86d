"""The Reflex app lives below /garden, the rest of the site is Django's."""

import os
from pathlib import Path

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "garden.settings")
django = ASGIStaticFilesHandler(get_asgi_application())

from rxbridge.asgi import OriginGuard, PrefixRouter, SPAStaticApp, reflex_prefixes
from rxbridge.django import PageHeaders
from rxbridge.events import reflex_asgi

from garden.ui import app, connections

BUNDLE = Path(__file__).parent / ".web" / "build" / "client"

reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
pages = PageHeaders(SPAStaticApp(BUNDLE, is_route=app.router))
application = PrefixRouter(
    {**dict.fromkeys(reflex_prefixes("/garden"), reflex), "/garden": pages},
    default=django,
    lifespan=reflex,
)
