"""ModelCRUDConfig: what one list and its form may show and change, and who may."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from django import forms
from django.core.exceptions import FieldError
from django.db.models import CharField, FileField, ForeignKey, Model, TextField

from rxbridge.state.crud._lookups import refuse, resolve, resolve_lookup

if TYPE_CHECKING:
    from django.db.models import QuerySet

Hook: TypeAlias = "Callable[[Any, Any], bool | Awaitable[bool]]"
RowsOf: TypeAlias = "Callable[[Any], QuerySet[Any, Any]]"
Action: TypeAlias = Literal["view", "add", "change", "delete"]

MAX_PAGE_SIZE = 500

_HOOKS = ("can_view", "can_add", "can_change", "can_delete")

_PRIVILEGES = frozenset(
    {"is_superuser", "is_staff", "is_active", "groups", "user_permissions", "permissions"}
)


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
    async. ``queryset`` returns the rows that a user may see at all. ``new`` returns the object
    that a user's empty form is of, with what the form does not ask for.

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
    queryset: RowsOf | None = None
    new: Callable[[Any], Model] | None = None
    choices: Mapping[str, RowsOf] = field(default_factory=dict)
    form: type[forms.ModelForm[Any]] | None = None
    serialize: Callable[[Any], Mapping[str, Any]] | None = None
    version_field: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self)

    @property
    def shown_fields(self) -> tuple[str, ...]:
        """The fields of a row."""
        return tuple(self.list_fields or self.fields)

    @property
    def form_class(self) -> type[forms.ModelForm[Any]]:
        """The form, or one of ``fields``."""
        return self.form or forms.modelform_factory(self.model, fields=list(self.fields))

    @property
    def lookups(self) -> dict[str, str]:
        """The lookup of each filter, by the name the page uses."""
        if isinstance(self.filter_fields, Mapping):
            return dict(self.filter_fields)
        return {name: name for name in self.filter_fields}


def _check(config: ModelCRUDConfig) -> None:
    """Raise ``ValueError`` for a configuration that shows or changes more than it names."""
    model: Any = config.model
    if not (isinstance(model, type) and issubclass(model, Model)):
        refuse(f"model={model!r} must be a Django model class.")
    for option in ("fields", "list_fields", "search_fields", "ordering_fields", "ordering"):
        _check_names(option, getattr(config, option))
    if not isinstance(config.filter_fields, Mapping):
        _check_names("filter_fields", config.filter_fields)
    if not 1 <= config.page_size <= MAX_PAGE_SIZE:
        refuse(f"page_size={config.page_size} must be from 1 to {MAX_PAGE_SIZE}.")
    _check_owner(config)
    _check_form(config)
    _check_shown(config)
    _check_rules(config)


def _check_names(option: str, names: object) -> None:
    if isinstance(names, str) or not isinstance(names, Iterable):
        refuse(f'{option}={names!r} must be a list of names, such as ["title"].')
    named = list(names)
    if len(set(named)) < len(named) or not all(isinstance(name, str) for name in named):
        refuse(f"{option}={named!r} must name each field once, as text.")


def _check_owner(config: ModelCRUDConfig) -> None:
    from django.contrib.auth import get_user_model

    name = config.owner_field
    if name is None:
        return
    owner = resolve(config.model, name)
    if "__" in name or not isinstance(owner, ForeignKey):
        refuse(f"owner_field={name!r} must be a foreign key of {config.model.__name__} itself.")
    if owner.related_model is not get_user_model():
        refuse(f"owner_field={name!r} must lead to the user model.")
    if name in config.fields:
        refuse(f"The owner {name!r} is set by the server; take it out of fields=.")


def _check_form(config: ModelCRUDConfig) -> None:
    from django.contrib.auth.models import AbstractBaseUser, Group

    try:
        inputs = config.form_class.base_fields
    except FieldError as error:
        refuse(f"{error}. Such a field may be in list_fields= only.")
    if not inputs or set(inputs) != set(config.fields):
        refuse(f"fields={[*config.fields]} must name the fields of the form, {[*inputs]}.")
    # An instance of Group or of a user model decides what somebody may do.
    is_privileged = issubclass(config.model, (AbstractBaseUser, Group))
    columns = {field.name: field for field in config.model._meta.get_fields()}  # noqa: SLF001
    relations = {name for name, field in columns.items() if field.is_relation}
    relations |= {name for name in inputs if isinstance(inputs[name], forms.ModelChoiceField)}
    for name, shown in inputs.items():
        if name in columns and resolve(config.model, name).primary_key:
            refuse(f"{name!r} is the primary key; name it in list_fields= instead.")
        if "password" in name.lower():
            refuse(f"{name!r} is a password; take it out.")
        if isinstance(shown, forms.FileField) or isinstance(columns.get(name), FileField):
            refuse(f"{name!r} is a file, which takes an upload handler of your own.")
        if is_privileged and name in _PRIVILEGES:
            refuse(f"{name!r} gives privileges; leave that to Django's admin.")
        if name in relations and name not in config.choices:
            refuse(
                f"{name!r} is a relation, so any object could be chosen. Say which: "
                f'choices={{"{name}": lambda user: …}}.'
            )
    if unknown := sorted(config.choices.keys() - relations.intersection(inputs)):
        refuse(f"choices= names {unknown[0]!r}, which is no relation in the form.")


def _check_shown(config: ModelCRUDConfig) -> None:
    if config.form is not None and config.serialize is None and not config.list_fields:
        refuse("With a form of your own, name in list_fields= what a row shows.")
    for name in (*config.shown_fields, *(each.removeprefix("-") for each in config.ordering)):
        resolve(config.model, name)
    asked = [("ordering_fields", name) for name in config.ordering_fields]
    asked += [("search_fields", name) for name in config.search_fields]
    for lookup in config.lookups.values():
        asked.append(("filter_fields", resolve_lookup(config.model, lookup)[0]))
    for option, path in asked:
        field = resolve(config.model, path)
        if path not in (*config.shown_fields, *config.fields, "pk"):
            refuse(
                f"{option} leads to {path!r}, which no row shows, so that answers would tell what "
                "it holds. Name it in list_fields= too."
            )
        if field.many_to_many:
            refuse(f"{option} leads to {path!r}, which is many-to-many; use queryset=.")
        if option == "search_fields" and not isinstance(field, (CharField, TextField)):
            refuse(f"search_fields names {path!r}, which is no text; use filter_fields=.")
    if config.version_field is not None:
        version = resolve(config.model, config.version_field)
        if version.name in config.fields:
            refuse(f"version_field={version.name!r} is in fields=; it must change by itself.")


def _check_rules(config: ModelCRUDConfig) -> None:
    if config.permissions not in ("model", "object", None):
        refuse(f'permissions={config.permissions!r} must be "model", "object" or None.')
    if config.permissions is not None or config.owner_field is not None:
        return
    undecided = [each for each in _HOOKS if getattr(config, each) is None]
    if config.queryset is not None and "can_view" in undecided:
        undecided.remove("can_view")
    if undecided:
        refuse(
            f"Nothing decides who may do what: give owner_field=, permissions= or {undecided[0]}="
            " (lambda user, note: True lets everyone, the anonymous too)."
        )
