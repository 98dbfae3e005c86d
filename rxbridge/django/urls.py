"""URL patterns: the admin at a path, and the pages of the bundle everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.urls import URLPattern, URLResolver, path, re_path
from django.views.generic.base import RedirectView

from rxbridge.django.views import SPAView

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite

    from rxbridge.asgi._types import ASGIApp


def spa_urlpatterns(
    pages: ASGIApp, *, view: type[SPAView] = SPAView, **options: Any
) -> list[URLPattern]:
    """Return the catch-all that serves ``pages``; it must come last.

    ``options`` are those of ``SPAView``::

        urlpatterns = [*admin_urlpatterns(), *spa_urlpatterns(pages)]
    """
    return [re_path(r"^.*$", view.as_view(pages=pages, **options), name="spa")]


def admin_urlpatterns(
    prefix: str = "admin/", *, site: AdminSite | None = None
) -> list[URLPattern | URLResolver]:
    """Return the admin's URLs, and a redirect to them from the path without its slash.

    Behind a catch-all Django's ``APPEND_SLASH`` has no effect, as every path is found. Raises
    ``ValueError`` for a prefix that is no path of its own.
    """
    if site is None:
        from django.contrib import admin

        site = admin.site
    bare = prefix.strip("/")
    if not bare or prefix.startswith("/"):
        msg = f"prefix={prefix!r} must be a path without a slash before it, like 'admin/'."
        raise ValueError(msg)
    redirect = RedirectView.as_view(pattern_name=f"{site.name}:index")
    return [path(bare, redirect), path(f"{bare}/", site.urls)]
