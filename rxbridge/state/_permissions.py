"""What a page shows of a user's permissions and groups, in one statement where that will do."""

from __future__ import annotations

import functools
from collections.abc import Collection, Hashable
from typing import Any, cast

from django.contrib.auth import get_backends
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import (
    Group,
    GroupManager,
    Permission,
    PermissionManager,
    PermissionsMixin,
)
from django.db import connections, router
from django.db.models import CharField, Value
from django.db.models.expressions import RawSQL

# What another backend may answer otherwise.
_OF_BACKEND = (
    "get_all_permissions",
    "get_user_permissions",
    "get_group_permissions",
    "_get_permissions",
    "_get_user_permissions",
    "_get_group_permissions",
)


def permissions_and_groups(user: Any, names: Collection[str]) -> dict[str, list[str]]:
    """Return what the mirrors ``perms`` and ``group_names`` show of a user who is signed in.

    Django's own backend and models are asked by one statement, which the ORM writes once for a
    process: it takes longer to write the three of Django's than a database to answer them.
    """
    if _is_djangos(type(user)) and user.is_active and not user.is_superuser:
        alias = router.db_for_read(Permission, instance=user)
        with connections[alias].cursor() as cursor:
            pk = user._meta.pk.get_db_prep_value(user.pk, connections[alias])  # noqa: SLF001
            cursor.execute(_statement(cast("Hashable", type(user)), alias), [pk, pk])
            rows = cursor.fetchall()
        return {
            "perms": sorted({f"{app}.{codename}" for _, app, codename in rows if codename}),
            "group_names": sorted({group for group, _, _ in rows if group is not None}),
        }
    found = {}
    if "perms" in names and hasattr(user, "get_all_permissions"):
        found["perms"] = sorted(user.get_all_permissions())
    if "group_names" in names and hasattr(user, "groups"):
        found["group_names"] = sorted(user.groups.values_list("name", flat=True))
    return found


def _is_djangos(model: Any) -> bool:
    """Tell whether permissions and groups of a user model are what Django makes of its tables."""
    return (
        issubclass(model, PermissionsMixin)
        and model.get_all_permissions is PermissionsMixin.get_all_permissions
        and all(
            getattr(type(backend), name, None) is getattr(ModelBackend, name)
            for backend in get_backends()
            for name in _OF_BACKEND
        )
        and model._meta.get_field("groups").related_model is Group  # noqa: SLF001
        and model._meta.get_field("user_permissions").related_model is Permission  # noqa: SLF001
        and type(Group.objects) is GroupManager
        and type(Permission.objects) is PermissionManager
    )


@functools.cache
def _statement(model: Any, alias: str) -> str:
    """Return the SQL for a user's groups with what these may, and for what the user may alone."""
    user = RawSQL("%s", [None])

    def of_user(field: str) -> Any:
        relation = model._meta.get_field(field)  # noqa: SLF001
        of = {relation.related_query_name(): user}
        return relation.related_model.objects.using(alias).order_by().filter(**of)

    groups = of_user("groups").values_list(
        "name", "permissions__content_type__app_label", "permissions__codename"
    )
    nothing = Value(None, output_field=CharField())
    own = of_user("user_permissions").values_list(nothing, "content_type__app_label", "codename")
    sql: str = groups.union(own, all=True).query.get_compiler(alias).as_sql()[0]
    return sql
