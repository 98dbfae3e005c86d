"""Store: what the handlers do in the database, each within the rules; synchronous."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.core.paginator import Paginator
from django.db import router, transaction
from django.db.models import ProtectedError, QuerySet, RestrictedError
from django.http import Http404
from django.utils.translation import gettext

from rxbridge.state._forms import FORM, Errors
from rxbridge.state.crud._forms import Forms, save
from rxbridge.state.crud._query import Queries, Query, checked_page, checked_pk
from rxbridge.state.crud._rows import (
    Choice,
    Row,
    form_choices,
    input_values,
    serializer,
    version_of,
    with_relations,
)
from rxbridge.state.crud._rules import Rules

if TYPE_CHECKING:
    from django.db.models import Model
    from django.forms import ModelForm

    from rxbridge.state.crud.config import ModelCRUDConfig

MAX_JUDGED = 1_000
"""How many rows are fetched to be judged one by one, where the database cannot tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of the list."""

    rows: list[Row]
    total: int
    number: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A form as it is opened: of which object, in which version; of a new one when empty."""

    pk: str = ""
    version: str = ""
    values: Row
    choices: dict[str, list[Choice]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a change: errors by field, or what the object holds when it was not the same."""

    errors: Errors = field(default_factory=dict)
    current: Row | None = None


class Store:
    """One configuration's rows in the database.

    Every method is given the user and raises ``PermissionDenied``, ``Http404`` or ``BadRequest``
    before anything is changed.
    """

    def __init__(self, config: ModelCRUDConfig) -> None:
        self._config = config
        self._rules = Rules(config)
        self._queries = Queries(config)
        self._forms = Forms(config)
        self._row: Callable[[Model], Row] = serializer(config)

    def require_list(self, user: Any) -> None:
        """Raise unless ``user`` may see the list."""
        self._rules.require_identity(user)
        self._rules.require_list(user)

    def page(self, user: Any, query: Query) -> Page:
        """Return a page of the list, the last one when there are fewer."""
        self.require_list(user)
        number = checked_page(query.page)
        rows = self._queries.apply(self._rules.scope(user), query)
        rows = with_relations(self._config, rows)
        if self._rules.judges_rows(user):
            judged = rows[:MAX_JUDGED]
            visible = [each for each in judged if self._rules.allows("view", user, each)]
            return self._cut(visible, number)
        return self._cut(rows, number)

    def new(self, user: Any) -> Draft:
        """Return an empty form."""
        instance = self._new_instance(user)
        self._rules.require("add", user, instance)
        return self._draft(self._forms.unbound(user, instance))

    def open(self, user: Any, pk: object) -> Draft:
        """Return the form of an object."""
        found = self._scope_of(user, pk).first()
        instance = self._required("change", user, found)
        version = version_of(self._config, instance)
        return self._draft(self._forms.unbound(user, instance), pk=instance.pk, version=version)

    def create(self, user: Any, submitted: object) -> Result:
        """Create an object of what the form holds, unless something is wrong with it."""
        with self._writing() as using:
            instance = self._new_instance(user)
            self._rules.require("add", user, instance)
            form = self._forms.bound(user, instance, submitted)
            if form.is_valid():
                # What it would become may be judged differently from an empty one.
                self._rules.require("add", user, form.instance)
            return Result(errors=save(form, using))

    def update(self, user: Any, pk: object, version: str, submitted: object) -> Result:
        """Change an object to what the form holds, unless it is no longer in that version."""
        with self._writing() as using:
            instance = self._locked("change", user, pk, using)
            form = self._forms.bound(user, instance, submitted)
            if version_of(self._config, instance) != version:
                current = input_values(self._forms.unbound(user, instance))
                changed = gettext("Somebody else has changed this meanwhile.")
                return Result(errors={FORM: [changed]}, current=current)
            return Result(errors=save(form, using))

    def delete(self, user: Any, pk: object) -> Result:
        """Delete an object, unless others need it."""
        with self._writing() as using:
            instance = self._locked("delete", user, pk, using)
            try:
                instance.delete()
            except (ProtectedError, RestrictedError):
                return Result(errors={FORM: [gettext("It is still in use.")]})
        return Result()

    def _new_instance(self, user: Any) -> Model:
        self._rules.require_identity(user)
        return self._forms.new_instance(user)

    def _cut(self, rows: Any, number: int) -> Page:
        cut = Paginator(rows, self._config.page_size)
        page = cut.get_page(number)
        shown = [self._row(each) for each in page]
        return Page(rows=shown, total=cut.count, number=page.number, count=cut.num_pages)

    def _draft(self, form: ModelForm[Any], *, pk: Any = "", version: str = "") -> Draft:
        return Draft(
            pk=str(pk), version=version, values=input_values(form), choices=form_choices(form)
        )

    def _scope_of(self, user: Any, pk: object) -> QuerySet[Any, Any]:
        return self._rules.scope(user).filter(pk=checked_pk(self._config.model, pk))

    def _locked(self, action: Any, user: Any, pk: object, using: str) -> Model:
        # The scope is a subquery, since a database locks no rows of joins or of distinct ones.
        scope = self._scope_of(user, pk).using(using)
        rows = self._config.model._base_manager.using(using).select_for_update()  # noqa: SLF001
        found = rows.filter(pk__in=scope.order_by().values("pk")).first()
        return self._required(action, user, found)

    def _required(self, action: Any, user: Any, instance: Model | None) -> Model:
        """Return the object, as something that is not there to who may not see it."""
        if instance is None or not self._rules.allows("view", user, instance):
            msg = f"{user.pk} may see no such {self._config.model._meta.label}"  # noqa: SLF001
            raise Http404(msg)
        self._rules.require(action, user, instance)
        return instance

    @contextmanager
    def _writing(self) -> Generator[str]:
        using = router.db_for_write(self._config.model)
        with transaction.atomic(using=using):
            yield using
