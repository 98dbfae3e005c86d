"""PasswordChange: a new password ends the user's other sessions, and not this one."""

import pytest
from django.contrib.auth.forms import PasswordChangeForm
from django.db import OperationalError

from rxbridge.testing import EventClient
from tests.state.auth.app import Auth, Other, app
from tests.state.auth.conftest import PASSWORD, open_page, whoami

NEW = "correct-horse-2"
FORM = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}


async def test_password_change_keeps_this_session_and_ends_the_others(transactional_db, ada):
    tab = EventClient(app, user=ada)
    async with tab, EventClient(app, user=ada, beside=tab) as other:
        key = tab.cookies["sessionid"]
        fired = await tab.fire(Auth.change_password, form_data=FORM)
        assert fired.vars["password_changed"] is True
        assert await whoami(tab) == "ada"
        assert tab.cookies["sessionid"] != key
        assert await whoami(other) == ""
    await ada.arefresh_from_db()
    assert await ada.acheck_password(NEW)


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"old_password": "wrong"}, "old_password", "entered incorrectly"),
        ({"old_password": ""}, "old_password", "This field is required."),
        ({"new_password2": "another"}, "new_password2", "password fields didn"),
        ({"new_password1": "x", "new_password2": "x"}, "new_password2", "too short"),
    ],
)
async def test_form_errors_reach_the_page(transactional_db, ada, settings, changes, field, message):
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}
    ]
    async with EventClient(app, user=ada) as tab:
        fired = await tab.fire(Auth.change_password, form_data=FORM | changes)
    assert list(fired.vars["password_change_errors"]) == [field]
    assert message in fired.vars["password_change_errors"][field][0]
    await ada.arefresh_from_db()
    assert await ada.acheck_password(PASSWORD)


async def test_page_is_not_told_that_a_password_was_changed_that_could_not_be_saved(
    transactional_db, ada, monkeypatch
):
    def fail(form):
        raise OperationalError

    monkeypatch.setattr(PasswordChangeForm, "save", fail)
    async with EventClient(app, user=ada) as tab:
        with pytest.raises(OperationalError):
            await tab.fire(Auth.change_password, form_data=FORM)
        assert (await tab.state(Auth)).password_changed is False


async def test_visitor_is_sent_to_sign_in(tab):
    fired = await open_page(tab, Auth.open_password_change, "/password-change")
    assert fired.redirect == "/login?next=/password-change"
    fired = await tab.fire(Auth.change_password, form_data=FORM)
    assert fired.redirect == "/login?next=/password-change"


async def test_changed_password_may_lead_elsewhere(transactional_db, ada):
    async with EventClient(app, user=ada) as tab:
        fired = await tab.fire(Other.change_password, form_data=FORM)
    assert fired.redirect == "/account"
