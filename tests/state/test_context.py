"""Context processors: what templates know is known to pages and handlers, as plain values."""

import dataclasses
import datetime as dt
import decimal
import enum
import json
import uuid

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.messages.storage.cookie import CookieStorage
from django.db import models
from django.utils import translation
from django.utils.functional import SimpleLazyObject
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy

from rxbridge.errors import RxBridgeError
from rxbridge.state import (
    AppState,
    DjangoContextState,
    collect_context,
    context_mirror,
    i18n_context,
    user_context,
)
from rxbridge.state.context import json_safe
from rxbridge.testing import EventClient, make_event, run_middleware
from tests.events.app import Counter, app

pytestmark = pytest.mark.django_db(transaction=True)

calls: list[str] = []


def site(request):
    calls.append(request.path)
    return {"site": "Shop", "users": User.objects.count()}


async def weather(request):
    return {"weather": "fine", "site": "Weather"}


def broken(request):
    return {"first": 1, "cart": {"rows": [1, object()]}}


class SiteContext(context_mirror(site, weather), rx.State):
    """What two processors say."""


class Reader(AppState, rx.State):
    """Handlers that read the context."""

    seen: list[str] = []

    @rx.event
    def read(self):
        self.seen = [self.django_context["user"]["username"], str(len(self.django_context))]

    @rx.event
    async def read_async(self):
        context = await self.django_context
        self.seen = [context["user"]["username"], str(len(await self.django_context))]

    @rx.event
    async def read_unawaited(self):
        self.django_context["user"]

    @rx.event
    def read_twice(self):
        self.seen = [str(self.django_context is self.django_context)]


async def request_of(**attributes):
    return (await run_middleware(event=make_event(path="/here"), **attributes)).request


class TestCollect:
    async def test_named_processors_run_in_order_and_the_later_wins(self):
        context = await collect_context(await request_of(), [site, weather])
        assert context == {"site": "Weather", "users": 0, "weather": "fine"}
        context = await collect_context(await request_of(), [weather, site])
        assert context["site"] == "Shop"

    async def test_dotted_paths_are_imported(self):
        paths = ["rxbridge.state.context.user_context", "rxbridge.state.i18n_context"]
        with translation.override("de"):
            context = await collect_context(await request_of(user=User(username="ada")), paths)
        assert context["user"]["username"] == "ada"
        assert context["language"] == "de"

    async def test_without_any_they_are_those_of_the_template_engine(self):
        request = await request_of(user=AnonymousUser())
        request._messages = CookieStorage(request)
        context = await collect_context(request)
        # What belongs to the event alone is left out: request, perms, messages, CSRF token.
        assert set(context) == {"user", "DEFAULT_MESSAGE_LEVELS"}
        assert context["user"]["is_authenticated"] is False

    async def test_value_that_is_not_plain_is_named(self):
        with pytest.raises(RxBridgeError) as error:
            await collect_context(await request_of(), [site, broken])
        assert f"{__name__}.broken: cart.rows[1] is builtins.object" in str(error.value)

    async def test_processor_that_returns_no_dict_is_named(self):
        with pytest.raises(RxBridgeError, match="returned None; return a dict"):
            await collect_context(await request_of(), [lambda request: None])

    async def test_built_in_ones_need_no_query(self):
        request = await request_of(user=SimpleLazyObject(lambda: User(username="ada")))
        context = user_context(request) | i18n_context(request)
        assert json.dumps(context)
        assert context["languages"][1] == {"code": "de", "name": "Deutsch", "name_local": "Deutsch"}


class Size(models.TextChoices):
    SMALL = "s", gettext_lazy("Small")


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Point:
    x: int
    label: object


ID = uuid.UUID(int=5)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (mark_safe("<b>"), "<b>"),
        (gettext_lazy("Yes"), "Yes"),
        (True, True),
        (None, None),
        (1.5, 1.5),
        (decimal.Decimal("1.10"), "1.10"),
        (ID, str(ID)),
        (dt.date(2024, 2, 29), "2024-02-29"),
        (dt.datetime(2024, 2, 29, 1, tzinfo=dt.UTC), "2024-02-29T01:00:00Z"),
        (dt.timedelta(days=1), "P1DT00H00M00S"),
        (Size.SMALL, "s"),
        (Level.LOW, 1),
        ((1, [2]), [1, [2]]),
        ({3, 1}, [1, 3]),
        ({1: mark_safe("a"), ID: 2}, {"1": "a", str(ID): 2}),
        (Point(1, gettext_lazy("Yes")), {"x": 1, "label": "Yes"}),
        (SimpleLazyObject(lambda: "lazy"), "lazy"),
    ],
)
def test_what_json_can_hold(value, expected):
    safe = json_safe(value, "key")
    assert (safe, type(safe)) == (expected, type(expected))
    assert json.loads(json.dumps(safe)) == safe


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "key is builtins.object"),
        (float("nan"), "key is builtins.float"),
        (b"bytes", "key is builtins.bytes"),
        ({"a": [0, {"b": object()}]}, r"key\.a\[1\]\.b is builtins.object"),
        ({(1, 2): 3}, r"key has the key \(1, 2\)"),
        (User.objects.none, "key is builtins.method"),
        (User.objects.none(), "key is django.contrib.auth.models.User, .*values"),
    ],
)
def test_what_it_cannot_is_named(value, message):
    with pytest.raises(RxBridgeError, match=message):
        json_safe(value, "key")


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


class TestMirror:
    async def test_page_has_the_context_in_its_first_delta(self, ada):
        async with EventClient(app, user=ada) as tab:
            first = (await tab.load("/")).deltas[0]
        assert first[SiteContext.get_full_name()]["context_rx_state_"] == {
            "site": "Weather",
            "users": 1,
            "weather": "fine",
        }
        own = first[DjangoContextState.get_full_name()]["context_rx_state_"]
        assert own["user"]["username"] == "ada"

    async def test_it_is_computed_once_as_a_page_is_shown_and_not_by_other_events(self, ada):
        async with EventClient(app, user=ada) as tab:
            calls.clear()
            await tab.load("/")
            await tab.fire(Counter.add(1))
            await tab.navigate("/members")
            assert calls == ["/", "/members"]

    async def test_another_user_is_shown_at_once(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            fired = await tab.fire(Counter.sign_out)
            (delta,) = [each for each in fired.deltas if DjangoContextState.get_full_name() in each]
            context = delta[DjangoContextState.get_full_name()]["context_rx_state_"]
            assert context["user"]["username"] == ""

    async def test_what_did_not_change_is_not_sent_again(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            deltas = (await tab.navigate("/members")).deltas
            assert not [each for each in deltas if SiteContext.get_full_name() in each]


class TestAppState:
    @pytest.mark.parametrize("handler", [Reader.read, Reader.read_async])
    async def test_handler_reads_it_and_it_is_computed_once(self, ada, handler):
        async with EventClient(app, user=ada) as tab:
            assert (await tab.fire(handler)).vars["seen"] == ["ada", "2"]
            assert (await tab.fire(Reader.read_twice)).vars["seen"] == ["True"]

    async def test_async_handler_that_forgets_to_await_is_told(self, ada):
        async with EventClient(app, user=ada) as tab:
            with pytest.raises(RxBridgeError, match=r"await self\.django_context"):
                await tab.fire(Reader.read_unawaited)

    async def test_outside_an_event_it_is_empty(self):
        assert dict(await AppState().django_context) == {}
        assert await sync_to_async(lambda: dict(AppState().django_context))() == {}
