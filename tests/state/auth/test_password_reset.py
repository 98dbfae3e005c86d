"""PasswordReset: a link by e-mail, good once, that does not stay in the address bar."""

import re
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import django
import pytest
from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.tokens import PasswordResetTokenGenerator

from rxbridge.state.auth import PasswordResetConfig
from rxbridge.state.auth._reset_email import reset_form, send_link
from rxbridge.testing import EventClient
from tests.state.auth.app import Auth, Other, app
from tests.state.auth.conftest import PASSWORD, open_page, whoami

NEW = "correct-horse-2"
FORM = {"new_password1": NEW, "new_password2": NEW}
CONFIRM = "/password-reset/confirm"


async def ask(tab, email="ada@example.com"):
    return await tab.fire(Auth.request_password_reset, form_data={"email": email})


async def open_link(tab, mail):
    """Open the link of an e-mail as a browser does, and reload the page it leads to."""
    link = urlsplit(re.search(r"http\S+", mail.body)[0])
    fired = await open_page(tab, Auth.open_reset_confirm, link.path, link.query)
    assert fired.redirect is None
    assert "history.replaceState" in str(fired.events)
    await open_page(tab, Auth.open_reset_confirm, CONFIRM)
    return (await tab.state(Auth)).reset_link


async def test_link_of_the_email_sets_a_new_password(tab, ada, mailoutbox):
    assert (await ask(tab)).vars["password_reset_sent"] is True
    (mail,) = mailoutbox
    assert mail.to == ["ada@example.com"]
    assert mail.subject == "Password reset on testserver"
    assert f"http://testserver{CONFIRM}?uid=" in mail.body
    assert await open_link(tab, mail) == "valid"
    fired = await tab.fire(Auth.confirm_password_reset, form_data=FORM)
    assert fired.vars["reset_link"] == "done"
    await ada.arefresh_from_db()
    assert await ada.acheck_password(NEW)
    assert await whoami(tab) == ""


async def test_link_works_in_another_browser(tab, ada, mailoutbox):
    await ask(tab)
    async with EventClient(app) as other:
        assert await open_link(other, mailoutbox[0]) == "valid"


async def test_unknown_inactive_and_passwordless_users_get_the_same_answer_and_no_email(
    tab, ada, django_user_model, mailoutbox
):
    create = django_user_model.objects.acreate_user
    await create("idle", "idle@example.com", PASSWORD, is_active=False)
    await create("sso", "sso@example.com")
    answers = []
    for email in ("nobody@example.com", "idle@example.com", "sso@example.com", "ada@example.com"):
        await tab.fire(Auth.open_password_reset)
        fired = await ask(tab, email)
        answers.append((fired.deltas, fired.events))
    assert all(answer == answers[0] for answer in answers)
    assert [mail.to for mail in mailoutbox] == [["ada@example.com"]]


async def test_page_is_answered_before_the_address_is_looked_up(tab, ada, monkeypatch):
    def look_up(form, email):
        raise ConnectionError

    monkeypatch.setattr(PasswordResetForm, "get_users", look_up)
    with pytest.raises(ConnectionError):
        await ask(tab)
    assert (await tab.state(Auth)).password_reset_sent is True


async def test_malformed_address_is_a_form_error(tab, mailoutbox):
    fired = await ask(tab, "nonsense")
    assert fired.vars["password_reset_errors"] == {"email": ["Enter a valid email address."]}
    assert "password_reset_sent" not in fired.vars


async def test_failing_mail_server_is_not_shown(tab, ada, settings, monkeypatch, caplog):
    smtp = "django.core.mail.backends.smtp.EmailBackend"
    if django.VERSION >= (6, 1):
        settings.MAILERS = {"default": {"BACKEND": smtp, "OPTIONS": {"port": 1}}}
    else:
        settings.EMAIL_BACKEND, settings.EMAIL_PORT = smtp, 1
    fired = await ask(tab)
    assert fired.vars["password_reset_sent"] is True
    assert fired.toasts == []
    assert "ada@example.com" not in caplog.text
    assert "Failed to send" in caplog.text


async def test_used_link_is_invalid(tab, ada, mailoutbox):
    await ask(tab)
    await open_link(tab, mailoutbox[0])
    await tab.fire(Auth.confirm_password_reset, form_data=FORM)
    assert await open_link(tab, mailoutbox[0]) == "invalid"
    fired = await tab.fire(
        Auth.confirm_password_reset, form_data={"new_password1": "z", "new_password2": "z"}
    )
    assert fired.vars.get("reset_link", "invalid") == "invalid"
    await ada.arefresh_from_db()
    assert await ada.acheck_password(NEW)


async def test_form_submitted_twice_sets_one_password(tab, ada, mailoutbox):
    await ask(tab)
    await open_link(tab, mailoutbox[0])
    await tab.fire(Auth.confirm_password_reset, form_data=FORM)
    again = {"new_password1": "another-horse", "new_password2": "another-horse"}
    fired = await tab.fire(Auth.confirm_password_reset, form_data=again)
    assert fired.vars["reset_link"] == "invalid"
    await ada.arefresh_from_db()
    assert await ada.acheck_password(NEW)


