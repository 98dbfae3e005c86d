"""The Django side of the tests' site: one page, and the URLs of whichever package is installed."""

from django.apps import apps
from django.contrib import admin
from django.urls import include, path

from tests.ecosystem.pieces import page

PACKAGES = {
    "allauth": ("accounts/", "allauth.urls"),
    "django_auth_adfs": ("oauth2/", "django_auth_adfs.urls"),
    "debug_toolbar": ("__debug__/", "debug_toolbar.urls"),
    "hijack": ("hijack/", "hijack.urls"),
    "impersonate": ("impersonate/", "impersonate.urls"),
    "mozilla_django_oidc": ("oidc/", "mozilla_django_oidc.urls"),
    "silk": ("silk/", "silk.urls"),
    "user_sessions": ("", "user_sessions.urls"),
}

urlpatterns = [
    path("", page, name="home"),
    path("admin/", admin.site.urls),
    *(
        path(prefix, include(module))
        for package, (prefix, module) in PACKAGES.items()
        if apps.is_installed(package)
    ),
]
