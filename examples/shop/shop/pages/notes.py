"""The notes of the user who is signed in: ``/notes``."""

import reflex as rx
from rxbridge.state import login_required_page
from rxbridge.state import translated as _

from notes.models import MAX_TEXT
from notes.state import NoteCard, NotesState
from shop.pages.layout import direction, loading, notice, page, placeholder, title, to_shop
from shop.pages.lists import pager, pill, search_box


def notes() -> rx.Component:
    """Show the page to who is signed in."""
    return page(
        rx.flex(
            title(_("Your notes"), _("What to remember, and what to look for next time.")),
            rx.spacer(),
            new_note(),
            wrap="wrap",
            align="start",
        ),
        yours(),
        custom_attrs={"data-page": "notes"},
    )


def new_note() -> rx.Component:
    """The button that opens an empty form, for who may have notes."""
    return rx.cond(
        NotesState.loaded,
        rx.button(
            rx.icon("plus", size=18),
            _("New note"),
            on_click=NotesState.new,
            size="3",
            margin_bottom="24px",
            custom_attrs={"data-testid": "note-new"},
        ),
    )


def waiting() -> rx.Component:
    """Placeholders for the cards."""
    return loading(
        rx.el.div(*[placeholder("190px", radius="18px") for _card in range(3)], class_name="notes")
    )


@login_required_page(pending=waiting())
def yours() -> rx.Component:
    """The list, and the form over it."""
    return rx.cond(
        NotesState.loaded,
        rx.fragment(listed(), form_dialog()),
        rx.cond(rx.State.is_hydrated, refused(), waiting()),
    )


def refused() -> rx.Component:
    """What is there for an account that may only look around."""
    return notice(
        "lock",
        _("No notes for this account"),
        _("It may look around the shop, and no more."),
        to_shop(_("Back to the shop")),
    )


def listed() -> rx.Component:
    """The notes that were asked for, and the ways to ask for others."""
    return rx.cond(
        (NotesState.total > 0) | (NotesState.search != ""),
        rx.fragment(
            rx.el.div(orders(), search(), class_name="toolbar"),
            rx.cond(
                NotesState.total > 0,
                rx.fragment(
                    rx.el.div(rx.foreach(NotesState.rows, card), class_name="notes"),
                    pager(NotesState),
                ),
                nothing_found(),
            ),
        ),
        empty(),
    )


def orders() -> rx.Component:
    """In which order the notes are shown."""
    return rx.el.div(
        pill(_("Newest first"), NotesState.ordering == "", NotesState.order_by("")),
        pill(_("Oldest first"), NotesState.ordering == "changed", NotesState.order_by("changed")),
        pill(_("By title"), NotesState.ordering == "title", NotesState.order_by("title")),
        class_name="filters",
    )


def search() -> rx.Component:
    """Search in titles and texts."""
    return search_box(
        _("Search your notes"), value=NotesState.search, on_change=NotesState.find, max_length=200
    )


def nothing_found() -> rx.Component:
    """What to do when no note has these words."""
    return notice(
        "search-x",
        _("No such note"),
        _("None of your notes has “{text}” in it.", text=NotesState.search),
        rx.button(_("Show all notes"), size="3", on_click=NotesState.find("")),
    )


def empty() -> rx.Component:
    """What to do with no notes at all."""
    return notice(
        "notebook-pen",
        _("A blank page"),
        _("Write down a size, a wish or a date. Only you can read it."),
        rx.button(_("Write the first note"), size="3", on_click=NotesState.new),
    )


def card(note: rx.Var[NoteCard]) -> rx.Component:
    """One note."""
    return rx.el.article(
        rx.heading(
            note["title"], as_="h2", size="4", weight="medium", class_name="serif", **own_words()
        ),
        rx.text(note["text"], size="2", class_name="note-text", **own_words()),
        rx.cond(note["product"] != "", about(note)),
        rx.hstack(
            rx.text(note["changed"], size="1", color_scheme="gray"),
            rx.spacer(),
            icon_button(
                "pencil", _("Edit “{title}”", title=note["title"]), NotesState.edit(note["id"])
            ),
            delete_dialog(note),
            align="center",
            spacing="4",
            class_name="note-foot",
        ),
        class_name="panel note",
        key=note["id"],
        custom_attrs={"data-note": note["title"]},
    )


def own_words() -> dict[str, object]:
    """How to write what the user wrote, in whichever language that is."""
    return {"custom_attrs": {"dir": "auto"}}


def about(note: rx.Var[NoteCard]) -> rx.Component:
    """The product a note is about."""
    return rx.link(
        rx.image(src=note["picture"], alt="", class_name="line-picture"),
        rx.text(note["product"], size="2", weight="medium"),
        href="/product/" + note["slug"],
        underline="none",
        class_name="note-product",
    )


def icon_button(icon: str, label: rx.Var[str], event: rx.event.EventType = None) -> rx.Component:
    """A small button in the corner of a note."""
    return rx.icon_button(
        rx.icon(icon, size=16),
        on_click=event,
        variant="ghost",
        color_scheme="gray",
        aria_label=label,
    )


