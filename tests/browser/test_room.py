"""Two users in one room: what either does, each is shown as themselves."""

from collections.abc import Callable

from playwright.sync_api import expect

from tests.browser.running import Club, Guest, Tab


def test_in_a_room_each_is_shown_as_themselves(club: Club, arrive: Callable[[Club], Guest]) -> None:
    ada, bob = enter(arrive(club), "ada"), enter(arrive(club), "bob")
    ada.click_for("add", "count", "1 for ada")
    expect(bob.page.get_by_test_id("count")).to_have_text("1 for bob")
    bob.click_for("add", "count", "2 for bob")
    expect(ada.page.get_by_test_id("count")).to_have_text("2 for ada")


def enter(guest: Guest, name: str) -> Tab:
    tab = guest.open("/login?next=/room")
    tab.sign_in(name)
    tab.click_for("join", "count", f"0 for {name}")
    return tab
