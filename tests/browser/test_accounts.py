"""Registration, and a forgotten password, by the ready pages and a real e-mail."""

import contextlib
import re
from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from playwright.sync_api import Browser, expect

from tests.browser.running import NOBODY, Club, Guest, Tab, hold_back

Arrive = Callable[[Club], Guest]

PASSWORD = "a-long-enough-1"
INVALID = "The password reset link was invalid"


def expect_error(tab: Tab, form: str, field: str, text: str) -> None:
    expect(tab.page.locator(f"#{form}-{field}-error")).to_contain_text(text)


def ask_for_link(club: Club, tab: Tab, name: str) -> str:
    """Have a link sent, and return it as it is in the e-mail."""
    tab.go("/password-reset")
    tab.send("password-reset", email=f"{name}@example.com")
    expect(tab.page.get_by_role("status")).to_contain_text("emailed you instructions")
    found = re.search(r"https?://\S+", club.wait_for_mail(f"{name}@example.com"))
    assert found
    return found[0]


def follow(guest: Guest, link: str) -> Tab:
    assert link.startswith(guest.club.url + "/")
    return guest.open(link.removeprefix(guest.club.url))


def set_password(tab: Tab, first: str, second: str) -> None:
    tab.send("reset-confirm", new_password1=first, new_password2=second)


def test_who_registers_is_signed_in(club: Club, arrive: Arrive) -> None:
    guest = arrive(club)
    tab = guest.open("/register")
    fields = {"username": "gil", "email": "gil@example.com"}
    tab.send("registration", **fields, password1=PASSWORD, password2=PASSWORD)
    tab.shows("gil")
    tab.acts_as("gil")
    assert tab.is_same_document()
    rows = club.run_sql("SELECT email, is_staff FROM auth_user WHERE username = 'gil'")
    assert rows == [("gil@example.com", 0)]
    assert club.has_session(guest.session)


@pytest.mark.parametrize(
    ("changed", "field", "error"),
    [
        ({"password1": "12345678", "password2": "12345678"}, "password2", "too common"),
        ({"password2": "another-one-2"}, "password2", "match"),
        ({"username": "ADA"}, "username", "already exists"),
        ({"email": "none@none"}, "email", "valid email"),
    ],
)
def test_registration_is_refused_and_says_why(
    club: Club, arrive: Arrive, changed: dict[str, str], field: str, error: str
) -> None:
    before = club.run_sql("SELECT count(*) FROM auth_user")
    tab = arrive(club).open("/register")
    fields = {"username": "hal", "email": "hal@example.com"}
    fields |= {"password1": PASSWORD, "password2": PASSWORD}
    tab.send("registration", **fields | changed)
    expect_error(tab, "registration", field, error)
    assert club.run_sql("SELECT count(*) FROM auth_user") == before


def test_link_in_the_e_mail_sets_the_password_once(club: Club, arrive: Arrive) -> None:
    guest = arrive(club)
    link = ask_for_link(club, guest.open("/password-reset"), "dora")
    # The e-mail is read in another browser than the one that asked for it.
    reader = arrive(club)
    tab = follow(reader, link)
    set_password(tab, "12345678", "12345678")
    expect_error(tab, "reset-confirm", "new_password2", "too common")
    set_password(tab, PASSWORD, PASSWORD + "x")
    expect_error(tab, "reset-confirm", "new_password2", "match")
    set_password(tab, PASSWORD, PASSWORD)
    expect(tab.page.get_by_role("status")).to_contain_text("Your password has been set")
    expect(follow(reader, link).page.get_by_role("alert")).to_contain_text(INVALID)
    expect(follow(guest, link).page.get_by_role("alert")).to_contain_text(INVALID)
    tab.go("/login")
    tab.sign_in("dora", PASSWORD)
    tab.shows("dora")


def test_link_leaves_the_address_bar_and_the_history(club: Club, arrive: Arrive) -> None:
    guest = arrive(club)
    tab = guest.open("/password-reset")
    link = ask_for_link(club, tab, "emil")
    token = parse_qs(urlsplit(link).query)["token"][0]
    tab = follow(guest, link)
    tab.page.wait_for_selector("#reset-confirm-new_password1")
    tab.page.wait_for_url(lambda url: token not in url)
    tab.page.get_by_text("Enter new password").wait_for()
    tab.go("/")
    tab.page.go_back()
    tab.page.wait_for_selector("#reset-confirm-new_password1")
    assert token not in tab.page.url


