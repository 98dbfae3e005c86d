"""SPAView: the pages of the bundle, answered by Django."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, ClassVar

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.template.loader import render_to_string
from django.utils.html import escape
from django.views.generic.base import ContextMixin, View

from rxbridge.asgi.spa import PAGES
from rxbridge.django._answer import answer_of, unconditional
from rxbridge.django._page import NONCE_MARK, PageParts, cut_at_head, with_nonce_mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from rxbridge.asgi._types import Scope

_CACHED = 64


class SPAView(ContextMixin, View):
    """Answer with the pages and files of ``pages``, an ``SPAStaticApp``, from inside Django.

    So a page load passes through ``settings.MIDDLEWARE``, and a page can be made personal:

    - ``head_template_name``: a template rendered into ``<head>``, after all else there.
    - ``template_name``: a template for the whole page instead, which puts the page's parts in
      their places: ``spa.html_attributes``, ``spa.head``, ``spa.body_attributes``, ``spa.body``.
    - ``nonce``: called with the request, returns the nonce that the page's own ``script``,
      ``style`` and ``link`` tags are given, such as ``operator.attrgetter("csp_nonce")``.

    Both templates are given context processors, ``extra_context`` and ``get_context_data()``.
    Nothing of the bundle is parsed as a template. A page is cut to pieces once per build; a
    personal one is answered with ``Cache-Control: private, no-store`` and no ETag. Without any
    of the three, pages and their headers are those of ``pages``::

        pages = SPAStaticApp(is_route=app.router)
        urlpatterns = [..., *spa_urlpatterns(pages, head_template_name="spa/head.html")]

    Raises ``ImproperlyConfigured`` from ``as_view()`` for options that cannot work.
    """

    http_method_names: ClassVar[list[str]] = ["get", "head", "options"]  # type: ignore[misc]
    pages: Any = None
    head_template_name: str | None = None
    template_name: str | None = None
    nonce: Callable[[HttpRequest], object] | None = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:
        """Return the view; its options are checked now."""
        pages = initkwargs.get("pages", cls.pages)
        if not callable(pages):
            msg = f"SPAView.as_view(pages=SPAStaticApp(find_bundle())): got pages={pages!r}."
            raise ImproperlyConfigured(msg)
        whole = initkwargs.get("template_name", cls.template_name)
        if whole and initkwargs.get("head_template_name", cls.head_template_name):
            msg = "Pass template_name or head_template_name; a whole page has its own <head>."
            raise ImproperlyConfigured(msg)
        return super().as_view(**initkwargs)

    async def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:  # noqa: ARG002
        """Answer with what the bundle has at the request's path."""
        scope = _scope(request)
        if not (self.head_template_name or self.template_name or self.nonce):
            return await answer_of(self.pages, scope)
        whole = unconditional(scope)
        # A file is the same for everybody and may be large. Vite names no type before it has one.
        asked = await answer_of(self.pages, {**whole, "method": "HEAD"})
        if "Content-Type" in asked.headers and not _is_page(asked):
            return await answer_of(self.pages, scope)
        response = await answer_of(self.pages, {**whole, "method": "GET"})
        if not _is_page(response):
            return response
        text = response.content.decode("utf-8", "surrogateescape")
        # On the thread of the middleware: a template may well ask the database for the user.
        text = await sync_to_async(self._personal)(request, text, kwargs)
        response.content = text.encode("utf-8", "surrogateescape")
        for name in ("ETag", "Last-Modified", "Accept-Ranges", "Vary"):
            response.headers.pop(name, None)
        response.headers["Content-Length"] = str(len(response.content))
        response.headers["Cache-Control"] = "private, no-store"
        return response

    def _personal(self, request: HttpRequest, text: str, kwargs: dict[str, Any]) -> str:
        context = self.get_context_data(**kwargs)
        nonce = escape(self.nonce(request)) if self.nonce else ""
        if nonce:
            text = _with_nonce_mark(text)
        if self.template_name:
            context["spa"] = _parts(text)
            page: str = render_to_string(self.template_name, context, request)
        else:
            start, end = _cut_at_head(text)
            head = self.head_template_name
            page = start + (render_to_string(head, context, request) if head else "") + end
        return page.replace(NONCE_MARK, nonce)


def _is_page(response: HttpResponse) -> bool:
    return response.headers.get("Content-Type", "").startswith("text/html")


# By the text itself: a rebuilt page is another, and what a build no longer has falls out.
_cut_at_head = functools.lru_cache(maxsize=_CACHED)(cut_at_head)
_parts = functools.lru_cache(maxsize=_CACHED)(PageParts.of)
_with_nonce_mark = functools.lru_cache(maxsize=_CACHED)(with_nonce_mark)


def _scope(request: HttpRequest) -> Scope:
    outer: Scope = getattr(request, "scope", {})
    return {
        **{key: outer[key] for key in (PAGES,) if key in outer},
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": request.method,
        "path": request.path,
        "root_path": request.META.get("SCRIPT_NAME", "").rstrip("/"),
        "query_string": request.META.get("QUERY_STRING", "").encode("latin-1", "replace"),
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in request.headers.items()
        ],
    }
