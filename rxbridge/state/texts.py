"""Texts of a compiled page in each of the site's languages."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeAlias

import reflex as rx
from django.conf import settings
from django.middleware.locale import LocaleMiddleware
from django.utils.module_loading import import_string
from django.utils.translation import gettext, override

Text: TypeAlias = "str | rx.Var[str]"
"""A text of a page; a var where it depends on the visitor's language."""


def translated(text: Text, /, **values: object) -> Text:
    """Return ``text`` in the visitor's language, each ``{name}`` replaced by its value.

    For the texts of components. Catalogues are asked as the pages are built; what they do not
    have, and a var, stays as it is::

        from rxbridge.state import translated as _

        rx.heading(_("Tickets of {name}", name=DjangoUserState.username))
    """
    if isinstance(text, rx.Var):
        return text

    def read() -> str:
        translation = gettext(str(text))
        return translation.format(**values) if values else translation

    return in_each_language(read)


def in_each_language(read: Callable[[], str]) -> Text:
    """Return what ``read`` returns, as a var of the visitor's language where it is not the same.

    The texts themselves are in the page, so a change of language needs no word of the server's.
    """
    default = _read_in(settings.LANGUAGE_CODE, read)
    texts = {code: _read_in(code, read) for code in _languages()}
    others = {code: text for code, text in texts.items() if text != default}
    if not others:
        return default
    from rxbridge.state._i18n_state import DjangoI18nState

    language: Any = DjangoI18nState.language
    chosen: Any = rx.match(language, *others.items(), default)
    return chosen  # type: ignore[no-any-return]


def _read_in(code: str, read: Callable[[], str]) -> str:
    with override(code):
        return read()


def _languages() -> list[str]:
    """Return the languages there may be visitors of; none where all get the site's own."""
    chosen = any(_chooses(path) for path in settings.MIDDLEWARE)
    return [code for code, _ in settings.LANGUAGES] if settings.USE_I18N and chosen else []


def _chooses(path: str) -> bool:
    middleware = import_string(path)
    return inspect.isclass(middleware) and issubclass(middleware, LocaleMiddleware)