def delete_dialog(note: rx.Var[NoteCard]) -> rx.Component:
    """The button that deletes a note, once one is sure."""
    return rx.alert_dialog.root(
        rx.alert_dialog.trigger(icon_button("trash-2", _("Delete “{title}”", title=note["title"]))),
        rx.alert_dialog.content(
            rx.alert_dialog.title(_("Delete this note?"), class_name="serif", weight="medium"),
            rx.alert_dialog.description(
                _("“{title}” will be gone, on all your devices.", title=note["title"]), size="3"
            ),
            rx.flex(
                rx.alert_dialog.cancel(
                    rx.button(_("Keep it"), variant="soft", color_scheme="gray", size="3")
                ),
                rx.alert_dialog.action(
                    rx.button(
                        _("Delete it"),
                        on_click=NotesState.delete(note["id"]),
                        color_scheme="tomato",
                        size="3",
                    )
                ),
                spacing="3",
                justify="end",
                margin_top="20px",
            ),
            max_width="420px",
            **direction(),
        ),
    )


def form_dialog() -> rx.Component:
    """The form of a note: of a new one, or of the one that is edited."""
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title(
                rx.cond(NotesState.editing != "", _("Edit the note"), _("New note")),
                class_name="serif",
                weight="medium",
            ),
            problems(),
            form(),
            max_width="520px",
            aria_describedby="",
            on_interact_outside=rx.prevent_default,
            **direction(),
        ),
        open=NotesState.form_open,
        on_open_change=NotesState.cancel,
    )


def problems() -> rx.Component:
    """What is wrong with the note as a whole, and what to do next."""
    return rx.match(
        rx.cond(
            NotesState.conflict,
            "conflict",
            rx.cond(NotesState.keeps_mine & (NotesState.editing != ""), "mine", "none"),
        ),
        ("conflict", conflict()),
        ("mine", warning(_("Saving replaces the other version with yours."))),
        rx.foreach(NotesState.form_errors["form"], warning),
    )


def conflict() -> rx.Component:
    """What the note holds now, and the choice between the two."""
    return rx.el.section(
        rx.text(_("This note was changed meanwhile"), weight="medium", size="3"),
        rx.text(
            _("In another tab, or on another device. Nothing of yours is saved yet. It says now:"),
            size="2",
        ),
        rx.el.blockquote(
            rx.text(NotesState.current_values["title"].to(str), weight="medium", **own_words()),
            rx.text(
                NotesState.current_values["text"].to(str), class_name="note-text", **own_words()
            ),
        ),
        rx.flex(
            rx.button(
                _("Take that version"),
                on_click=NotesState.edit(NotesState.editing),
                variant="solid",
                color_scheme="amber",
            ),
            rx.button(
                _("Keep mine"),
                on_click=NotesState.keep_mine,
                variant="surface",
                color_scheme="amber",
            ),
            spacing="3",
            wrap="wrap",
        ),
        class_name="conflict",
        role="alert",
        custom_attrs={"data-testid": "note-conflict"},
    )


def warning(text: str | rx.Var[str]) -> rx.Component:
    """A line above the form."""
    return rx.callout(
        text, icon="triangle-alert", color_scheme="amber", size="1", role="alert", margin_y="12px"
    )


def form() -> rx.Component:
    """The inputs; what is wrong with one is said below it."""
    values = NotesState.form_values
    return rx.form(
        field(
            _("Title"),
            rx.input(
                name="title",
                default_value=values["title"].to(str),
                auto_focus=True,
                size="3",
                custom_attrs=described("title"),
            ),
            "title",
        ),
        field(
            _("Text"),
            rx.text_area(
                name="text",
                default_value=values["text"].to(str),
                rows="6",
                size="3",
                max_length=MAX_TEXT,
                custom_attrs=described("text"),
            ),
            "text",
        ),
        field(
            _("About"),
            rx.el.select(
                rx.el.option(_("Nothing in particular"), value=""),
                rx.foreach(
                    NotesState.form_choices["product"],
                    lambda choice: rx.el.option(choice["label"], value=choice["value"]),
                ),
                name="product",
                default_value=values["product"].to(str),
                class_name="select",
                custom_attrs=described("product"),
            ),
            "product",
        ),
        rx.flex(
            rx.dialog.close(
                rx.button(_("Cancel"), type="button", variant="soft", color_scheme="gray", size="3")
            ),
            rx.button(_("Save"), type="submit", size="3"),
            spacing="3",
            justify="end",
            margin_top="8px",
        ),
        on_submit=NotesState.save,
        class_name="note-form",
        # Other values, other inputs: what was typed stays until these change.
        key=values.to_string(),
    )


def field(label: rx.Var[str], control: rx.Component, name: str) -> rx.Component:
    """An input with its label above and what is wrong with it below."""
    return rx.box(
        rx.el.label(label, html_for=f"note-{name}"),
        control,
        rx.box(
            rx.foreach(
                NotesState.form_errors[name],
                lambda text: rx.text(text, size="2", color_scheme="red", margin_top="4px"),
            ),
            custom_attrs={"id": f"note-{name}-error"},
        ),
    )


def described(name: str) -> dict[str, object]:
    """What ties an input to its label and to what is wrong with it.

    The id is an attribute and not a prop: Reflex sends inputs that have an id under that, too.
    """
    return {
        "id": f"note-{name}",
        "aria-invalid": rx.cond(NotesState.form_errors.contains(name), "true", "false"),
        "aria-describedby": f"note-{name}-error",
    }
