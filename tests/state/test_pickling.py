"""PicklingStripper: nothing of Django is stored, and all else is."""

import dataclasses
import pickle
import threading
from typing import Any, ClassVar

import pytest
import reflex as rx
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.backends.db import SessionStore
from django.core.handlers.asgi import ASGIRequest
from django.db import models
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import resolve
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from rxbridge.errors import RxBridgeError
from rxbridge.state import AppState
from rxbridge.state.pickling import PicklingStripper


class OwnSession(SessionStore):
    """A session of a project's own."""


class OwnRequest(HttpRequest):
    """A request of a project's own."""


class Client:
    """Something transient of a project's own."""

    def __init__(self) -> None:
        self.request = HttpRequest()


class Colour(models.TextChoices):
    RED = "r", "Red"


@dataclasses.dataclass
class Line:
    name: str = "nobody"
    owner: Any = None
    tags: list[Any] = dataclasses.field(default_factory=lambda: ["default"])


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    owner: Any
    kept: int


class Base(PicklingStripper, rx.State, mixin=True):
    transient: ClassVar = {"_lock"}
    _lock: Any = "unlocked"
    kept: int = 0


class Basket(AppState, Base, rx.State):
    transient: ClassVar = {"_socket"}
    transient_types: ClassVar = (Client,)
    _held: Any = "default"
    _other: Any = None
    _made: list[int] = rx.field(default_factory=lambda: [1, 2], is_var=False)
    _socket: Any = None


class Plain(rx.State):
    _held: Any = "default"
    kept: int = 0


def state_of(cls, **values):
    state = cls(_reflex_internal_init=True)
    for name, value in values.items():
        setattr(state, name, value)
    return state


def stored(state):
    return state._serialize()


def back(state):
    return type(state)._deserialize(stored(state))


def ada():
    return User(pk=7, username="ada", password="a secret hash")


def never():
    raise AssertionError


# Made in the test: pytest would look into a lazy object.
TRANSIENT = {
    "HttpRequest": HttpRequest,
    "ASGIRequest": lambda: ASGIRequest(
        {"type": "http", "method": "GET", "path": "/", "headers": []}, None
    ),
    "own request": OwnRequest,
    "HttpResponse": HttpResponse,
    "ResolverMatch": lambda: resolve("/admin/"),
    "lazy object": lambda: SimpleLazyObject(never),
    "lazy user": lambda: SimpleLazyObject(ada),
    "session": lambda: SessionStore("key"),
    "own session": lambda: OwnSession("key"),
    "user": ada,
    "anonymous user": AnonymousUser,
    "queryset": User.objects.none,
    "manager": lambda: User.objects,
    "QueryDict": lambda: QueryDict("a=b"),
    "declared": Client,
}


@pytest.mark.parametrize("make", TRANSIENT.values(), ids=TRANSIENT)
def test_var_that_holds_something_transient_comes_back_as_its_default(make):
    held = make()
    state = state_of(Basket, kept=7)
    vars(state)["_held"] = held  # an assignment has Reflex look into a lazy object
    payload = stored(state)
    assert b"django." not in payload
    assert b"secret" not in payload
    after = back(state)
    assert (after._held, after.kept) == ("default", 7)
    assert vars(state)["_held"] is held, "the live state lost it"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([1, ada(), [ada(), 2]], [1, [2]]),
        ((1, ada()), (1, None)),
        ({"a": ada(), "b": [ada()], ada(): 3}, {"b": []}),
        ({1, ada()}, {1}),
        (Line("x", ada(), [ada(), 1]), Line("x", None, [1])),
        (Line(ada(), 1, ada()), Line("nobody", 1, ["default"])),
        (Frozen(ada(), 5), Frozen(None, 5)),
        ({"deep": [{"deeper": (Line("x", HttpRequest()),)}]}, {"deep": [{"deeper": (Line("x"),)}]}),
        ([mark_safe("<b>"), gettext_lazy("Yes")], ["<b>", "Yes"]),
        ([Colour.RED, ada()], [Colour.RED]),
    ],
)
def test_containers_are_stored_without_it(value, expected):
    state = state_of(Basket, _held=value)
    assert b"django." not in stored(state)
    assert back(state)._held == expected
    assert vars(state)["_held"] is value


