"""The notes of the user who is signed in: ``/notes``."""

from typing import Any, TypedDict

import reflex as rx
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _
from rxbridge.state.crud import ModelCRUDConfig, crud_mixin
from rxbridge.state.live import LiveList

from accounts.state import PersonalState
from catalogue.models import Product
from notes.models import Note

PAGE_SIZE = 6


class NoteCard(TypedDict):
    """A note, as its card shows it."""

    id: str
    title: str
    text: str
    product: str
    slug: str
    picture: str
    changed: str


def note_card(note: Note) -> NoteCard:
    """Return ``note``, read with its product, as its card shows it."""
    product = note.product
    return NoteCard(
        id=str(note.pk),
        title=note.title,
        text=note.text,
        product=product.name if product else "",
        slug=product.slug if product else "",
        picture=product.picture_url if product else "",
        changed=naturaltime(note.changed),
    )


def products_for(_user: AbstractBaseUser) -> QuerySet[Product]:
    """Return what a note may be about."""
    return Product.objects.on_sale()


class NotesState(
    crud_mixin(
        ModelCRUDConfig(
            model=Note,
            fields=["title", "text", "product"],
            search_fields=["title", "text"],
            ordering_fields=["title", "changed"],
            list_fields=["title", "text", "product", "changed"],
            ordering=["-changed"],
            page_size=PAGE_SIZE,
            owner_field="owner",
            permissions=None,  # everybody has notes, and nobody sees another's
            choices={"product": products_for},
            serialize=note_card,
        ),
        live=LiveList(Note, owner_field="owner"),
    ),
    PersonalState,
):
    """List, search and form are the mixin's; here is what the shop says about it all."""

    rows: list[NoteCard] = []
    loaded: bool = False
    keeps_mine: bool = False

    @rx.event
    async def load(self) -> None:
        """Show the notes, and from then on the page instead of its placeholders."""
        await super().load()
        self.loaded = True

    @rx.event
    async def edit(self, pk: str) -> None:
        """Open the form of a note, as the note is now."""
        await super().edit(pk)
        self.keeps_mine = False

    @rx.event
    async def keep_mine(self) -> None:
        """Go on with what was typed: what the note holds now is known, and may be replaced."""
        inputs = self.form_values
        await super().edit(self.editing)
        # The page makes the inputs anew when these change, so what was typed stays.
        self.form_values = inputs
        self.keeps_mine = True

    @rx.event
    async def save(self, form_data: dict[str, Any]) -> None:
        """Save, and say so; what was deleted meanwhile can be saved as a new note."""
        try:
            await super().save(form_data)
        except Http404:
            inputs = self.form_values
            await super().new()
            self.form_values = inputs
            self.form_errors = {
                "form": [_("This note was deleted meanwhile. Save it again to keep it.")]
            }
        if not self.form_open:
            told = _("“{title}” is saved.").format(title=form_data["title"])
            messages.success(self.request, told)

    @rx.event
    async def delete(self, pk: str) -> None:
        """Delete a note, and say so."""
        await super().delete(pk)
        messages.info(self.request, _("The note is gone."))
