"""The Django side of the tests' site: one page, and the URLs of whichever package is installed."""

from django.apps import apps
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

PACKAGES = {
    "allauth": ("accounts/", "allauth.urls"),
    "debug_toolbar": ("__debug__/", "debug_toolbar.urls"),
    "hijack": ("hijack/", "hijack.urls"),
    "mozilla_django_oidc": ("oidc/", "mozilla_django_oidc.urls"),
    "silk": ("silk/", "silk.urls"),
    "user_sessions": ("", "user_sessions.urls"),
}


def page(request: HttpRequest) -> HttpResponse:
    """Answer as an ordinary page does."""
    return HttpResponse("<html><body>A page of Django's</body></html>")


urlpatterns = [
    path("", page, name="home"),
    path("admin/", admin.site.urls),
    *(
        path(prefix, include(module))
        for package, (prefix, module) in PACKAGES.items()
        if apps.is_installed(package)
    ),
]
