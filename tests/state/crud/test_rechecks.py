"""What no client can do by itself, done as if it could: the handlers check it again.

What a client can do is in ``tests/state/test_attacks.py``.
"""

import asyncio

import pytest
from django.contrib.auth.models import User

from rxbridge.testing import EventClient
from tests.state.crud.app import Own, Shared, app, live_notes
from tests.state.crud.models import Note

LIST_HANDLERS = {"load", "show_page", "find", "filter_by", "order_by"}
FORM_HANDLERS = {"new", "edit", "cancel", "create", "save", "delete"}
HANDLERS = LIST_HANDLERS | FORM_HANDLERS | {"setvar"}
FORM = {"title": "new", "price": "1"}


@pytest.fixture
def his(bob):
    """A note of somebody else."""
    return Note.objects.create(title="his", owner=bob)


@pytest.fixture
def hers(ada):
    return Note.objects.create(title="hers", owner=ada)


@pytest.fixture
async def low(ada, hers, his):
    async with EventClient(app, user=ada, raise_exceptions=False) as tab:
        await tab.load("/")
        yield tab


async def test_open_form_cannot_be_turned_to_another_row(low, his, hers):
    """What is edited is kept by the server; the var that shows it decides nothing."""
    await low.fire(Own.edit, pk=str(hers.pk))
    own = await low.state(Own)
    own.editing = str(his.pk)
    await low.fire(Own.save, form_data=FORM)
    assert (await Note.objects.aget(pk=his.pk)).title == "his"
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
