"""What one tab does to its session is seen in the others within a second, without a click."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.browser.running import NOBODY, Club, Guest, Tab
from tests.servers import KINDS

Arrive = Callable[[Club], Guest]
both_servers = pytest.mark.parametrize("club", KINDS, indirect=True)

SOON = 1.0
"""Seconds within which the other tabs follow; 0.1 s after an event, 0.4 s after a Django view."""


def leave_by_event(guest: Guest, tab: Tab) -> float:
    tab.leave()
    return time.monotonic()


def leave_by_admin(guest: Guest, tab: Tab) -> float:
    tab.go("/admin/")
    tab.page.click("#logout-form button", no_wait_after=True)
    return time.monotonic()


def check_that_it_follows(tab: Tab, name: str, began: float) -> None:
    tab.page.wait_for_function(
        "name => document.querySelector('[data-testid=username]').innerText === name",
        arg=name,
        polling=20,
        timeout=10_000,
    )
    took = time.monotonic() - began
    print(f"seen after {took:.2f} s")
    assert took < SOON
    assert tab.is_same_document()
    tab.acts_as(name)


@both_servers
@pytest.mark.parametrize("leave", [leave_by_event, leave_by_admin])
def test_logout_in_one_tab_is_seen_in_the_other(
    club: Club, arrive: Arrive, leave: Callable[[Guest, Tab], float]
) -> None:
    guest = arrive(club)
    one = guest.open("/login")
    one.sign_in("ada")
    one.shows("ada")
    other = guest.open("/")
    other.shows("ada")
    other.acts_as("ada")
    check_that_it_follows(other, NOBODY, leave(guest, one))


@both_servers
def test_login_in_one_tab_is_seen_in_the_other(club: Club, arrive: Arrive) -> None:
    guest = arrive(club)
    other = guest.open("/")
    other.shows(NOBODY)
    other.acts_as(NOBODY)
    one = guest.open("/login")
    one.sign_in("ada")
    check_that_it_follows(other, "ada", time.monotonic())
    one.shows("ada")
    one.acts_as("ada")


def test_login_in_the_admin_is_seen_in_the_other_tab(club: Club, arrive: Arrive) -> None:
    guest = arrive(club)
    other = guest.open("/")
    other.shows(NOBODY)
    other.acts_as(NOBODY)
    one = guest.open("/admin/login/")
    one.page.fill("#id_username", "bob")
    one.page.fill("#id_password", "bob-pass")
    one.page.keyboard.press("Enter")
    check_that_it_follows(other, "bob", time.monotonic())


def test_password_change_elsewhere_signs_the_tab_out_and_not_the_one_that_made_it(
    club: Club, arrive: Arrive
) -> None:
    at_home, at_work = arrive(club), arrive(club)
    home = at_home.open("/login")
    home.sign_in("carol")
    home.shows("carol")
    home.acts_as("carol")
    work = at_work.open("/login?next=/password-change")
    work.sign_in("carol")
    change_password(work, "carol-pass", "another-pass-1")
    check_that_it_follows(home, NOBODY, time.monotonic())
    work.page.get_by_text("Your password was changed").wait_for()
    work.go("/")
    work.shows("carol")


def change_password(tab: Tab, old: str, new: str) -> None:
    tab.send("password-change", old_password=old, new_password1=new, new_password2=new)


def test_disconnect_signs_the_user_out_everywhere_and_nobody_else(
    club: Club, arrive: Arrive
) -> None:
    guests = [arrive(club), arrive(club), arrive(club)]
    tabs = [guest.open("/login") for guest in guests]
    for tab, name in zip(tabs, ("bob", "bob", "ada"), strict=True):
        tab.sign_in(name)
        tab.shows(name)
        tab.acts_as(name)
    keys = [guest.session for guest in guests]
    guests[2].context.request.get(f"{club.url}/disconnect?user={club.id_of('bob')}")
    began = time.monotonic()
    check_that_it_follows(tabs[0], NOBODY, began)
    check_that_it_follows(tabs[1], NOBODY, began)
    assert [club.has_session(key) for key in keys] == [False, False, True]
    tabs[2].shows("ada")
    tabs[2].acts_as("ada")


@pytest.mark.parametrize("club", ["uvicorn"], indirect=True)
def test_tab_that_loads_while_the_sessions_are_away_comes_back_by_itself(
    club: Club, arrive: Arrive
) -> None:
    guest = arrive(club)
    tab = guest.open("/login")
    tab.sign_in("ada")
    tab.shows("ada")
    tab.acts_as("ada")
    club.run_sql("ALTER TABLE django_session RENAME TO away")
    tab.go("/")
    expect(tab.page.get_by_text("That did not work. Please try again.")).to_be_visible()
    club.run_sql("ALTER TABLE away RENAME TO django_session")
    tab.shows("ada")
    tab.acts_as("ada")
