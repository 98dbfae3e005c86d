"""The page of all tickets, and the page of one."""

import reflex as rx
from rxbridge.state import DjangoUserState, login_required_page
from rxbridge.state import translated as _

from helpdesk.layout import page
from tickets.state import MAX_BYTES, Remark, Tickets, TicketState

FILE = "file"


@login_required_page
def all_tickets() -> rx.Component:
    """Return the list, and the form for a new ticket."""
    return page(
        _("Tickets"),
        rx.flex(
            rx.input(placeholder=_("Search"), on_blur=Tickets.find, aria_label=_("Search")),
            chooser(_("Open only"), "false"),
            chooser(_("All"), ""),
            rx.spacer(),
            rx.button(_("New ticket"), on_click=Tickets.new),
            spacing="3",
            wrap="wrap",
        ),
        rx.cond(Tickets.form_open, form()),
        rx.foreach(Tickets.rows, row),
        rx.cond(Tickets.total == 0, rx.text(_("There is nothing to do."))),
        rx.cond(Tickets.pages > 1, pager()),
    )


def chooser(text: rx.Var[str], closed: str) -> rx.Component:
    """Return the way to the tickets that are open, or to all."""
    return rx.button(text, on_click=Tickets.filter_by("closed", closed), variant="outline")


def pager() -> rx.Component:
    """Return the ways to the other pages of the list."""
    newer, older = Tickets.page - 1, Tickets.page + 1
    return rx.flex(
        rx.button(_("Newer"), on_click=Tickets.show_page(newer), disabled=newer < 1),
        rx.button(_("Older"), on_click=Tickets.show_page(older), disabled=older > Tickets.pages),
        spacing="3",
    )


def row(ticket: rx.Var[dict]) -> rx.Component:
    """Return one ticket of the list."""
    return rx.card(
        rx.link(ticket["title"], href=f"/ticket/{ticket['id']}", weight="bold"),
        rx.flex(
            rx.text(ticket["author__email"], size="2"),
            state(ticket["closed"]),
            rx.spacer(),
            rx.cond(
                ticket["author__email"] == DjangoUserState.email,
                rx.button(
                    _("Delete"), on_click=Tickets.delete(ticket["id"].to(str)), variant="outline"
                ),
            ),
            align="center",
            spacing="3",
        ),
    )


def state(closed: rx.Var[bool]) -> rx.Component:
    """Return whether a ticket is closed, in a word."""
    return rx.badge(
        rx.cond(closed, _("closed"), _("open")),
        color_scheme=rx.cond(closed, "gray", "green"),
        high_contrast=True,
    )


def form() -> rx.Component:
    """Return the form of a new ticket."""
    return rx.form(
        rx.flex(
            field("title", rx.input(name="title", custom_attrs={"id": "title"})),
            field("text", rx.text_area(name="text", custom_attrs={"id": "text"})),
            rx.flex(
                rx.button(_("Save"), type="submit"),
                rx.button(_("Cancel"), type="button", on_click=Tickets.cancel, variant="outline"),
                spacing="3",
            ),
            direction="column",
            spacing="3",
        ),
        on_submit=Tickets.save,
    )


LABELS = {"title": _("What does not work?"), "text": _("Tell us more")}


def field(name: str, control: rx.Component) -> rx.Component:
    """Return an input with its label, and what is wrong with it."""
    return rx.box(
        rx.el.label(LABELS[name], html_for=name),
        control,
        rx.foreach(Tickets.form_errors[name], lambda text: rx.text(text, color_scheme="red")),
    )


@login_required_page
def one_ticket() -> rx.Component:
    """Return one ticket, what was said about it, and the ways to say more."""
    return page(
        rx.cond(TicketState.title, TicketState.title, _("Ticket")),
        rx.cond(TicketState.title, the_ticket()),
    )


def the_ticket() -> rx.Component:
    """Return what is below its title."""
    return rx.fragment(
        rx.flex(
            rx.text(TicketState.author, size="2"),
            state(TicketState.closed),
            rx.spacer(),
            rx.cond(
                TicketState.closed,
                rx.button(_("Open it again"), on_click=TicketState.set_closed(False)),
                rx.button(_("Close it"), on_click=TicketState.set_closed(True)),
            ),
            align="center",
            spacing="3",
            wrap="wrap",
        ),
        rx.text(TicketState.text, white_space="pre-wrap"),
        rx.foreach(TicketState.remarks, remark),
        rx.form(
            rx.flex(
                rx.text_area(name="text", aria_label=_("Comment"), placeholder=_("Comment")),
                rx.button(_("Send"), type="submit"),
                direction="column",
                spacing="3",
            ),
            on_submit=TicketState.comment,
            reset_on_submit=True,
        ),
        # A label: the input in it is what a click and a screen reader reach.
        rx.el.label(
            rx.upload(
                rx.text(_("Drop a file here, or choose one (up to 5 MB)"), size="2"),
                id=FILE,
                max_size=MAX_BYTES,
                multiple=False,
                no_click=True,
                on_drop=TicketState.attach(rx.upload_files(FILE)),
                on_drop_rejected=rx.toast.error(_("A file may have 5 MB.")),
                padding="var(--space-4)",
            ),
        ),
    )


def remark(said: rx.Var[Remark]) -> rx.Component:
    """Return what somebody said, or the file they added."""
    return rx.card(
        rx.text(said["author"], " · ", said["written"], size="2"),
        rx.cond(
            said["is_file"],
            rx.link(said["text"], href=f"/attachments/{said['id']}/", is_external=True),
            rx.text(said["text"], white_space="pre-wrap"),
        ),
    )
