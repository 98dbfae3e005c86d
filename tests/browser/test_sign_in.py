"""Signing in and out by a Reflex form has the effect of a Django view that does it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import CHROMIUM, QUIET
from tests.browser.running import NOBODY, Club, Guest, Tab, make_certificate, run_club, wait_for
from tests.servers import KINDS

Arrive = Callable[[Club], Guest]
both_servers = pytest.mark.parametrize("club", KINDS, indirect=True)


@pytest.fixture(params=KINDS)
def secure_club(request: pytest.FixtureRequest, members: Path, tmp_path: Path) -> Iterator[Club]:
    with run_club(request.param, members, tmp_path, certificate=make_certificate(tmp_path)) as club:
        yield club


def admin_of(guest: Guest) -> str:
    """Return who the admin takes the browser for."""
    page = guest.context.new_page()
    page.goto(guest.club.url + "/admin/")
    name = page.locator("#user-tools strong")
    text = name.inner_text() if name.count() else NOBODY
    page.close()
    return text.lower()


def check_that_all_is_for(guest: Guest, tab: Tab, name: str) -> None:
    """The socket's next event, the admin, a second tab and a reload are of one mind."""
    tab.shows(name)
    tab.acts_as(name)
    assert tab.is_same_document()
    assert admin_of(guest) == name
    second = guest.open("/")
    second.shows(name)
    second.acts_as(name)
    second.page.close()
    tab.go("/")
    tab.shows(name)
    tab.acts_as(name)


@both_servers
def test_login_is_known_to_the_socket_the_reload_the_admin_and_other_tabs(
    club: Club, arrive: Arrive
) -> None:
    guest = arrive(club)
    tab = guest.open("/login")
    tab.sign_in("ada")
    check_that_all_is_for(guest, tab, "ada")


@both_servers
def test_logout_is_known_to_the_socket_the_reload_the_admin_and_other_tabs(
    club: Club, arrive: Arrive
) -> None:
    guest = arrive(club)
    tab = guest.open("/login")
    tab.sign_in("ada")
    tab.shows("ada")
    key = guest.session
    tab.leave()
    check_that_all_is_for(guest, tab, NOBODY)
    assert guest.cookie() is None
    assert not club.has_session(key)


@both_servers
def test_session_cookie_over_http_is_as_the_settings_say(club: Club, arrive: Arrive) -> None:
    guest = arrive(club)
    tab = guest.open("/login")
    tab.sign_in("ada")
    tab.shows("ada")
    cookie = guest.cookie()
    assert cookie is not None
    assert club.has_session(str(cookie["value"]))
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, False, "Lax")
    assert cookie["path"] == "/"
    assert "sessionid" not in tab.page.evaluate("document.cookie")


def test_session_cookie_over_https_is_as_the_settings_say(
    secure_club: Club, arrive: Arrive
) -> None:
    guest = arrive(secure_club)
    tab = guest.open("/login")
    tab.sign_in("ada")
    tab.shows("ada")
    cookie = guest.cookie()
    assert cookie is not None
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert "sessionid" not in tab.page.evaluate("document.cookie")
    csrf = guest.cookie("csrftoken")
    assert csrf is not None
    assert csrf["secure"]
    check_that_all_is_for(guest, tab, "ada")
    tab.leave()
    check_that_all_is_for(guest, tab, NOBODY)
    assert guest.cookie() is None


def test_wrong_password_signs_nobody_in_and_keeps_the_cart(club: Club, arrive: Arrive) -> None:
    guest = arrive(club)
    tab = guest.open("/")
    tab.page.get_by_test_id("keep").click()
    tab.page.get_by_role("link", name="Sign in").click()
    tab.sign_in("ada", "wrong")
    expect(tab.page.get_by_role("alert")).to_contain_text("Please enter a correct username")
    tab.go("/")
    tab.shows(NOBODY)
    tab.click_for("recall", "kept", "a cart")


def test_login_gives_the_session_a_new_key_and_the_old_one_is_dead(
    club: Club, arrive: Arrive
) -> None:
    guest = arrive(club)
    tab = guest.open("/")
    tab.click_for("keep", "kept", "")
    tab.click_for("recall", "kept", "a cart")
    wait_for(lambda: guest.session)
    planted = guest.session
    assert club.has_session(planted)
    tab.page.get_by_role("link", name="Sign in").click()
    tab.sign_in("ada")
    tab.shows("ada")
    assert tab.is_same_document()
    assert guest.session not in ("", planted)
    assert not club.has_session(planted)
    tab.click_for("recall", "kept", "a cart")

    thief = arrive(club)
    thief.session = planted
    stolen = thief.open("/")
    stolen.shows(NOBODY)
    stolen.acts_as(NOBODY)
    stolen.click_for("recall", "kept", "nothing")


def test_session_deleted_in_the_database_makes_the_next_event_anonymous(
    club: Club, arrive: Arrive
) -> None:
    guest = arrive(club)
    tab = guest.open("/login")
    tab.sign_in("ada")
    tab.shows("ada")
    tab.acts_as("ada")
    club.run_sql("DELETE FROM django_session WHERE session_key = ?", guest.session)
    tab.acts_as(NOBODY)
    tab.shows(NOBODY)
    assert tab.is_same_document()


@pytest.fixture
def keeping_pages(chromium: Browser) -> Iterator[Browser]:
    """A browser that keeps the pages it leaves, as a visitor's does and Playwright's does not."""
    kept = chromium.browser_type.launch(
        executable_path=CHROMIUM,
        args=QUIET,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield kept
    kept.close()


def test_page_that_comes_back_after_a_logout_shows_nobody(
    club: Club, keeping_pages: Browser
) -> None:
    tab = Guest(keeping_pages.new_context(), club).open("/login")
    tab.sign_in("ada")
    tab.shows("ada")
    tab.acts_as("ada")
    tab.page.goto(f"{club.url}/admin/")
    tab.page.click("#logout-form button")
    tab.page.wait_for_url(f"{club.url}/admin/logout/")
    tab.page.evaluate("history.go(-2)")
    tab.page.get_by_test_id("who").wait_for()
    expect(tab.page.get_by_test_id("username")).to_have_text(NOBODY, timeout=15_000)
    tab.acts_as(NOBODY)


def test_two_logins_in_a_row_end_with_the_second(club: Club, arrive: Arrive) -> None:
    guest = arrive(club)
    tab = guest.open("/login")
    tab.sign_in("ada")
    tab.shows("ada")
    tab.leave()
    tab.shows(NOBODY)
    tab.page.get_by_role("link", name="Sign in").click()
    tab.sign_in("bob")
    check_that_all_is_for(guest, tab, "bob")


def test_password_sent_before_the_page_listens_is_in_no_address(club: Club, arrive: Arrive) -> None:
    guest = arrive(club)
    page = guest.context.new_page()
    page.route("**/*.js", lambda route: route.fulfill(body=""))
    page.goto(club.url + "/login")
    page.fill("#login-username", "ada")
    page.fill("#login-password", "ada-pass")
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    with page.expect_console_message(lambda message: "405" in message.text):
        page.evaluate("document.querySelector('form').submit()")
    page.wait_for_load_state()
    assert page.url == f"{club.url}/login"
    assert "ada-pass" not in club.servers[0].log
    guest.complaints.clear()  # of the scripts that are not there
