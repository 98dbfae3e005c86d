"""One port: Django's admin and attachments, Reflex's events, and the pages."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "helpdesk.settings")
django = get_asgi_application()

from rxbridge.asgi import REFLEX_PREFIXES, LifespanGroup, OriginGuard, PrefixRouter, SPAStaticApp
from rxbridge.django import PageHeaders
from rxbridge.events import reflex_asgi

from helpdesk.ui import app, connections, sessions

views = connections.identify_browsers(django)
events = reflex_asgi(app, max_upload=6 * 1024 * 1024)
reflex = OriginGuard.from_settings(connections.wrap(events))
application = PrefixRouter(
    dict.fromkeys(REFLEX_PREFIXES, reflex)
    | {"/admin": views, "/attachments": views, sessions.path: sessions},
    default=PageHeaders(SPAStaticApp(is_route=app.router)),
    lifespan=LifespanGroup(sessions, reflex),
)