@pytest.mark.parametrize("change", ["expired", "another user's", "damaged"])
def test_link_that_is_not_good_shows_no_form(club: Club, arrive: Arrive, change: str) -> None:
    link = ask_for_link(club, arrive(club).open("/password-reset"), "emil")
    parts = urlsplit(link)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if change == "expired":
        query["token"] = token_of(club, "emil", age=4 * 24 * 3600)
    elif change == "another user's":
        query["token"] = token_of(club, "gus", age=0)
    else:
        query["token"] = query["token"][:-1]
    tab = follow(arrive(club), parts._replace(query=urlencode(query)).geturl())
    expect(tab.page.get_by_role("alert")).to_contain_text(INVALID)
    assert tab.page.locator("#reset-confirm-new_password1").count() == 0


def test_token_made_here_is_one_of_the_club_s(club: Club, arrive: Arrive) -> None:
    """Else the test of an expired one could not fail."""
    link = urlsplit(ask_for_link(club, arrive(club).open("/password-reset"), "emil"))
    query = parse_qs(link.query) | {"token": [token_of(club, "emil", age=2 * 24 * 3600)]}
    tab = follow(arrive(club), link._replace(query=urlencode(query, doseq=True)).geturl())
    tab.page.wait_for_selector("#reset-confirm-new_password1")


def token_of(club: Club, name: str, *, age: float) -> str:
    """Return the token of a link that was sent ``age`` seconds ago."""
    columns = "id, password, last_login, email"
    ((key, password, last_login, email),) = club.run_sql(
        f"SELECT {columns} FROM auth_user WHERE username = ?", name
    )
    login = datetime.fromisoformat(last_login) if last_login else None
    user = User(pk=key, password=password, email=email, username=name, last_login=login)
    generator = PasswordResetTokenGenerator()
    moment = generator._num_seconds(generator._now()) - int(age)
    return generator._make_token_with_timestamp(user, moment, generator.secret)


def test_reset_signs_out_who_was_signed_in_with_the_old_password(
    club: Club, arrive: Arrive
) -> None:
    thief = arrive(club).open("/login")
    thief.sign_in("fay")
    thief.shows("fay")
    thief.acts_as("fay")
    owner = arrive(club)
    tab = follow(owner, ask_for_link(club, owner.open("/password-reset"), "fay"))
    set_password(tab, PASSWORD, PASSWORD)
    thief.shows(NOBODY)
    thief.acts_as(NOBODY)


def test_an_unknown_address_is_answered_alike_and_gets_no_mail(club: Club, arrive: Arrive) -> None:
    tab = arrive(club).open("/password-reset")
    tab.send("password-reset", email="stranger@example.com")
    expect(tab.page.get_by_role("status")).to_contain_text("emailed you instructions")
    ask_for_link(club, tab, "emil")  # By then a mail to the other would be there.
    assert club.mail_to("stranger@example.com") == ""


def test_what_is_typed_before_the_page_listens_stays_when_a_form_is_asked_for_again(
    club: Club, arrive: Arrive
) -> None:
    tab = arrive(club).open("/password-reset")
    tab.send("password-reset", email="stranger@example.com")
    expect(tab.page.get_by_role("status")).to_contain_text("emailed you instructions")
    release = hold_back(tab.page)
    tab.go("/password-reset")
    tab.page.fill("#password-reset-email", "emil@example.com")
    release()
    expect(tab.page.locator("form button[type=submit]")).to_be_enabled()
    expect(tab.page.locator("#password-reset-email")).to_have_value("emil@example.com")


def test_ready_pages_speak_the_visitors_language(club: Club, chromium: Browser) -> None:
    with contextlib.closing(chromium.new_context(locale="de-DE")) as context:
        page = context.new_page()
        page.goto(f"{club.url}/register")
        expect(page.get_by_text("mindestens 8 Zeichen")).to_be_visible()
        page.goto(f"{club.url}/login")
        expect(page.get_by_role("heading")).to_have_text("Anmelden")
        expect(page).to_have_title("Anmelden")
        expect(page.get_by_label("Passwort", exact=True)).to_be_visible()
