"""What a low user tries with a Socket.IO client that is no page, at a real server.

Nothing of others is told, in no delta and no event; nothing in the database changes; the server
logs each refusal, and why.
"""

import contextlib
import itertools
import json
import re
import threading
import uuid
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
import socketio
from django.contrib.auth.models import Group, User
from django.core import serializers
from django.db import connection
from django.test import Client

from rxbridge.state import DjangoI18nState, DjangoUserState
from rxbridge.state._page_guard_state import PageGuardState
from tests.events.app import Counter
from tests.events.wire import page
from tests.servers import Server
from tests.state.auth.app import Auth, LoginOnly, Other, Visit
from tests.state.crud.app import Hooked, Own, Shared
from tests.state.crud.models import Folder, Label, Note

pytestmark = pytest.mark.server

LEAK = "canary"
"""What is in everything that is not to be seen."""

NAMESPACE = "/_event"
BOOT = "reflex___state____state.hydrate_and_load"
ON_LOAD = "reflex___state____state.reflex___state____on_load_internal_state.on_load_internal"
OWN_WORDS = ("search_rx_state_", "rx_router_")
"""Vars that hold what the client itself has said."""

STORE_VARS = (
    "reflex___state____state.reflex___state____update_vars_internal_state.update_vars_internal"
)
FAILED = (
    "reflex___state____state.reflex___state____frontend_event_exception_state"
    ".handle_frontend_exception"
)


