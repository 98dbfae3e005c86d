"""What one version of a state class has stored, another version of it can use."""

import dataclasses
import logging
import pickle
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import reflex as rx
from hypothesis import given, settings
from hypothesis import strategies as st
from reflex.state import BaseState, StateSchemaMismatchError
from reflex_base.registry import RegistrationContext

from rxbridge.state import pickling
from rxbridge.state.pickling import PicklingStripper

VALUES = {
    int: st.integers(),
    str: st.text(max_size=5),
    bool: st.booleans(),
    list[int]: st.lists(st.integers(), max_size=3),
    list[str]: st.lists(st.text(max_size=5), min_size=1, max_size=3),
    dict[str, int]: st.dictionaries(st.text(max_size=3), st.integers(), max_size=3),
    int | None: st.none() | st.integers(),
}
DEFAULTS = {
    int: -1,
    str: "default",
    bool: False,
    list[int]: [7],
    list[str]: ["d"],
    dict[str, int]: {"d": 1},
    int | None: -2,
}
VARS = st.dictionaries(st.sampled_from("abcde"), st.sampled_from(list(VALUES)), max_size=4)


@dataclasses.dataclass
class Line:
    name: str = ""


@pytest.fixture(autouse=True)
def registry():
    """States of a test are no other test's."""
    with RegistrationContext.ensure_context().fork():
        yield
    vars(sys.modules[__name__]).pop("Cart", None)
    pickling._tell.cache_clear()


def version(
    variables: Mapping[str, Any], bases: tuple[type, ...] = (PicklingStripper,), **defaults: Any
) -> type[BaseState]:
    """Return the class ``Cart`` of this module as a release has it."""
    with RegistrationContext.ensure_context().fork():
        made = type(rx.State)(
            "Cart",
            (*bases, rx.State),
            {
                "__module__": __name__,
                "__annotations__": dict(variables),
                **{name: DEFAULTS.get(kind) for name, kind in variables.items()},
                **defaults,
            },
        )
    globals()["Cart"] = made
    return made


def stored_by(release: type[BaseState], **values: Any) -> bytes:
    globals()["Cart"] = release
    state = release(_reflex_internal_init=True)
    for name, value in values.items():
        setattr(state, name, value)
    return state._serialize()


def read_by(release: type[BaseState], payload: bytes) -> Any:
    globals()["Cart"] = release
    return BaseState._deserialize(payload)


def test_added_var_starts_at_its_default_and_a_removed_one_goes():
    old, new = version({"a": int, "b": str}), version({"a": int, "c": str})
    state = read_by(new, stored_by(old, a=3, b="gone"))
    assert (state.a, state.c) == (3, "default")
    assert "b" not in vars(state)
    back = read_by(old, stored_by(new, a=4, c="new"))
    assert (back.a, back.b) == (4, "default")


def test_retyped_var_starts_at_its_default_and_is_logged_once(caplog):
    old, new = version({"a": int, "b": int}), version({"a": str, "b": int})
    payload = stored_by(old, a=3, b=4)
    with caplog.at_level(logging.WARNING, "rxbridge.state"):
        for _ in range(3):
            state = read_by(new, payload)
    assert (state.a, state.b) == ("default", 4)
    (record,) = caplog.records
    assert "Cart: what another version of it stored in a does not fit" in record.getMessage()


@pytest.fixture
def lines_class():
    """Put another class, or none, in the place of ``Line``."""
    before = Line
    yield lambda other: globals().update(Line=other) if other else globals().pop("Line")
    globals()["Line"] = before


class Items(list):
    """A list of a project's own."""


class Prices(dict):
    """A mapping of a project's own."""


@pytest.mark.parametrize("made", [Items([1]), Prices(a=1)], ids=["list", "dict"])
def test_container_whose_class_is_gone_costs_its_own_var_only(made):
    release = version({"a": int, "_held": Any})
    payload = stored_by(release, a=3, _held=made)
    gone = globals().pop(type(made).__name__)
    try:
        state = read_by(release, payload)
        assert (state.a, state._held) == (3, None)
    finally:
        globals()[gone.__name__] = gone


@dataclasses.dataclass
class Order:
    line: Line
    next: "Order | None" = None


def test_field_that_a_dataclass_inside_another_has_got_is_seen(lines_class):
    payload = stored_by(version({"a": int, "order": Order | None}), a=3, order=Order(Line("x")))
    tags = ("tags", list[str], dataclasses.field(default_factory=list))
    grown = dataclasses.make_dataclass("Line", [("name", str), tags])
    now = dataclasses.make_dataclass("Order", [("line", grown), ("next", "Order | None", None)])
    grown.__module__ = now.__module__ = __name__
    lines_class(grown)
    before, globals()["Order"] = Order, now
    try:
        state = read_by(version({"a": int, "order": now | None}), payload)
        assert (state.a, state.order) == (3, None)
    finally:
        globals()["Order"] = before


@dataclasses.dataclass
class Grown:
    name: str
    tags: list[str] = dataclasses.field(default_factory=list)


@pytest.mark.parametrize("now", [Grown, None], ids=["grew", "is gone"])
def test_object_whose_class_changed_costs_its_own_var_only(lines_class, now):
    old = version({"a": int, "line": Line | None, "_lines": list})
    payload = stored_by(old, a=3, line=Line("x"), _lines=[{"deep": Line("y")}])
    lines_class(now)
    line = {"line": now | None} if now else {}
    new = version({"a": int, "_lines": list, **line})
    state = read_by(new, payload)
    assert (state.a, state._lines) == (3, None)
    assert getattr(state, "line", None) is None


def test_states_of_before_the_mixin_and_of_others_load():
    plain, new = version({"a": int, "b": str}, ()), version({"a": int, "c": str})
    state = read_by(new, stored_by(plain, a=3, b="gone"))
    assert (state.a, state.c) == (3, "default")


def test_plain_state_is_dropped():
    """The control: what Reflex does without the mixin."""
    old, new = version({"a": int, "b": str}, ()), version({"a": int}, ())
    with pytest.raises(StateSchemaMismatchError):
        read_by(new, stored_by(old, a=3, b="x"))


def test_stored_schema_is_plain_text():
    schema, _state = pickle.loads(stored_by(version({"a": int})))
    assert type(schema) is str


def test_value_computed_by_the_other_version_is_computed_anew():
    def twice(self) -> int:
        return self.a * 2

    def thrice(self) -> int:
        return self.a * 3

    old = version({"a": int}, a=1, product=rx.var(cache=True)(twice))
    new = version({"a": int, "b": int}, a=1, product=rx.var(cache=True)(thrice))
    globals()["Cart"] = old
    state = old(_reflex_internal_init=True)
    state.a = 5
    assert state.product == 10
    assert read_by(new, state._serialize()).product == 15


@settings(max_examples=150)
@given(st.data(), VARS, VARS)
def test_what_both_versions_know_is_kept_forth_and_back(data, old_vars, new_vars):
    with RegistrationContext.ensure_context().fork():
        old, new = version(old_vars), version(new_vars)
        values = {name: data.draw(VALUES[kind]) for name, kind in old_vars.items()}
        payload = stored_by(old, **values)
        state = read_by(new, payload)
        for name, kind in new_vars.items():
            same = old_vars.get(name) == kind
            if same:
                assert getattr(state, name) == values[name]
            elif name not in old_vars:
                assert getattr(state, name) == DEFAULTS[kind]
        # A second version stores it, and the first reads it again.
        again = read_by(old, state._serialize())
        for name, kind in old_vars.items():
            if new_vars.get(name) == kind:
                assert getattr(again, name) == values[name]
