"""Store: what the handlers do in the database, each within the rules; synchronous."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from django.core.paginator import Paginator
from django.db import router, transaction
from django.db.models import ProtectedError, QuerySet, RestrictedError
from django.http import Http404
from django.utils.translation import gettext

from rxbridge.state._forms import FORM, Errors
from rxbridge.state.crud._forms import Forms, save
from rxbridge.state.crud._query import Queries, checked_page, checked_pk
from rxbridge.state.crud._rows import Row, Rows, form_choices, input_values, version_of
from rxbridge.state.crud._rules import Rules

if TYPE_CHECKING:
    from django.db.models import Model
    from django.forms import ModelForm

    from rxbridge.state.crud.config import ModelCRUDConfig

Shown: TypeAlias = dict[str, Any]
"""Vars of ``ModelCRUD``, by the names they have there, and what each is to be."""

MAX_JUDGED = 1_000
"""How many rows are fetched to be judged one by one, where the database cannot tell."""


def closed_form() -> Shown:
    """Return the vars of a form that is not open."""
    closed = {"form_open": False, "editing": "", "form_values": {}, "_crud_draft": {}}
    return closed | _outcome({})


def _outcome(errors: Errors, current: Row | None = None) -> Shown:
    """Return the vars that say what is wrong, or what an object holds by now."""
    return {
        "form_errors": errors,
        "conflict": current is not None,
        "current_values": current or {},
    }


class Store:
    """One configuration's rows in the database.

    Every method is given the user and raises ``PermissionDenied``, ``Http404`` or ``BadRequest``
    before anything is changed.
    """

    def __init__(self, config: ModelCRUDConfig) -> None:
        self._config = config
        self.rules = Rules(config)
        self._queries = Queries(config)
        self._forms = Forms(config)
        self._rows = Rows(config)

    def page(self, user: Any, page: int = 1, **query: Any) -> Shown:
        """Return a page of the list, the last one when there are fewer."""
        self.rules.require_list(user)
        number = checked_page(page)
        rows: Any = self._queries.apply(self.rules.scope(user), **query)
        rows = self._rows.with_relations(rows)
        if self.rules.judges_rows(user):
            judged = rows[:MAX_JUDGED]
            rows = [each for each in judged if self.rules.allows("view", user, each)]
        cut = Paginator(rows, self._config.page_size)
        shown = cut.get_page(number)
        return {
            "rows": [self._rows.row(each) for each in shown],
            "total": cut.count,
            "page": shown.number,
            "pages": cut.num_pages,
            **query,
        }

    def new(self, user: Any) -> Shown:
        """Return an empty form."""
        return self._opened(user, self._addable(user))

    def open(self, user: Any, pk: object) -> Shown:
        """Return the form of an object."""
        instance = self._required("change", user, self._scope_of(user, pk).first())
        version = version_of(self._config, instance)
        return self._opened(user, instance, pk=str(instance.pk), version=version)

    def create(self, user: Any, submitted: object) -> Shown:
        """Create an object of what the form holds, unless something is wrong with it."""
        with self._writing() as using:
            form = self._forms.submitted(user, self._addable(user), submitted)
            if form.is_valid():
                # What it would become may be judged differently from an empty one.
                self.rules.require("add", user, form.instance)
            return self._saved(form, using)

    def update(self, user: Any, pk: object, version: str, submitted: object) -> Shown:
        """Change an object to what the form holds, unless it is no longer in that version."""
        with self._writing() as using:
            instance = self._locked("change", user, pk, using)
            form = self._forms.submitted(user, instance, submitted)
            if version_of(self._config, instance) != version:
                changed = gettext("Somebody else has changed this meanwhile.")
                current = input_values(self._forms.opened(user, instance))
                return _outcome({FORM: [changed]}, current)
            return self._saved(form, using)

    def delete(self, user: Any, pk: object) -> Shown:
        """Delete an object, unless others need it."""
        with self._writing() as using:
            instance = self._locked("delete", user, pk, using)
            try:
                instance.delete()
            except (ProtectedError, RestrictedError):
                return {"form_errors": {FORM: [gettext("It is still in use.")]}}
        return {"form_errors": {}}

    def _addable(self, user: Any) -> Model:
        """Return what an empty form is of, which ``user`` would own."""
        self.rules.require_identity(user)
        instance = self._config.new(user) if self._config.new else self._config.model()
        if self._config.owner_field is not None:
            setattr(instance, self._config.owner_field, user)
        self.rules.require("add", user, instance)
        return instance

    def _opened(self, user: Any, instance: Model, **draft: str) -> Shown:
        form = self._forms.opened(user, instance)
        return closed_form() | {
            "form_open": True,
            "editing": draft.get("pk", ""),
            "form_values": input_values(form),
            "form_choices": form_choices(form),
            "_crud_draft": draft,
        }

    def _saved(self, form: ModelForm[Any], using: str) -> Shown:
        errors = save(form, using)
        return _outcome(errors) if errors else closed_form()

    def _scope_of(self, user: Any, pk: object) -> QuerySet[Any, Any]:
        return self.rules.scope(user).filter(pk=checked_pk(self._config.model, pk))

    def _locked(self, action: Any, user: Any, pk: object, using: str) -> Model:
        # The scope is a subquery, since a database locks no rows of joins or of distinct ones.
        scope = self._scope_of(user, pk).using(using)
        rows = self._config.model._base_manager.using(using).select_for_update()  # noqa: SLF001
        found = rows.filter(pk__in=scope.order_by().values("pk")).first()
        return self._required(action, user, found)

    def _required(self, action: Any, user: Any, instance: Model | None) -> Model:
        """Return the object, as something that is not there to who may not see it."""
        if instance is None or not self.rules.allows("view", user, instance):
            msg = f"{user.pk} may see no such {self._config.model._meta.label}"  # noqa: SLF001
            raise Http404(msg)
        self.rules.require(action, user, instance)
        return instance

    @contextmanager
    def _writing(self) -> Generator[str]:
        using = router.db_for_write(self._config.model)
        with transaction.atomic(using=using):
            yield using
