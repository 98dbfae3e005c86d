"""What a configuration is refused for, before any state is made of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from django.core.exceptions import FieldDoesNotExist
from django.db.models import (
    BinaryField,
    CharField,
    Field,
    FileField,
    ForeignKey,
    Model,
    TextField,
)

if TYPE_CHECKING:
    from rxbridge.state.crud.config import ModelCRUDConfig

MAX_PAGE_SIZE = 500

TRANSFORMS = frozenset({"date", "year", "month", "day"})
COMPARISONS = frozenset({"exact", "gt", "gte", "lt", "lte", "isnull"})
TEXT_COMPARISONS = frozenset(
    {"iexact", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"}
)
_PRIVILEGES = frozenset(
    {"is_superuser", "is_staff", "is_active", "groups", "user_permissions", "permissions"}
)


class Lookup(NamedTuple):
    """A lookup taken apart: the path of fields, the field it ends at, a transform, a comparison."""

    path: str
    field: Any
    transform: str | None
    comparison: str


def check_config(config: ModelCRUDConfig) -> None:
    """Raise ``ValueError`` for a configuration that shows or changes more than it names."""
    model: Any = config.model
    if not (isinstance(model, type) and issubclass(model, Model)):
        _refuse(f"model={model!r} must be a Django model class.")
    _check_sequences(config)
    if not 1 <= config.page_size <= MAX_PAGE_SIZE:
        _refuse(f"page_size={config.page_size} must be from 1 to {MAX_PAGE_SIZE}.")
    _check_owner(config)
    _check_form_fields(config)
    _check_shown(config)
    _check_queries(config)
    _check_version(config)
    _check_rules(config)


def resolve(model: type[Model], path: str) -> Any:
    """Return the field at the end of ``path``, which leads through to-one relations only."""
    *relations, last = path.split("__")
    for name in relations:
        field = _field(model, name, path)
        if not isinstance(field, ForeignKey):
            _refuse(f"{path!r} leads through {name!r}, which is no foreign key.")
        model = field.related_model
    return _field(model, last, path)


def resolve_lookup(model: type[Model], lookup: str) -> Lookup:
    """Take a configured lookup apart."""
    parts = lookup.split("__")
    comparison = parts.pop() if parts[-1] in COMPARISONS | TEXT_COMPARISONS else "exact"
    transform = parts.pop() if parts[-1] in TRANSFORMS and len(parts) > 1 else None
    path = "__".join(parts)
    return Lookup(path, resolve(model, path), transform, comparison)


def _field(model: type[Model], name: str, path: str) -> Any:
    try:
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)  # noqa: SLF001
    except FieldDoesNotExist:
        field = None
    if not isinstance(field, Field):
        _refuse(
            f"{path!r} names no field of {model.__name__}. Lookups such as regex cannot be named "
            "either; for what is computed, use serialize=."
        )
    if "password" in field.name.lower():
        _refuse(f"{path!r} is a password; take it out.")
    if isinstance(field, BinaryField):
        _refuse(f"{path!r} holds bytes, which a page cannot show; take it out.")
    return field


def _check_sequences(config: ModelCRUDConfig) -> None:
    for option in ("fields", "list_fields", "search_fields", "ordering_fields", "ordering"):
        _check_names(option, getattr(config, option))
    if not isinstance(config.filter_fields, Mapping):
        _check_names("filter_fields", config.filter_fields)
    if not config.fields:
        _refuse("fields is empty; name the fields of the form.")


def _check_names(option: str, names: object) -> None:
    if isinstance(names, str) or not isinstance(names, Iterable):
        _refuse(f'{option}={names!r} must be a list of names, such as ["title"].')
    named = list(names)
    if len(set(named)) < len(named) or not all(isinstance(name, str) for name in named):
        _refuse(f"{option}={named!r} must name each field once, as text.")


def _check_owner(config: ModelCRUDConfig) -> None:
    from django.contrib.auth import get_user_model

    name = config.owner_field
    if name is None:
        return
    owner = resolve(config.model, name)
    if "__" in name or not isinstance(owner, ForeignKey):
        _refuse(f"owner_field={name!r} must be a foreign key of {config.model.__name__} itself.")
    if owner.related_model is not get_user_model():
        _refuse(f"owner_field={name!r} must lead to the user model.")
    if name in config.fields:
        _refuse(f"The owner {name!r} is set by the server; take it out of fields=.")


def _check_form_fields(config: ModelCRUDConfig) -> None:
    own = config.form.base_fields if config.form is not None else {}
    if unnamed := sorted(set(own) - set(config.fields)):
        _refuse(f"The form has a field {unnamed[0]!r} that fields= does not name.")
    if config.form is not None and (missing := sorted(set(config.fields) - set(own))):
        _refuse(f"fields= names {missing[0]!r}, which the form does not have.")
    for name in config.fields:
        if name not in own or _is_model_field(config.model, name):
            _check_writable(config, name)
        elif "password" in name.lower():
            _refuse(f"{name!r} is a password; take it out.")
    _check_relations(config)


def _is_model_field(model: type[Model], name: str) -> bool:
    options = model._meta  # noqa: SLF001
    return any(name == field.name for field in (*options.fields, *options.many_to_many))


def _check_writable(config: ModelCRUDConfig, name: str) -> None:
    if "__" in name:
        _refuse(f"{name!r} is a field of another model; it may be in list_fields= only.")
    field = resolve(config.model, name)
    if field.primary_key or not field.editable or field.name != name:
        _refuse(f"{name!r} cannot be edited; name it in list_fields= instead.")
    if isinstance(field, FileField):
        _refuse(f"{name!r} is a file, which takes an upload handler of your own.")
    if _has_privileges(config.model) and name in _PRIVILEGES:
        _refuse(f"{name!r} gives privileges; leave that to Django's admin.")


def _has_privileges(model: type[Model]) -> bool:
    from django.contrib.auth.models import AbstractBaseUser, Group

    # An instance of Group or of a user model decides what somebody may do.
    return issubclass(model, (AbstractBaseUser, Group))


def _check_relations(config: ModelCRUDConfig) -> None:
    relations = set(_relations(config))
    if missing := sorted(relations - set(config.choices)):
        _refuse(
            f"{missing[0]!r} is a relation, so any object could be chosen. Say which: "
            f'choices={{"{missing[0]}": lambda user: …}}.'
        )
    if unknown := sorted(set(config.choices) - relations):
        _refuse(f"choices= names {unknown[0]!r}, which is no relation in the form.")


def _relations(config: ModelCRUDConfig) -> Iterable[str]:
    from django.forms import ModelChoiceField

    for name in config.fields:
        if config.form is not None:
            if isinstance(config.form.base_fields[name], ModelChoiceField):
                yield name
        elif resolve(config.model, name).is_relation:
            yield name


def _check_shown(config: ModelCRUDConfig) -> None:
    if config.form is not None and config.serialize is None and not config.list_fields:
        _refuse("With a form of your own, name in list_fields= what a row shows.")
    for path in config.shown_fields:
        resolve(config.model, path)


def _check_queries(config: ModelCRUDConfig) -> None:
    readable = {*config.shown_fields, *config.fields, "pk"}
    for path in config.search_fields:
        field = _check_readable("search_fields", path, path, config.model, readable)
        if not isinstance(field, (CharField, TextField)):
            _refuse(f"search_fields names {path!r}, which is no text; use filter_fields=.")
    for name, text in config.lookups.items():
        lookup = resolve_lookup(config.model, text)
        _check_readable("filter_fields", name, lookup.path, config.model, readable)
    for path in config.ordering_fields:
        _check_readable("ordering_fields", path, path, config.model, readable)
    for name in config.ordering:
        resolve(config.model, name.removeprefix("-"))


def _check_readable(
    option: str, name: str, path: str, model: type[Model], readable: set[str]
) -> Any:
    field = resolve(model, path)
    if path not in readable:
        _refuse(
            f"{option} names {name!r}, but no row shows {path!r}, so that answers would tell "
            "what it holds. Name it in list_fields= too."
        )
    if field.many_to_many:
        _refuse(f"{option} names {name!r}, which is many-to-many; use queryset=.")
    return field


def _check_version(config: ModelCRUDConfig) -> None:
    if config.version_field is not None:
        field = resolve(config.model, config.version_field)
        if field.name in config.fields:
            _refuse(f"version_field={field.name!r} is in fields=; it must change by itself.")


def _check_rules(config: ModelCRUDConfig) -> None:
    if config.permissions not in ("model", "object", None):
        _refuse(f'permissions={config.permissions!r} must be "model", "object" or None.')
    if config.permissions is not None or config.owner_field is not None:
        return
    undecided = [each for each in _HOOKS if getattr(config, each) is None]
    if config.queryset is not None and "can_view" in undecided:
        undecided.remove("can_view")
    if undecided:
        _refuse(
            f"Nothing decides who may do what: give owner_field=, permissions= or {undecided[0]}="
            " (lambda user, note: True lets everyone, the anonymous too)."
        )


_HOOKS = ("can_view", "can_add", "can_change", "can_delete")


def _refuse(message: str) -> NoReturn:
    raise ValueError(message)