async def test_link_that_expires_while_the_form_is_open_is_invalid(
    tab, ada, mailoutbox, monkeypatch, settings
):
    await ask(tab)
    assert await open_link(tab, mailoutbox[0]) == "valid"
    later = datetime.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT + 5)  # noqa: DTZ005
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda self: later)
    fired = await tab.fire(Auth.confirm_password_reset, form_data=FORM)
    assert fired.vars["reset_link"] == "invalid"


async def test_expired_link_is_invalid(tab, ada, mailoutbox, settings):
    await ask(tab)
    settings.PASSWORD_RESET_TIMEOUT = -1
    assert await open_link(tab, mailoutbox[0]) == "invalid"


@pytest.mark.parametrize(
    "query",
    [
        "uid=&token=",
        "token=x",
        "uid=MQ&token=",
        "uid=MQ&token=abc-def",
        "uid=%FF%FE&token=abc-def",
        "uid=OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk&token=abc-def",
        "uid=bm90LWEtbnVtYmVy&token=abc-def",
        "uid=" + "A" * 2000 + "&token=" + "b" * 2000,
    ],
)
async def test_made_up_link_is_invalid(tab, ada, query):
    await open_page(tab, Auth.open_reset_confirm, CONFIRM, query)
    assert (await tab.state(Auth)).reset_link == "invalid"
    fired = await tab.fire(Auth.confirm_password_reset, form_data=FORM)
    assert fired.exceptions == []
    await ada.arefresh_from_db()
    assert await ada.acheck_password(PASSWORD)


async def test_form_without_a_link_sets_nothing(tab, ada):
    fired = await tab.fire(Auth.confirm_password_reset, form_data=FORM)
    assert fired.vars["reset_link"] == "invalid"


async def test_token_is_neither_in_vars_nor_in_the_state_once_the_form_is_shown(
    tab, ada, mailoutbox
):
    await ask(tab)
    await open_link(tab, mailoutbox[0])
    token = re.search(r"token=(\S+)", mailoutbox[0].body)[1]
    fired = await tab.fire(Auth.confirm_password_reset, form_data={"new_password1": ""})
    state = await tab.state(Auth)
    assert token not in repr(fired.deltas)
    assert token not in repr(state._get_root_state().dict(include_computed=False))


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"new_password1": "short", "new_password2": "short"}, "too short"),
        ({"new_password1": NEW, "new_password2": "another-horse"}, "password fields didn"),
        ({"new_password1": NEW}, "This field is required."),
    ],
    ids=["weak", "mismatched", "missing"],
)
async def test_bad_passwords_are_form_errors_and_the_link_stays_good(
    tab, ada, mailoutbox, settings, form, message
):
    settings.AUTH_PASSWORD_VALIDATORS = [
        {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"}
    ]
    await ask(tab)
    await open_link(tab, mailoutbox[0])
    fired = await tab.fire(Auth.confirm_password_reset, form_data=form)
    assert message in fired.vars["reset_confirm_errors"]["new_password2"][0]
    fired = await tab.fire(Auth.confirm_password_reset, form_data=FORM)
    assert fired.vars["reset_link"] == "done"


async def test_reset_ends_the_users_sessions(tab, ada, mailoutbox):
    async with EventClient(app, user=ada, beside=tab) as elsewhere:
        await ask(tab)
        await open_link(tab, mailoutbox[0])
        await tab.fire(Auth.confirm_password_reset, form_data=FORM)
        assert await whoami(elsewhere) == ""


async def test_reset_may_sign_in(tab, ada, mailoutbox):
    await ask(tab)
    await open_link(tab, mailoutbox[0])
    fired = await tab.fire(Other.confirm_password_reset, form_data=FORM)
    assert fired.redirect == "/account"
    assert await whoami(tab) == "ada"


async def test_link_is_https_for_a_secure_request(ada, transactional_db, mailoutbox):
    async with EventClient(app, secure=True, host="shop.example.com") as tab:
        await ask(tab)
    assert f"https://shop.example.com{CONFIRM}?uid=" in mailoutbox[0].body


async def test_forged_host_sends_nothing(ada, transactional_db, mailoutbox):
    async with EventClient(app, host="evil.test") as tab:
        await ask(tab)
    assert mailoutbox == []


async def test_email_is_in_the_visitors_language(ada, transactional_db, mailoutbox):
    async with EventClient(app, headers={"accept-language": "de"}) as tab:
        await ask(tab)
    assert "Passwort" in mailoutbox[0].body


def test_template_of_ones_own_gets_the_link(ada, rf, mailoutbox, settings, tmp_path):
    (tmp_path / "mail.txt").write_text("{{ user.username }} {{ hint }} {{ reset_url }}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    config = PasswordResetConfig(
        email_template="mail.txt", html_email_template="mail.txt", extra_email_context={"hint": "!"}
    )
    form = reset_form(config)(data={"email": "ada@example.com"})
    assert form.is_valid()
    send_link(form, rf.get("/"), config)
    (mail,) = mailoutbox
    assert mail.body.startswith(f"ada ! http://testserver{CONFIRM}?uid=")
    assert mail.alternatives[0].content.startswith("ada")