def test_text_marked_safe_is_stored_as_text():
    (text,) = back(state_of(Basket, _held=[mark_safe("<b>")]))._held
    assert type(text) is str


def test_what_is_shared_stays_shared_and_a_circle_ends():
    shared = [1, ada()]
    circle = [ada()]
    circle.append(circle)
    after = back(state_of(Basket, _held=[shared, shared], _other=circle))
    first, second = vars(after)["_held"]
    assert first is second
    assert first == [1]
    assert len(after._other) == 1


def test_container_that_holds_none_is_stored_as_it_is():
    rows = [{"id": 1, "tags": ("a", {"b"})}]
    assert back(state_of(Basket, _held=rows, _other=ada()))._held == rows


def test_dataclass_keeps_what_is_no_field_of_it():
    line = Line(tags=["new"])
    line.note, line.user = "kept", ada()
    state = state_of(Basket, _held=line, _other=ada())
    after = back(state)._held
    assert (after.tags, after.note) == (["new"], "kept")
    assert b"a secret hash" not in stored(state)


def test_named_vars_are_not_stored_wherever_they_were_named():
    after = back(state_of(Basket, _lock=threading.Lock(), _socket=object(), kept=3))
    assert (after._lock, after._socket, after.kept) == ("unlocked", None, 3)


def test_default_is_made_anew_for_each_state():
    state = state_of(Basket, _made=[ada()])
    assert back(state)._made == []  # a list without the user is still a list
    state = state_of(Basket, _made=ada())
    first, second = back(state), back(state)
    assert first._made == second._made == [1, 2]
    assert first._made is not second._made


def test_what_cannot_be_stored_is_named_with_its_state():
    state = state_of(Basket, _other={"deep": [threading.Lock()]})
    with pytest.raises(RxBridgeError, match=r"Basket\._other holds .*_thread.lock.*'_other'"):
        stored(state)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"transient": {"_nothing"}}, "no var '_nothing'"),
        ({"transient": "_held"}, "ClassVar"),
    ],
)
def test_wrong_declaration_is_an_error_of_the_class(body, message):
    body = {"__annotations__": dict.fromkeys(body, ClassVar), "__module__": __name__, **body}
    with pytest.raises(ValueError, match=message):
        type(rx.State)("Wrong", (PicklingStripper, rx.State), body)


def test_declaration_that_forgot_classvar_is_an_error():
    with pytest.raises(ValueError, match="ClassVar"):

        class Forgot(PicklingStripper, rx.State):
            transient = ("_held",)
            _held: Any = None


def test_state_stored_before_it_was_a_stripper_loads():
    old = {"kept": 5, "_held": "before"}
    state = Basket.__new__(Basket)
    state.__setstate__(old)
    assert (state._held, state.kept) == ("before", 5)


def older(payload, **changes):
    """The pickle an older version of the class has left: other private vars."""
    schema, state = pickle.loads(payload)
    fields = vars(state)
    for name, value in changes.items():
        if value is None:
            fields.pop(name)
        else:
            fields[name] = value
    return pickle.dumps((schema, state))


def test_pickle_of_an_older_version_of_the_class_loads():
    state = state_of(Basket, _held="kept", _other="gone")
    after = Basket._deserialize(older(stored(state), _other=None))
    assert (after._held, after._other) == ("kept", None)


def test_plain_state_costs_no_second_pickle(monkeypatch):
    """What holds nothing transient is pickled once, and its containers are not walked."""
    walked = []
    monkeypatch.setattr(
        "rxbridge.state.pickling._without_transient", lambda *args: walked.append(args)
    )
    rows = [{"id": n, "name": f"row {n}"} for n in range(100)]
    state = state_of(Basket, _held=rows)
    plain = state_of(Plain, _held=rows)
    assert back(state)._held == rows
    assert walked == []
    assert len(stored(state)) < len(stored(plain)) + 200
