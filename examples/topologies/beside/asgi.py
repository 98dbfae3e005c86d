"""A Starlette app and a Channels consumer, each on a prefix of its own."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "garden.settings")
django = ASGIStaticFilesHandler(get_asgi_application())

from channels.auth import AuthMiddlewareStack
from rxbridge.asgi import (
    REFLEX_PREFIXES,
    LifespanGroup,
    OriginGuard,
    PrefixRouter,
    SPAStaticApp,
)
from rxbridge.django import PageHeaders
from rxbridge.events import reflex_asgi

from beside.echo import Echo
from beside.reports import reports
from garden.settings import BUNDLE
from garden.ui import app, connections

reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
echo = OriginGuard.from_settings(AuthMiddlewareStack(Echo.as_asgi()))
application = PrefixRouter(
    {
        **dict.fromkeys(REFLEX_PREFIXES, reflex),
        **dict.fromkeys(["/admin", "/api", "/static"], django),
        "/echo": echo,
        "/tools": PrefixRouter({"/tools/reports": reports}, strip_prefix=True),
    },
    default=PageHeaders(SPAStaticApp(BUNDLE, is_route=app.router)),
    lifespan=LifespanGroup(reflex, reports),
)
