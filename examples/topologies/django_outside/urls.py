"""The garden's URLs, and the pages for everything else."""

from django.urls import path
from rxbridge.asgi import SPAStaticApp
from rxbridge.django import admin_urlpatterns, spa_urlpatterns

from garden.settings import BUNDLE
from garden.ui import app
from garden.urls import whoami

# Asked when a request comes: this may be imported before the app has all its pages.
pages = SPAStaticApp(BUNDLE, is_route=lambda path: app.router(path))  # noqa: PLW0108

urlpatterns = [
    *admin_urlpatterns(),
    path("api/whoami/", whoami),
    *spa_urlpatterns(pages),
]
