"""What the ready pages look like: the layout around a form, and the form."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import reflex as rx
from django.utils.html import strip_tags

from rxbridge.state._forms import FORM
from rxbridge.state.texts import Text, in_each_language, translated

if TYPE_CHECKING:
    from django.forms import BaseForm, BoundField

_PASSED_ON = ("autocomplete", "autocapitalize", "inputmode", "pattern", "placeholder", "title")

_NOTE: Any = {"size": "1", "width": "100%"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldView:
    """One field as a page shows it. ``kind`` is the ``type`` of an input, or ``textarea`` or
    ``select``."""

    name: str
    label: Text
    kind: Any
    help_texts: Sequence[Text] = ()
    required: bool = True
    autofocus: bool = False
    max_length: int | None = None
    choices: Sequence[tuple[str, Text]] = ()
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FormView:
    """One form as a page shows it.

    ``errors`` is the var with the messages by field, ``"form"`` for the form's own;
    ``pending`` the var that is true while the form is at work. ``name`` begins the ids of the
    inputs, ``login-username``: where an error is, an input with that id gets the focus.
    """

    name: str
    fields: Sequence[FieldView]
    submit: Any
    submit_text: Text
    errors: Any
    pending: Any = False


def view_fields(form: Callable[[], BaseForm], labels: Mapping[str, Text]) -> list[FieldView]:
    """Return a Django form's fields as a page shows them; the first has the focus.

    ``form`` is called for each of the site's languages, since forms differ in when they
    translate.
    """
    views = [_view_field(name, form, labels.get(name)) for name in form().fields]
    return [replace(views[0], autofocus=True), *views[1:]] if views else []


def _view_field(name: str, form: Callable[[], BaseForm], label: Text | None) -> FieldView:
    def read(text: Callable[[BoundField], str]) -> Text:
        return in_each_language(lambda: text(form()[name]))

    def help_text(number: int) -> Text:
        return read(lambda field: _help_texts(field)[number])

    def choice(number: int) -> Text:
        return read(lambda field: _choices(field)[number][1])

    field = form()[name]
    widget: Any = field.field.widget
    choices = _choices(field)
    return FieldView(
        name=name,
        label=read(lambda field: str(field.label)) if label is None else translated(label),
        kind="select" if choices else getattr(widget, "input_type", "textarea"),
        help_texts=[help_text(number) for number in range(len(_help_texts(field)))],
        required=field.field.required,
        max_length=getattr(field.field, "max_length", None),
        choices=[(value, choice(number)) for number, (value, _) in enumerate(choices)],
        attributes={key: widget.attrs[key] for key in _PASSED_ON if key in widget.attrs},
    )


def _choices(field: BoundField) -> list[tuple[str, str]]:
    return [(str(value), str(text)) for value, text in getattr(field.field, "choices", ())]


def _help_texts(field: BoundField) -> list[str]:
    """Return the sentences of a help text; that of the password validators is an HTML list."""
    html = str(field.help_text)
    items = re.findall(r"<li>(.*?)</li>", html, re.DOTALL) or [html]
    return [text for item in items if (text := strip_tags(item).strip())]


def card_layout(title: Text, *content: rx.Component) -> Any:
    """Return a page with ``content`` on a card in its middle, below its title."""
    return rx.el.main(
        rx.card(
            rx.flex(
                rx.heading(title, as_="h1", size="6", weight="bold"),
                *content,
                direction="column",
                spacing="5",
            ),
            size="4",
            width="100%",
            max_width="26rem",
        ),
        style={
            "display": "flex",
            "align_items": "center",
            "justify_content": "center",
            "min_height": "100dvh",
            "padding": "var(--space-4)",
            "background": "var(--gray-2)",
        },
    )


def stacked_form(form: FormView) -> Any:
    """Return a form with its fields one below the other, its errors beside what they are about."""
    return rx.form(
        rx.flex(
            rx.cond(form.errors.contains(FORM), failed(form.errors[FORM].join(" "))),
            *(_field(form, field) for field in form.fields),
            rx.button(
                form.submit_text,
                type="submit",
                size="3",
                width="100%",
                margin_top="var(--space-1)",
                loading=form.pending,
                # Enter does nothing either until the page listens.
                disabled=~cast("Any", rx.State.is_hydrated),
            ),
            direction="column",
            spacing="4",
        ),
        on_submit=form.submit,
        # What a browser sends without the page's JavaScript is to be in no address and no log.
        method="post",
        width="100%",
    )


def done(text: Any) -> Any:
    """Return a message that assistive technology reads out when it appears: all is well."""
    return rx.callout(text, icon="circle_check", color_scheme="green", role="status", **_NOTE)


def failed(text: Any) -> Any:
    """Return a message that assistive technology reads out at once: something is wrong."""
    return rx.callout(text, icon="circle_alert", color_scheme="red", role="alert", **_NOTE)


def _field(form: FormView, field: FieldView) -> Any:
    key = f"{form.name}-{field.name}"
    is_wrong = form.errors.contains(field.name)
    described = [f"{key}-error", *([f"{key}-help"] if field.help_texts else [])]
    # Not the id prop: by that, Reflex would send the value a second time under its name.
    attributes = {
        **field.attributes,
        "id": key,
        "aria-describedby": " ".join(described),
        "aria-invalid": is_wrong,
    }
    control = _control(field, attributes)
    label = rx.el.label(rx.text(field.label, as_="span", size="2", weight="medium"), html_for=key)
    is_box = field.kind == "checkbox"
    return rx.flex(
        rx.flex(control, label, spacing="2", align="center") if is_box else label,
        None if is_box else control,
        rx.box(
            rx.cond(
                is_wrong,
                rx.text(form.errors[field.name].join(" "), size="2", color_scheme="red"),
            ),
            custom_attrs={"id": f"{key}-error"},
            aria_live="polite",
        ),
        _help(field.help_texts, f"{key}-help"),
        direction="column",
        spacing="1",
    )


def _control(field: FieldView, attributes: dict[str, Any]) -> Any:
    props: Any = {"name": field.name, "required": field.required, "custom_attrs": attributes}
    if field.kind == "checkbox":
        return rx.el.input(type="checkbox", **props)
    if field.kind == "select":
        options = [rx.el.option(text, value=value) for value, text in field.choices]
        return rx.el.select(*options, **props)
    props |= {"auto_focus": field.autofocus, "size": "3", "width": "100%"}
    if field.max_length is not None:
        props["max_length"] = field.max_length
    return rx.text_area(**props) if field.kind == "textarea" else rx.input(type=field.kind, **props)


def _help(texts: Sequence[Text], key: str) -> Any:
    if not texts:
        return None
    lines = [rx.text(text, size="1", color_scheme="gray", as_="div") for text in texts]
    return rx.box(*lines, custom_attrs={"id": key})
