"""Django is the default: a page load passes through `settings.MIDDLEWARE`."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_outside.settings")
django = ASGIStaticFilesHandler(get_asgi_application())

from rxbridge.asgi import REFLEX_PREFIXES, OriginGuard, PrefixRouter
from rxbridge.events import reflex_asgi

from django_outside.urls import pages
from garden.ui import app, connections

reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
application = PrefixRouter(
    # Scripts are the same for everyone, so they need not pass through Django.
    {**dict.fromkeys(REFLEX_PREFIXES, reflex), "/assets": pages},
    default=django,
    lifespan=reflex,
)
