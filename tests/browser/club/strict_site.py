"""The club with its pages answered by Django, which sends a Content-Security-Policy with them."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.club.strict_settings")
django = ASGIStaticFilesHandler(get_asgi_application())

from django.middleware.csp import get_nonce  # noqa: E402 - Django comes first

from rxbridge.asgi import LifespanGroup, PrefixRouter, SPAStaticApp  # noqa: E402
from rxbridge.django import spa_urlpatterns  # noqa: E402
from tests.browser.club import urls  # noqa: E402
from tests.browser.club.asgi import BUNDLE, reflex, revoker, sockets  # noqa: E402
from tests.browser.club.ui import app, connections  # noqa: E402

pages = SPAStaticApp(BUNDLE, is_route=app.router)
urlpatterns = [
    *urls.urlpatterns,
    *spa_urlpatterns(pages, nonce=lambda request: str(get_nonce(request))),
]
application = PrefixRouter(
    sockets | {"/assets": pages},
    default=connections.identify_browsers(django),
    lifespan=LifespanGroup(revoker.lifespan, reflex),
)
