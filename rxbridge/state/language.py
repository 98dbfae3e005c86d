"""The language of an event: which it is, which there are, and how a visitor changes it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.conf.urls.i18n import is_language_prefix_patterns_used
from django.core.exceptions import BadRequest
from django.urls import get_urlconf
from django.utils import translation
from django.utils.translation import get_language_from_path, get_language_info

from rxbridge.events import binder


def switch_language(code: str) -> None:
    """Make ``code`` the visitor's language, for the rest of this event and all that follow.

    It is kept in the cookie that ``LocaleMiddleware`` reads, which ``CookieHandoff`` takes to
    the browser. On a page whose address names its language the browser goes to the same page
    in the other one. Raises ``BadRequest``, which refuses the event, for a language that is not
    in ``settings.LANGUAGES``.
    """
    binding = binder.unanswered("switch_language")
    request: Any = binding.request
    try:
        language = translation.get_supported_language_variant(code)
    except (LookupError, TypeError, ValueError):
        msg = f"{str(code)[:50]!r} is not one of settings.LANGUAGES."
        raise BadRequest(msg) from None
    translation.activate(language)
    request.LANGUAGE_CODE = language
    binding.response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=settings.LANGUAGE_COOKIE_AGE,
        path=settings.LANGUAGE_COOKIE_PATH,
        domain=settings.LANGUAGE_COOKIE_DOMAIN,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
        samesite=settings.LANGUAGE_COOKIE_SAMESITE,
    )
    if (url := _translated_address(request, language)) is not None:
        binder.set_destination(url)


def _translated_address(request: Any, language: str) -> str | None:
    """Return the page's address in ``language``, where the address names a language at all."""
    urlconf = getattr(request, "urlconf", None) or get_urlconf() or settings.ROOT_URLCONF
    used, default_is_prefixed = is_language_prefix_patterns_used(urlconf)
    path = request.path_info
    shown = get_language_from_path(path) if used else None
    if shown is None:
        return None
    # The first segment is the language, spelled as the visitor spelled it.
    rest = path[1:].partition("/")[2]
    prefix = (
        "" if language == settings.LANGUAGE_CODE and not default_is_prefixed else f"/{language}"
    )
    query = request.META.get("QUERY_STRING")
    return f"{request.META.get('SCRIPT_NAME', '')}{prefix}/{rest}" + (f"?{query}" if query else "")


def language_of(request: Any) -> str:
    """Return the language of the event: what ``LocaleMiddleware`` or a switch chose for it."""
    if request is None:
        return site_language()
    code: str | None = getattr(request, "LANGUAGE_CODE", None)
    return code or translation.get_language() or site_language()


def site_language() -> str:
    """Return the language of who has chosen none, as ``LocaleMiddleware`` finds it."""
    offered = dict(settings.LANGUAGES)
    code = settings.LANGUAGE_CODE
    generic = code.partition("-")[0]
    return generic if code not in offered and generic in offered else code


def is_bidi(code: str) -> bool:
    """Tell whether the language is written from right to left."""
    return code.partition("-")[0] in settings.LANGUAGES_BIDI


def direction_of(code: str) -> str:
    """Return ``"rtl"`` or ``"ltr"``, as a component's ``dir`` takes it."""
    return "rtl" if is_bidi(code) else "ltr"


def language_choices(code: str) -> list[dict[str, str]]:
    """Return ``settings.LANGUAGES`` for a menu: each name in language ``code`` and in its own."""
    with translation.override(code):
        return [
            {"code": each, "name": translation.gettext(name), "name_local": _name_local(each, name)}
            for each, name in settings.LANGUAGES
        ]


def _name_local(code: str, name: str) -> str:
    try:
        return str(get_language_info(code)["name_local"])
    except KeyError:
        return plain_text(name)


def plain_text(value: Any) -> str:
    """Return ``value`` as text of Python's own: neither marked safe nor translated later."""
    if type(value) is str:
        return value
    return "" if value is None else str.__str__(str(value))
