"""Who may do what: ownership, Django's permissions, and the configuration's own hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_permission_codename
from django.core.exceptions import PermissionDenied

from rxbridge.events.guards import answer_of

if TYPE_CHECKING:
    from django.db.models import Model, QuerySet

    from rxbridge.state.crud.config import Action, ModelCRUDConfig


class Rules:
    """The rules of a configuration; to be asked from synchronous code, on the event's thread."""

    def __init__(self, config: ModelCRUDConfig) -> None:
        self._config = config
        self._options: Any = config.model._meta  # noqa: SLF001

    def scope(self, user: Any) -> QuerySet[Any, Any]:
        """Return the rows ``user`` may see, as far as the database can tell."""
        config = self._config
        self.require_identity(user)
        rows = config.queryset(user) if config.queryset else config.model._default_manager.all()  # noqa: SLF001
        if config.owner_field is not None:
            rows = rows.filter(**{config.owner_field: user.pk})
        return rows

    def require_identity(self, user: Any) -> None:
        """Raise for a visitor nobody knows, where rows have owners."""
        if self._config.owner_field is not None and not user.is_authenticated:
            raise PermissionDenied("only who is signed in owns anything")

    def require_list(self, user: Any) -> None:
        """Raise unless ``user`` may see the list, of whatever rows."""
        self.require_identity(user)
        if self._config.permissions == "model" and not self._has_permission("view", user):
            raise PermissionDenied("no permission to view")

    def judges_rows(self, user: Any) -> bool:
        """Tell whether the database alone cannot tell which rows ``user`` may see."""
        if self._config.can_view is not None:
            return True
        by_object = self._config.permissions == "object"
        return by_object and not self._has_permission("view", user)

    def require(self, action: Action, user: Any, instance: Model) -> None:
        """Raise unless ``user`` may do this to ``instance``."""
        if not self.allows(action, user, instance):
            raise PermissionDenied(f"may not {action} {self._options.label} {instance.pk}")

    def allows(self, action: Action, user: Any, instance: Model) -> bool:
        """Tell whether ``user`` may do this to ``instance``."""
        if not self._owns(user, instance):
            return False
        if self._config.permissions and not self._has_permission(action, user, instance):
            return False
        hook = getattr(self._config, f"can_{action}")
        return hook is None or answer_of(hook, user, instance)

    def _owns(self, user: Any, instance: Model) -> bool:
        if self._config.owner_field is None:
            return True
        field = self._options.get_field(self._config.owner_field)
        return bool(user.is_authenticated) and getattr(instance, field.attname) == user.pk

    def _has_permission(self, action: Action, user: Any, instance: Model | None = None) -> bool:
        # Who may change may view, as in Django's admin.
        actions = ("view", "change") if action == "view" else (action,)
        names = [
            f"{self._options.app_label}.{get_permission_codename(each, self._options)}"
            for each in actions
        ]
        if any(user.has_perm(name) for name in names):
            return True
        if self._config.permissions != "object" or instance is None:
            return False
        return any(user.has_perm(name, instance) for name in names)
