"""A form's messages as a page can show them."""

from __future__ import annotations

from typing import Any, TypeAlias

from django.core.exceptions import NON_FIELD_ERRORS

Errors: TypeAlias = dict[str, list[str]]
"""Messages by field, and under ``FORM`` those of the form as a whole."""

FORM = "form"
"""Instead of Django's ``"__all__"``: a page cannot look up a name with two underscores."""


def errors_of(form: Any) -> Errors:
    """Return a form's messages as plain text, in its fields' order and the active language."""
    named = {NON_FIELD_ERRORS: FORM, **{name: name for name in form.fields}}
    return {
        key: [str(message) for message in form.errors[name]]
        for name, key in named.items()
        if name in form.errors
    }
