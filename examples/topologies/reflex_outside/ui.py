"""The garden's app with Django inside: `reflex run` serves both when `rxconfig.py` names this."""

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from rxbridge.asgi import REFLEX_PREFIXES, OriginGuard, PrefixRouter, SPAStaticApp
from rxbridge.django import PageHeaders

from garden.settings import BUNDLE
from garden.ui import app, connections

django = ASGIStaticFilesHandler(get_asgi_application())


def with_django(reflex):
    """Put Django and the pages beside Reflex's own endpoints."""
    guarded = OriginGuard.from_settings(connections.wrap(reflex))
    return PrefixRouter(
        dict.fromkeys(REFLEX_PREFIXES, guarded)
        | dict.fromkeys(["/admin", "/api", "/static"], django),
        default=PageHeaders(SPAStaticApp(BUNDLE, is_route=app.router)),
    )


app.api_transformer = with_django