class Attacker:
    """A Socket.IO client, and all that the server has sent it."""

    def __init__(self, server: Server, cookies: dict[str, str]) -> None:
        self._server = server
        self._markers = itertools.count()
        self._heard = threading.Condition()
        self._updates: list[Any] = []
        self.client = socketio.Client(reconnection=False)
        self.client.on("event", self._hear, namespace=NAMESPACE)
        self.client.connect(
            f"{server.url}?token={uuid.uuid4()}",
            headers={"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())},
            auth={"event": {"name": BOOT, "payload": {}, "router_data": page("/")}},
            transports=["websocket"],
            namespaces=[NAMESPACE],
            socketio_path=NAMESPACE,
        )
        self._wait_for("is_hydrated_rx_state_", True)

    def fire(self, name: str, payload: object, path: str = "/") -> list[Any]:
        """Send an event; return the updates that came of it, and those it chained."""
        with self._heard:
            self._updates.clear()
        marker = f"marker {next(self._markers)}"
        self._send(name, payload, path)
        self._send(
            f"{Counter.get_full_name()}.named_state",
            {"state": marker, "request": "", "payload": ""},
            "/",
        )
        self._wait_for("seen_rx_state_", [marker, "", ""])
        return [each for each in self._updates if marker not in str(each)]

    def _send(self, name: str, payload: object, path: str) -> None:
        event = {"name": name, "payload": payload, "router_data": page(path)}
        self.client.emit("event", event, namespace=NAMESPACE)

    def _hear(self, update: object) -> None:
        with self._heard:
            self._updates.append(json.loads(update) if isinstance(update, str) else update)
            self._heard.notify()

    def _wait_for(self, var: str, value: object) -> None:
        def is_there() -> bool:
            return any(
                changes.get(var) == value
                for update in self._updates
                for changes in (update.get("delta") or {}).values()
            )

        with self._heard:
            assert self._heard.wait_for(is_there, 10), self._server.log[-2000:]


MODELS = (Note, Folder, Label, Group, User)


def snapshot() -> str:
    """All that an attack could change."""
    rows = [row for model in MODELS for row in model.objects.order_by("pk")]
    return serializers.serialize("json", rows)


class Site:
    """Ada, who attacks, and Bob, who has something to lose."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ada = User.objects.create_user("ada", "ada@example.com", "ada-pass")
        self.bob = User.objects.create_superuser(f"{LEAK}-bob", f"{LEAK}@example.com", "bob-pass")
        Group.objects.create(name=LEAK)
        folder = Folder.objects.create(name=LEAK, owner=self.bob)
        his = Note.objects.create(
            title=LEAK, text=LEAK, secret=LEAK, owner=self.bob, folder=folder, due=date(2030, 1, 1)
        )
        hers = Note.objects.create(title="hers", secret=LEAK, owner=self.ada)
        browser = Client()
        browser.force_login(self.ada)
        self._cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
        self.names = {
            "his": his.pk,
            "hers": hers.pk,
            "bob": self.bob.pk,
            "bobs_name": self.bob.username,
            "bobs_mail": self.bob.email,
            "folder": folder.pk,
        }

    @contextlib.contextmanager
    def attacker(self) -> Iterator[Attacker]:
        attacker = Attacker(self.server, self._cookies)
        yield attacker
        attacker.client.disconnect()


@pytest.fixture(scope="module")
def site(server, django_db_blocker) -> Iterator[Site]:
    with django_db_blocker.unblock():
        yield Site(server)
        for model in MODELS:
            model.objects.all().delete()
        connection.close()


@pytest.fixture
def attacker(site, django_db_blocker) -> Iterator[Attacker]:
    with django_db_blocker.unblock(), site.attacker() as attacker:
        yield attacker


def filled(value, names):
    """Put the keys of the rows into a payload."""
    if isinstance(value, str):
        return value.format(**names) if value.startswith("{") else value
    if isinstance(value, dict):
        return {key: filled(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, names) for each in value]
    return value


def name_of(state, handler):
    return f"{state.get_full_name()}.{handler}"


def told(updates) -> str:
    """All that the page was sent, without what is known to be what it has sent itself."""
    return repr(
        [
            {name: value for name, value in changes.items() if not name.startswith(OWN_WORDS)}
            for update in updates
            for changes in (update.get("delta") or {}).values()
        ]
        + [update.get("events") for update in updates]
    )


def toasts(updates) -> int:
    return told(updates).count("rxbridge-refusal")


FORM = {"title": "new", "price": "1"}

REFUSED = [
    # Other owners' ids.
    (Own, "edit", {"pk": "{his}"}),
    (Own, "delete", {"pk": "{his}"}),
    (Own, "edit", {"pk": 10**6}),
    (Own, "delete", {"pk": "{bob}0000"}),
    # Deletes and changes without permission.
    (Shared, "load", {}),
    (Shared, "find", {"text": "c"}),
    (Shared, "new", {}),
    (Shared, "create", {"form_data": {"title": "new"}}),
    (Shared, "save", {"form_data": {"title": "new"}}),
    (Shared, "edit", {"pk": "{hers}"}),
    (Shared, "delete", {"pk": "{hers}"}),
    (Hooked, "edit", {"pk": "{his}"}),
    (Hooked, "remove_note", {"pk": "{his}"}),
    # Fields nobody named.
    (Own, "create", {"form_data": {**FORM, "owner": "{bob}"}}),
    (Own, "create", {"form_data": {**FORM, "owner_id": "{bob}"}}),
    (Own, "create", {"form_data": {**FORM, "secret": "x"}}),
    (Own, "create", {"form_data": {**FORM, "id": "{his}"}}),
    (Own, "create", {"form_data": {**FORM, "pk": "{his}"}}),
    (Own, "create", {"form_data": {**FORM, "folder__name": "x"}}),
    (Own, "create", {"form_data": {**FORM, "__class__": "x"}}),
    (Own, "save", {"form_data": {**FORM, "secret": "x"}}),
    (Own, "save", {"form_data": {**FORM, "version": "x", "pk": "{his}"}}),
    # Lookups, and fields to search, filter and order by that nobody named.
    (Own, "filter_by", {"name": "owner__password__regex", "value": "^m"}),
    (Own, "filter_by", {"name": "owner", "value": "{bob}"}),
    (Own, "filter_by", {"name": "secret__startswith", "value": "c"}),
    (Own, "filter_by", {"name": "due__lt", "value": "2031-01-01"}),
    (Own, "filter_by", {"name": "before__regex", "value": "2"}),
    (Own, "filter_by", {"name": "pk", "value": "1"}),
    (Own, "order_by", {"field": "owner__password"}),
    (Own, "order_by", {"field": "secret"}),
    (Own, "order_by", {"field": "?"}),
    (Own, "order_by", {"field": "--title"}),
    (Own, "order_by", {"field": "title,secret"}),
    (Own, "find", {"text": "x" * 10_000}),
    (Own, "find", {"text": "nul \0"}),
    (Shared, "filter_by", {"name": "title", "value": "x"}),
    (Hooked, "order_by", {"field": "title"}),
    # Pages there are none of.
    (Own, "show_page", {"number": 0}),
    (Own, "show_page", {"number": -1}),
    (Own, "show_page", {"number": -(10**30)}),
    (Own, "show_page", {"number": "1; drop"}),
    # Wrong types.
    (Own, "show_page", {"number": True}),
    (Own, "show_page", {"number": None}),
    (Own, "show_page", {"number": 1.5}),
    (Own, "show_page", {"number": [1]}),
    (Own, "show_page", {"number": {"a": 1}}),
    (Own, "find", {"text": None}),
    (Own, "find", {"text": ["a"]}),
    (Own, "find", {"text": {"$ne": ""}}),
    (Own, "filter_by", {"name": ["done"], "value": "1"}),
    (Own, "filter_by", {"name": "before", "value": "yesterday"}),
    (Own, "filter_by", {"name": "before", "value": {"a": 1}}),
    (Own, "filter_by", {"name": "year", "value": 10**30}),
    (Own, "filter_by", {"name": "year", "value": -1}),
    (Own, "filter_by", {"name": "year", "value": 0}),
    (Own, "filter_by", {"name": "since", "value": "0001-01-01 00:00"}),
    (Own, "filter_by", {"name": "since", "value": "9999-12-31 23:59"}),
    (Own, "filter_by", {"name": "day", "value": "9999-12-31"}),
    (Own, "filter_by", {"name": "since", "value": "2030-13-01"}),
    (Own, "filter_by", {"name": "changed_in", "value": 10_000}),
    (Own, "order_by", {"field": 1}),
    (Own, "order_by", {"field": ["title"]}),
    (Own, "edit", {"pk": None}),
    (Own, "edit", {"pk": True}),
    (Own, "edit", {"pk": 1.0}),
    (Own, "edit", {"pk": ["{hers}"]}),
    (Own, "edit", {"pk": {"pk": "{hers}"}}),
    (Own, "edit", {"pk": "{hers} or 1=1"}),
    (Own, "edit", {"pk": 10**30}),
    (Own, "edit", {"pk": -1}),
    (Own, "delete", {"pk": ""}),
    (Own, "delete", {"pk": ["{his}", "{hers}"]}),
    (Own, "delete", {"pk": "9" * 5000}),
    (Own, "delete", {"pk": "9" * 100}),
    (Own, "delete", {"pk": 2**63 - 1}),
    (Own, "create", {"form_data": None}),
    (Own, "create", {"form_data": "title=x"}),
    (Own, "create", {"form_data": [["title", "x"]]}),
    (Own, "create", {"form_data": {**FORM, "title": {"a": 1}}}),
    (Own, "create", {"form_data": {**FORM, "labels": [{"pk": 1}]}}),
    (Own, "create", {"form_data": {**FORM, "price": 10**30}}),
    (Own, "save", {"form_data": 1}),
    # Missing and additional arguments.
    (Own, "show_page", {}),
    (Own, "edit", {}),
    (Own, "delete", {}),
    (Own, "create", {}),
    (Own, "load", {"page_size": 10**6}),
    (Own, "load", {"self": {}}),
    (Own, "show_page", {"number": 1, "page_size": 10**6}),
    (Own, "find", {"text": "a", "fields": ["secret"]}),
    (Own, "find", {"text": "a", "owner__password__regex": "^m"}),
    (Own, "delete", {"pk": "{hers}", "force": True}),
    (Own, "cancel", {"handler": "x"}),
]


@pytest.mark.parametrize(("state", "handler", "payload"), REFUSED)
def test_attack_is_refused(site, attacker, state, handler, payload):
    before, logged = snapshot(), len(site.server.log)
    updates = attacker.fire(name_of(state, handler), filled(payload, site.names))
    assert snapshot() == before
    assert LEAK not in told(updates)
    assert toasts(updates) == 1
    assert f"refused to user {site.ada.pk}" in site.server.log[logged:]


HARMLESS = [
    # Valid requests, by which something of others might be told.
    (Own, "find", {"text": LEAK}),
    (Own, "find", {"text": "%"}),
    (Own, "filter_by", {"name": "before", "value": "2031-01-01"}),
    (Own, "filter_by", {"name": "since", "value": "0002-01-01 00:00"}),
    (Own, "filter_by", {"name": "day", "value": "9998-12-31"}),
    (Own, "filter_by", {"name": "changed_in", "value": 1}),
    (Own, "filter_by", {"name": "changed_in", "value": 9998}),
    (Own, "show_page", {"number": 10**30}),
    (Own, "show_page", {"number": 2}),
    (Own, "new", {}),
    (Own, "edit", {"pk": "{hers}"}),
    (Own, "cancel", {}),
    (Own, "create", {"form_data": {**FORM, "folder": "{folder}"}}),
    (Own, "create", {"form_data": {**FORM, "labels": ["{folder}"]}}),
    (Own, "create", {"form_data": {"title": "nul \0", "price": "1"}}),
    (Own, "create", {"form_data": {"title": "x" * 51, "price": "NaN"}}),
    (Hooked, "load", {}),
    (Hooked, "find", {"text": LEAK}),
]


@pytest.mark.parametrize(("state", "handler", "payload"), HARMLESS)
def test_valid_request_tells_and_changes_nothing_of_others(site, attacker, state, handler, payload):
    before = snapshot()
    updates = attacker.fire(name_of(state, handler), filled(payload, site.names))
    assert toasts(updates) == 0
    assert snapshot() == before
    assert LEAK not in told(updates)


PASSWORDS = {"new_password1": "Correct-horse-9", "new_password2": "Correct-horse-9"}
LINK = "/password-reset/confirm?uid={}&token={}"

SIGN_IN = [
    # In somebody else's name.
    (Auth, "login", {"form_data": {"username": "{bobs_name}", "password": "ada-pass"}}),
    (Auth, "login", {"form_data": {"username": "{bobs_name}", "password": ""}}),
    (Auth, "login", {"form_data": {"username": "{bobs_name}", "password": {"$ne": ""}}}),
    (Auth, "login", {"form_data": {"username": "{bobs_name}", "password": True}}),
    (Auth, "login", {"form_data": {"username": ["{bobs_name}"], "password": ["x"]}}),
    (Auth, "login", {"form_data": {"username__startswith": LEAK, "password": "x"}}),
    (Auth, "login", {"form_data": {"username": "{bobs_name}", "user": "{bob}", "backend": "x"}}),
    (Auth, "login", {"form_data": {"username": "{bobs_name}\0", "password": "\0"}}),
    (Auth, "login", {"form_data": {"username": "x" * 100_000, "password": "x"}}),
    (LoginOnly, "login", {"form_data": {"username": "{bobs_name}", "password": "ada-pass"}}),
    # An account that is there, or that is more than one's own.
    (Auth, "register", {"form_data": {"username": "{bobs_name}", "password1": "x"}}),
    (Auth, "register", {"form_data": {"id": "{bob}", "pk": "{bob}", "is_superuser": True}}),
    (Auth, "register", {"form_data": {"username": "\0", **PASSWORDS}}),
    # Another's password, or one's own without knowing it.
    (Auth, "change_password", {"form_data": {"old_password": "wrong", **PASSWORDS}}),
    (Auth, "change_password", {"form_data": {"old_password": {"$ne": ""}, **PASSWORDS}}),
    (Auth, "change_password", {"form_data": {"user": "{bob}", "old_password": "x", **PASSWORDS}}),
    (Auth, "change_password", {"form_data": PASSWORDS}),
    (Other, "change_password", {"form_data": {"old_password": "bob-pass", **PASSWORDS}}),
    (Auth, "confirm_password_reset", {"form_data": PASSWORDS}),
    (Auth, "confirm_password_reset", {"form_data": {"uid": "{bob}", "token": "x", **PASSWORDS}}),
    (Other, "confirm_password_reset", {"form_data": {"user": "{bob}", **PASSWORDS}}),
    # Wrong types, missing and additional arguments.
    *(
        (state, handler, payload)
        for state, handler in [
            (Auth, "login"),
            (Auth, "register"),
            (Auth, "change_password"),
            (Auth, "request_password_reset"),
            (Auth, "confirm_password_reset"),
        ]
        for payload in [
            {"form_data": None},
            {"form_data": "x"},
            {"form_data": [["username", "{bobs_name}"]]},
            {"form_data": {}},
            {},
            {"form_data": {}, "user": "{bob}"},
        ]
    ),
    (Auth, "logout", {"user": "{bob}"}),
    (Auth, "open_login", {"user": "{bob}"}),
    (Auth, "open_password_change", {"user": "{bob}"}),
    (Auth, "open_reset_confirm", {"uid": "{bob}", "token": "x"}),
]


@pytest.mark.parametrize(("state", "handler", "payload"), SIGN_IN)
def test_sign_in_handlers_let_nobody_be_somebody_else(site, attacker, state, handler, payload):
    before = snapshot()
    updates = attacker.fire(name_of(state, handler), filled(payload, site.names))
    assert snapshot() == before
    assert LEAK not in told(updates)
    assert who(attacker) == "ada"


def who(attacker) -> str:
    """Return who a handler of the application takes the attacker for."""
    updates = attacker.fire(name_of(Visit, "look"), {})
    names = [
        changes["name_rx_state_"]
        for update in updates
        for state, changes in (update.get("delta") or {}).items()
        if state == Visit.get_full_name() and "name_rx_state_" in changes
    ]
    return names[-1]


@pytest.mark.parametrize(
    ("uid", "token"),
    [
        ("{bob}", "x"),
        ("MQ", "set-password"),
        ("MQ", "abc123-0123456789abcdef0123456789abcdef"),
        ("../MQ", "%00"),
        ("MQ" * 5000, "x"),
        ("", ""),
    ],
)
def test_forged_link_sets_no_password(site, attacker, uid, token):
    before, path = snapshot(), LINK.format(uid.format(**site.names), token)
    updates = attacker.fire(name_of(Auth, "open_reset_confirm"), {}, path)
    assert "'reset_link_rx_state_': 'invalid'" in told(updates) or toasts(updates)
    attacker.fire(name_of(Auth, "confirm_password_reset"), {"form_data": PASSWORDS}, path)
    assert snapshot() == before
    assert who(attacker) == "ada"


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example/",
        "/..//evil.example",
        "javascript:alert(1)",
        "http:evil.example",
        "%0d%0a//evil.example",
    ],
)
def test_next_leads_to_no_other_site(site, attacker, target):
    updates = attacker.fire(name_of(Auth, "open_login"), {}, f"/login?next={target}")
    (address,) = re.findall(r'window\.location\.assign\("(.*?)"\)', told(updates))
    assert re.fullmatch(r"/(home|evil\.example)", address)  # a path of this host


def test_reset_tells_nothing_of_who_has_an_account(site, attacker):
    handler = name_of(Auth, "request_password_reset")
    opening = name_of(Auth, "open_password_reset")
    answers = []
    for address in (site.bob.email, "nobody@example.com"):
        attacker.fire(opening, {})
        answers.append(told(attacker.fire(handler, {"form_data": {"email": address}})))
    assert answers[0] == answers[1]


STATE = Own.get_full_name()

INTERNALS = [
    # Handlers that there are none of.
    *(
        (f"{state.get_full_name()}.{handler}", payload)
        for state in (Own, Hooked, Auth, PageGuardState, DjangoUserState)
        for handler, payload in [
            ("set_rows", {"value": []}),
            ("set_page_size", {"value": 10**6}),
            ("set_is_authenticated", {"value": True}),
            ("set_username", {"value": "root"}),
            ("setvar", {"var_name": "editing", "value": "{his}"}),
            ("setvar", {"var_name": "_crud_draft", "value": {"pk": "{his}", "version": ""}}),
            ("setvar", {"var_name": "is_superuser", "value": True}),
            ("setvar", {"var_name": "reset_link", "value": "valid"}),
            ("setvar", {"var_name": "__class__", "value": "x"}),
            ("_rxbridge_mirror", {"request": None}),
            ("__init__", {}),
            ("get_state", {"state_cls": "x"}),
            ("reset", {}),
        ]
    ),
    (f"{STATE}._crud", {}),
    (f"{STATE}._crud.store.delete", {"user": "{bob}", "pk": "{his}"}),
    (f"{STATE}.create_note", {"form_data": FORM}),
    (f"{STATE}.delete.__wrapped__", {"pk": "{his}"}),
    (name_of(Hooked, "delete"), {"pk": "{his}"}),  # its name before it was renamed
    (name_of(Hooked, "create"), {"form_data": {"title": "new"}}),
    (name_of(Shared, "follow"), {}),
    ("rows", {}),
    ("", {}),
    # Events of Reflex's own, and of what pages are guarded by.
    (STORE_VARS, {"vars": {f"{STATE}.editing_rx_state_": "{his}"}}),
    (STORE_VARS, {"vars": {f"{STATE}._crud_draft": {"pk": "{his}"}}}),
    (STORE_VARS, {"vars": {f"{PageGuardState.get_full_name()}.is_staff_rx_state_": True}}),
    (STORE_VARS, {"vars": None}),
    (ON_LOAD, {"path": "/notes"}),
    (FAILED, {"info": "x", "component_stack": "y" * 10_000}),
    (name_of(PageGuardState, "ask"), {"permissions": "auth.add_user"}),
    (name_of(PageGuardState, "ask"), {"permissions": [1, None, {"a": 1}]}),
    (name_of(PageGuardState, "ask"), {"permissions": None}),
    (name_of(PageGuardState, "ask"), {"permissions": ["auth.add_user"], "user": "{bob}"}),
    (name_of(DjangoUserState, "dismiss"), {"message_id": {"a": 1}}),
    (name_of(DjangoI18nState, "set_language"), {"code": "xx"}),
    (name_of(DjangoI18nState, "set_language"), {"code": "../../etc"}),
    (name_of(DjangoI18nState, "set_language"), {"code": ["de"]}),
    # What is no event.
    (f"{STATE}.show_page", [1]),
    (f"{STATE}.show_page", "1"),
    (f"{STATE}.show_page", None),
    (f"{STATE}.show_page", {"number": 10**300}),
]


@pytest.mark.parametrize(("name", "payload"), INTERNALS)
def test_internals_tell_and_change_nothing(site, attacker, name, payload):
    before = snapshot()
    updates = attacker.fire(name, filled(payload, site.names))
    assert snapshot() == before
    assert LEAK not in told(updates)
    updates = attacker.fire(
        name_of(Own, "save"), {"form_data": {**FORM, "title": "x" * 51}}
    )  # as something new, which is wrong, and not as what was to be smuggled in
    assert snapshot() == before
    assert who(attacker) == "ada"
    shown = told(attacker.fire(name_of(PageGuardState, "ask"), {"permissions": ["auth.add_user"]}))
    assert "True" not in shown
