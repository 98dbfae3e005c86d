"""Between a page and Django's forms: what a page submits, and what it is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from django.core.exceptions import NON_FIELD_ERRORS, BadRequest
from django.utils.datastructures import MultiValueDict

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


def form_input(form_data: object) -> MultiValueDict[str, Any]:
    """Return what a page submitted as Django's forms read it.

    The event may hold any JSON; raises ``BadRequest`` for what no form submits.
    """
    if not isinstance(form_data, Mapping):
        raise BadRequest("that is no form")
    values: MultiValueDict[str, Any] = MultiValueDict()
    for name, value in form_data.items():
        if value is not None:
            listed = value if isinstance(value, list) else [value]
            values.setlist(name, [text_of(each) for each in listed])
    return values


def text_of(value: object) -> str:
    """Return text, a switch or a number as an input would hold it; else raise ``BadRequest``."""
    if isinstance(value, bool):
        return str(value).lower()
    # No column of a database holds a number beyond.
    if isinstance(value, int | float) and abs(value) < 2**63:
        return str(value)
    if not isinstance(value, str):
        raise BadRequest("neither text, a number nor a switch")
    return value
