"""The states the CRUD tests fire handlers of."""

import reflex as rx

from rxbridge.state.crud import ModelCRUDConfig, crud_mixin
from rxbridge.state.live import LiveList
from tests.events.app import app
from tests.state.crud.models import Folder, Label, Note

__all__ = ["Hooked", "Own", "Shared", "app", "live_notes"]

live_notes = LiveList(Note, owner_field="owner", interval=0.01)


async def may_delete(user, note):
    return not note.done


class Own(
    crud_mixin(
        ModelCRUDConfig(
            model=Note,
            fields=["title", "text", "price", "due", "done", "folder", "labels"],
            list_fields=["title", "price", "due", "done", "folder", "labels", "changed"],
            search_fields=["title", "text"],
            filter_fields={
                "done": "done",
                "before": "due__lt",
                "year": "due__year",
                "since": "changed__gte",
                "day": "changed__date",
                "changed_in": "changed__year",
            },
            ordering_fields=["title", "price"],
            page_size=10,
            owner_field="owner",
            permissions=None,
            choices={
                "folder": lambda user: Folder.objects.filter(owner=user),
                "labels": lambda user: Label.objects.all(),
            },
        ),
        live=live_notes,
    ),
    rx.State,
):
    """Everybody's own notes."""


class Shared(
    crud_mixin(ModelCRUDConfig(model=Note, fields=["title", "text"], version_field="changed")),
    rx.State,
):
    """All notes, for who has Django's permissions."""


class Hooked(
    crud_mixin(
        ModelCRUDConfig(
            model=Note,
            fields=["title"],
            permissions=None,
            can_view=lambda user, note: note.owner_id in (None, user.pk),
            can_add=lambda user, note: note.title != "forbidden",
            can_change=lambda user, note: note.owner_id == user.pk,
            can_delete=may_delete,
            page_size=2,
            search_fields=["title"],
            names={"rows": "notes", "create": "add_note", "delete": "remove_note"},
        )
    ),
    rx.State,
):
    """Notes judged one by one."""


app.add_page(lambda: rx.text(Own.total), route="/notes", on_load=[Own.load, Own.follow])
