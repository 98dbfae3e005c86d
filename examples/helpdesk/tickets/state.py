"""The tickets of an organisation, and one of them with what was said about it."""

from pathlib import Path
from typing import TypedDict

import reflex as rx
from asgiref.sync import sync_to_async
from django.core.files.base import ContentFile
from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from rxbridge.state import AppState
from rxbridge.state.crud import ModelCRUDConfig, crud_mixin
from rxbridge.state.live import LiveList

from accounts.models import User
from tickets.models import Comment, Ticket

MAX_BYTES = 5 * 1024 * 1024
TICKETS = LiveList(Ticket)


def tickets_of(_user: User) -> QuerySet[Ticket]:
    """Return what may be seen; the manager leaves out what is another organisation's."""
    return Ticket.objects.all()


def new_ticket(user: User) -> Ticket:
    """Return what a user's empty form is of."""
    return Ticket(author=user, organisation_id=user.organisation_id)


def is_of_an_organisation(user: User, _ticket: Ticket) -> bool:
    """Let in whoever works somewhere."""
    return user.organisation_id is not None


def is_author(user: User, ticket: Ticket) -> bool:
    """Let whoever wrote a ticket take it away."""
    return ticket.author_id == user.pk


class Tickets(
    crud_mixin(
        ModelCRUDConfig(
            model=Ticket,
            fields=["title", "text"],
            list_fields=["title", "text", "closed", "author__email"],
            search_fields=["title", "text"],
            filter_fields=["closed"],
            ordering=["-changed"],
            page_size=10,
            permissions=None,
            queryset=tickets_of,
            new=new_ticket,
            can_add=is_of_an_organisation,
            can_change=is_of_an_organisation,
            can_delete=is_author,
        ),
        live=TICKETS,
    ),
    rx.State,
):
    """The list: search, filter, pages and the form are the mixin's."""


class Remark(TypedDict):
    """A comment, as the page shows it."""

    id: int
    author: str
    written: str
    text: str
    is_file: bool


class TicketState(AppState, rx.State):
    """The ticket whose page is open: ``/ticket/[number]``."""

    title: str = ""
    text: str = ""
    author: str = ""
    closed: bool = False
    remarks: list[Remark] = []

    @rx.event
    def load(self) -> rx.event.EventSpec | None:
        """Show the ticket that the address names; where there is none, nothing but to say so."""
        try:
            ticket = self._ticket()
        except Http404:
            self.title = ""
            return rx.toast.error(_("There is no such ticket, or no more."))
        self.title, self.text, self.closed = ticket.title, ticket.text, ticket.closed
        self.author = ticket.author.email
        comments = ticket.comments.select_related("author")
        self.remarks = [remark(comment) for comment in comments]
        return None

    @rx.event(background=True)
    async def follow(self) -> None:
        """Show it anew whenever somebody has changed it, while the page is open."""
        await TICKETS.follow(self, TicketState.load)

    @rx.event
    def comment(self, form_data: dict[str, str]) -> None:
        """Add what somebody has to say."""
        if text := form_data["text"].strip():
            self._add(Comment(text=text))

    @rx.event
    async def attach(self, files: list[rx.UploadFile]) -> rx.event.EventSpec | None:
        """Add files, in the name of whoever sent this very request."""
        for file in files:
            content = await file.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                return rx.toast.error(_("A file may have 5 MB."))
            name = Path(file.filename or "file").name
            attached = Comment(text=name, file=ContentFile(content, name))
            await sync_to_async(self._add)(attached)
        return None

    @rx.event
    def set_closed(self, closed: bool) -> None:
        """Close the ticket, or open it again."""
        ticket = self._ticket()
        ticket.closed = closed
        ticket.save(update_fields=["closed", "changed"])
        self.load()

    def _ticket(self) -> Ticket:
        number = self.number
        if not number.isdecimal():
            raise Http404
        return get_object_or_404(Ticket.objects.select_related("author"), pk=number)

    def _add(self, comment: Comment) -> None:
        ticket = self._ticket()
        comment.ticket, comment.author = ticket, self.user
        comment.save()
        # It is the first of the list again, and all pages that show it are told.
        ticket.save(update_fields=["changed"])
        self.load()


def remark(comment: Comment) -> Remark:
    """Return a comment, read with its author, as the page shows it."""
    return Remark(
        id=comment.pk,
        author=comment.author.email,
        written=date_format(comment.written, "SHORT_DATETIME_FORMAT"),
        text=comment.text,
        is_file=bool(comment.file),
    )
