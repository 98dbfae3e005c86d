"""The optional Django app: management commands, system checks, the SPA inside Django's URLs."""

from rxbridge.django.checks import check_application
from rxbridge.django.color_mode import AdminColorMode
from rxbridge.django.page_headers import PageHeaders
from rxbridge.django.urls import admin_urlpatterns, spa_urlpatterns
from rxbridge.django.views import SPAView

__all__ = [
    "AdminColorMode",
    "PageHeaders",
    "SPAView",
    "admin_urlpatterns",
    "check_application",
    "spa_urlpatterns",
]
