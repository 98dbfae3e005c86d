"""The words of the pages, in the language of whoever reads them."""

import reflex as rx
from django.conf import settings
from django.utils.translation import gettext, override
from rxbridge.state import DjangoI18nState


def text(message: str, **values: object) -> rx.Var[str]:
    """Return ``message`` in the visitor's language, each ``{name}`` replaced by its value.

    Django's catalogues are read as the pages are built. The bundle has every language, and the
    page shows the one the server says.
    """
    others = [code for code, _name in settings.LANGUAGES if code != settings.LANGUAGE_CODE]
    return rx.match(
        DjangoI18nState.language,
        *[(code, _in(code, message, values)) for code in others],
        _in(settings.LANGUAGE_CODE, message, values),
    )


def _in(code: str, message: str, values: dict[str, object]) -> str:
    with override(code):
        translation = gettext(message)
    return translation.format(**values) if values else translation
