"""What a low user tries on every handler: nothing leaks, nothing changes, all is logged.

Payloads are raw, as a Socket.IO client that is no browser sends them.
"""

import asyncio
import logging
from datetime import date

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core import serializers

from rxbridge.testing import EventClient
from tests.state.crud.app import Hooked, Own, Shared, app, live_notes
from tests.state.crud.models import Folder, Label, Note

LEAK = "canary"
"""What is in everything that is not to be seen."""

LIST_HANDLERS = {"load", "show_page", "find", "filter_by", "order_by"}
FORM_HANDLERS = {"new", "edit", "cancel", "create", "save", "delete"}
HANDLERS = LIST_HANDLERS | FORM_HANDLERS | {"setvar"}


def snapshot() -> str:
    """All that an attack could change."""
    return serializers.serialize(
        "json", [*Note.objects.all(), *Folder.objects.all(), *Label.objects.all()]
    )


@pytest.fixture
def his(bob):
    """A note of somebody else, in a folder of his."""
    bob.set_password("secret")
    bob.save()
    folder = Folder.objects.create(name=LEAK, owner=bob)
    return Note.objects.create(
        title=LEAK, text=LEAK, secret=LEAK, owner=bob, folder=folder, due=date(2030, 1, 1)
    )


@pytest.fixture
def hers(ada):
    return Note.objects.create(title="hers", secret=LEAK, owner=ada)


@pytest.fixture
async def low(ada, hers, his):
    async with EventClient(app, user=ada, raise_exceptions=False) as tab:
        await tab.load("/")
        yield tab


def filled(value, **names):
    """Put the keys of the rows into a payload."""
    if isinstance(value, str):
        return value.format(**names) if value.startswith("{") else value
    if isinstance(value, dict):
        return {key: filled(each, **names) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, **names) for each in value]
    return value


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
async def test_attack_is_refused(low, his, hers, bob, caplog, state, handler, payload):
    before = await sync_to_async(snapshot)()
    payload = filled(payload, his=his.pk, hers=hers.pk, bob=bob.pk)
    with caplog.at_level(logging.WARNING, "rxbridge"):
        fired = await low.fire(getattr(state, handler), **payload)
    assert fired.exceptions == []
    assert await sync_to_async(snapshot)() == before
    assert LEAK not in repr((fired.deltas, fired.events))
    assert len(fired.toasts) == 1
    logged = [each.getMessage() for each in caplog.records if each.name == "rxbridge"]
    assert any("refused to user" in message for message in logged)


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
async def test_valid_request_tells_and_changes_nothing_of_others(
    low, his, hers, state, handler, payload
):
    before = await sync_to_async(snapshot)()
    payload = filled(payload, hers=hers.pk, folder=his.folder_id)
    fired = await low.fire(getattr(state, handler), **payload)
    assert fired.exceptions == []
    assert await sync_to_async(snapshot)() == before
    # The text of a search is sent back.
    shown = [value for name, value in fired.vars.items() if name != "search"]
    assert LEAK not in repr((shown, fired.events))


async def test_open_form_cannot_be_turned_to_another_row(low, his, hers):
    """What is edited is kept by the server; the var that shows it decides nothing."""
    await low.fire(Own.edit, pk=str(hers.pk))
    own = await low.state(Own)
    own.editing = str(his.pk)
    await low.fire(Own.save, form_data=FORM)
    assert (await Note.objects.aget(pk=his.pk)).title == LEAK
    assert (await Note.objects.aget(pk=hers.pk)).title == "new"


async def test_form_opened_by_one_user_cannot_be_saved_by_the_next(low, ada, bob, hers):
    await low.fire(Own.edit, pk=str(hers.pk))
    async with low.tab(user=bob, raise_exceptions=False) as other:
        low.connection.replace_cookies(other.cookies)
        await low.fire(Own.save, form_data=FORM)
    assert (await Note.objects.aget(pk=hers.pk)).title == "hers"


async def test_list_vars_that_were_set_are_checked_again(low):
    """As if an app had setters for every var."""
    own = await low.state(Own)
    own.filters = {"owner__password__regex": "^m"}
    fired = await low.fire(Own.load)
    assert len(fired.toasts) == 1
    assert "rows" not in fired.vars


@pytest.mark.parametrize("var", ["rows", "page", "editing", "_crud_draft", "form_values"])
async def test_no_var_has_a_setter(low, his, var):
    fired = await low.fire(Own.setvar, var_name=var, value=[1])
    assert fired.deltas == []
    assert not hasattr(Own, f"set_{var}")


def test_only_the_documented_handlers_can_be_called():
    assert set(Own.event_handlers) == HANDLERS | {"follow"}
    assert set(Shared.event_handlers) == HANDLERS


async def test_follow_takes_no_argument(low):
    fired = await low.fire(Own.follow, user=1)
    await asyncio.sleep(0.05)
    assert len(live_notes) == 0
    assert fired.deltas == []


async def test_inactive_user_can_do_nothing(low, ada, hers):
    await User.objects.filter(pk=ada.pk).aupdate(is_active=False)
    fired = await low.fire(Own.delete, pk=str(hers.pk))
    assert fired.redirect is not None
    assert await Note.objects.filter(pk=hers.pk).aexists()
