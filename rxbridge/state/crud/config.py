"""ModelCRUDConfig: what one list and its form may show and change, and who may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from rxbridge.state.crud._check import check_config

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet
    from django.forms import ModelForm

__all__ = ["ModelCRUDConfig"]

Hook: TypeAlias = "Callable[[Any, Any], bool | Awaitable[bool]]"
Rows: TypeAlias = "Callable[[Any], QuerySet[Any, Any]]"
Action: TypeAlias = Literal["view", "add", "change", "delete"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCRUDConfig:
    """What a state made by ``crud_mixin`` may show and change of ``model``, and who may.

    What: ``fields`` are in the form, read and written. ``list_fields``, by default the same, are
    in the rows; ``author__name`` names a field of a relation. ``search_fields``,
    ``filter_fields`` (names the page uses, each with a lookup: ``{"since": "created__gte"}``; a
    sequence stands for equality) and ``ordering_fields`` are what a visitor may search, filter
    and order by, among what is shown. ``choices`` gives for each relation in the form the
    objects a user may choose among.

    Who: each rule that is there must say yes. ``owner_field`` is a foreign key to the user:
    users see, change and delete their own rows only, and own what they create. ``permissions``
    asks Django's ``view``, ``add``, ``change`` and ``delete`` permissions of the model; with
    ``"object"`` a user who lacks one is asked about again for each object. ``can_view``,
    ``can_add``, ``can_change`` and ``can_delete`` are given the user and the object, and may be
    async. ``queryset`` returns the rows that a user may see at all.

    How: ``form`` is a ``ModelForm`` of your own; ``serialize`` returns the row of an object.
    ``version_field`` names a field that every save changes, by which it is noticed that somebody
    else changed the object meanwhile; without, by the values of ``fields``. ``names`` renames
    vars and handlers: ``{"rows": "notes"}``.

    Raises ``ValueError`` for what would show or change more than is named.
    """

    model: type[Model]
    fields: Sequence[str]
    list_fields: Sequence[str] = ()
    search_fields: Sequence[str] = ()
    filter_fields: Mapping[str, str] | Sequence[str] = ()
    ordering_fields: Sequence[str] = ()
    ordering: Sequence[str] = ("-pk",)
    page_size: int = 25
    owner_field: str | None = None
    permissions: Literal["model", "object"] | None = "model"
    can_view: Hook | None = None
    can_add: Hook | None = None
    can_change: Hook | None = None
    can_delete: Hook | None = None
    queryset: Rows | None = None
    choices: Mapping[str, Rows] = field(default_factory=dict)
    form: type[ModelForm[Any]] | None = None
    serialize: Callable[[Any], Mapping[str, Any]] | None = None
    version_field: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_config(self)

    @property
    def shown_fields(self) -> tuple[str, ...]:
        """The fields of a row."""
        return tuple(self.list_fields or self.fields)

    @property
    def lookups(self) -> dict[str, str]:
        """The lookup of each filter, by the name the page uses."""
        if isinstance(self.filter_fields, Mapping):
            return dict(self.filter_fields)
        return {name: name for name in self.filter_fields}

    def hook(self, action: Action) -> Hook | None:
        """Return what is asked besides ownership and permissions, if anything is."""
        return {
            "view": self.can_view,
            "add": self.can_add,
            "change": self.can_change,
            "delete": self.can_delete,
        }[action]
