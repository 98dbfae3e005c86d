"""The table of docs/values.md, over a socket; and what Reflex does without."""

import datetime as dt
import json
import pickle
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import reflex as rx
from django.contrib.auth.models import Group, User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, models
from django.utils.translation import gettext_lazy
from reflex_base.utils import serializers

from rxbridge.errors import RxBridgeError
from rxbridge.events import reflex_asgi
from rxbridge.state import AppState, serialize_django_values
from rxbridge.state.values import UnfetchedRows
from rxbridge.testing import EventClient, RawClient
from tests.events.app import app, connections

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = (Path(__file__).parents[2] / "docs" / "values.md").read_text()
ROWS = [
    [cell.strip().strip("`") for cell in line.strip("| ").split(" | ")[1:]]
    for line in PAGE.splitlines()
    if line.startswith("| ") and "`" in line
]


NAMES = {
    **{name: getattr(dt, name) for name in ("UTC", "date", "datetime", "time", "timedelta")},
    "Decimal": Decimal,
    "UUID": uuid.UUID,
    "User": User,
    "gettext_lazy": gettext_lazy,
}
"""What an example of the table may use, besides ``Day`` and ``self``."""


class Day(models.TextChoices):
    SUNDAY = "su", gettext_lazy("Sunday")


class Pinned(AppState, rx.State):
    """Shows what it is given."""

    value: dict[str, Any] = {}
    rows: list[Any] = []
    read: list[Any] = []
    text: str = ""
    _kept: Any = None

    def _pin(self, example: str) -> None:
        value = eval(example, NAMES | {"Day": Day, "self": self})
        if isinstance(value, models.QuerySet | list):
            self.rows = value
        else:
            self.value = value if isinstance(value, models.Model) else {"x": value}

    @rx.event
    def pin(self, example: str):
        self._pin(example)

    @rx.event
    async def pin_async(self, example: str):
        self._pin(example)

    @rx.event
    def pin_text(self):
        self.text = gettext_lazy("Sunday")

    @rx.event
    async def pin_and_read(self):
        self.rows = User.objects.values_list("username", flat=True)
        yield
        self.read = [*self.rows, "more"]

    @rx.event
    def pin_kept(self):
        self._kept = User(username="ada")

    @rx.event
    def tell(self):
        return rx.toast(gettext_lazy("Sunday"))


@pytest.fixture
def registry(monkeypatch):
    """Reflex's registry, which is as it was afterwards."""
    for name in ("SERIALIZERS", "SERIALIZER_TYPES"):
        monkeypatch.setattr(serializers, name, dict(getattr(serializers, name)))
    yield serializers
    monkeypatch.undo()
    serializers.get_serializer.cache_clear()
    serializers.get_serializer_type.cache_clear()


@pytest.fixture
def _registered(registry):
    serialize_django_values()


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


async def over_a_socket(handler: str, **payload: Any) -> Any:
    """What a page is sent, as JSON."""
    german = {"accept-language": "de"}
    application = connections.wrap(reflex_asgi(app))
    async with RawClient(application) as raw, raw.connect(headers=german) as socket:
        return await socket.send(f"{Pinned.get_full_name()}.{handler}", payload)


@pytest.mark.usefixtures("_registered", "ada")
@pytest.mark.parametrize("handler", ["pin", "pin_async"])
@pytest.mark.parametrize(("example", "expected"), ROWS, ids=[row[0] for row in ROWS])
async def test_table_of_the_docs(handler, example, expected, caplog):
    fired = await over_a_socket(handler, example=example)
    if expected == "RxBridgeError":
        assert "which no page can be sent" in caplog.text
        assert "user_snapshot" in caplog.text
        return
    shown = fired.vars["rows"] or fired.vars["value"]["x"]
    assert shown == json.loads(expected)
    assert "Expected field" not in caplog.text


@pytest.mark.parametrize(
    "value",
    [eval(row[0], NAMES) for row in ROWS if row[0].startswith(("Dec", "date", "time", "UUID"))],
)
@pytest.mark.usefixtures("_registered")
def test_texts_are_those_of_djangos_encoder(value):
    assert serializers.serialize(value) == json.loads(DjangoJSONEncoder().encode(value))


def test_importing_registers_nothing(registry):
    assert serializers.serialize(Decimal("1.50")) == 1.5
    assert serializers.serialize(gettext_lazy("Sunday")) is None


@pytest.mark.usefixtures("_registered")
async def test_toast_may_be_translated():
    async with EventClient(app, language="de") as tab:
        assert (await tab.fire(Pinned.tell)).toasts == ["Sonntag"]


class TestAssignmentWithoutTheCall:
    async def test_translated_text_is_in_the_visitors_language(self):
        async with EventClient(app, language="de") as tab:
            assert (await tab.fire(Pinned.pin_text)).vars["text"] == "Sonntag"

    async def test_rows_of_an_async_handler_are_there_with_the_delta(self, ada):
        async with EventClient(app) as tab:
            fired = await tab.fire(Pinned.pin_and_read)
            assert (fired.vars["rows"], fired.vars["read"]) == (["ada"], ["ada", "more"])
            assert list((await tab.state(Pinned)).rows) == ["ada"]

    async def test_var_of_the_server_may_hold_an_object(self):
        async with EventClient(app) as tab:
            await tab.fire(Pinned.pin_kept)

    async def test_object_is_refused_at_the_line_that_assigns_it(self):
        async with EventClient(app, raise_exceptions=False) as tab:
            fired = await tab.fire(Pinned.pin("User(username='ada')"))
        assert isinstance(fired.exception, RxBridgeError)
        assert "Pinned.value is django.contrib.auth.models.User" in str(fired.exception)


async def test_rows_that_could_not_be_fetched_are_not_taken_for_none():
    rows = UnfetchedRows(Group.objects.extra(where=["nonsense"]).values("name"), "rows")
    for _ in range(2):
        with pytest.raises(DatabaseError):
            await rows.fetched()


def test_rows_that_nobody_fetched_are_stored_as_a_list():
    stored = pickle.loads(pickle.dumps(UnfetchedRows(Group.objects.values("name"), "rows")))
    assert (type(stored), stored) == (list, [])
