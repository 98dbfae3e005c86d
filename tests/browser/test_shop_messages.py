"""Django's messages in the shop: left by a view or a handler, each shown once, by its level."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visitor

Enter = Callable[[str, str], Visitor]

WELCOME = "Welcome, Robin."
FAREWELL = "You are signed out. See you soon."


def callouts(visitor: Visitor) -> Locator:
    return visitor.page.get_by_test_id("flash").locator(".rt-CalloutRoot")


def settle(visitor: Visitor) -> None:
    """Wait until a page has loaded, and what it has said has reached cookies and session."""
    visitor.page.get_by_role("heading", level=1).wait_for()
    visitor.page.wait_for_load_state("networkidle")
    visitor.page.wait_for_timeout(400)


def is_quiet(visitor: Visitor, path: str) -> None:
    """Expect that a page shows no message, once the one before has loaded all of its own."""
    settle(visitor)
    visitor.open(path)
    settle(visitor)
    expect(callouts(visitor)).to_have_count(0)


@pytest.mark.parametrize("path", ["/", "/orders", "/profile", "/cart", "/notes"])
def test_message_of_a_view_is_shown_once_on_whichever_page_comes_next(
    enter: Enter, path: str
) -> None:
    demo = enter("demo", path)
    expect(callouts(demo)).to_have_text([WELCOME])
    is_quiet(demo, path)
    is_quiet(demo, "/")


def test_message_of_an_event_is_shown_once_on_the_page_it_leads_to(visitor: Visitor) -> None:
    visitor.open("/login?next=/cart")
    visitor.page.fill("input[name=username]", "demo")
    visitor.page.fill("input[name=password]", "demo-pass")
    visitor.page.get_by_role("main").get_by_role("button", name="Sign in").click()
    visitor.page.wait_for_url(visitor.shop.url + "/cart")
    expect(callouts(visitor)).to_have_text([WELCOME])
    is_quiet(visitor, "/cart")
    visitor.page.get_by_test_id("sign-out").click()
    expect(callouts(visitor)).to_have_text([FAREWELL])
    is_quiet(visitor, "/")
    assert visitor.complaints == []


def test_message_of_a_handler_is_shown_once_in_the_tab_that_caused_it(visitor: Visitor) -> None:
    visitor.sign_in("demo", next_page="/notes")
    callouts(visitor).get_by_role("button", name="Dismiss").click()
    expect(callouts(visitor)).to_have_count(0)
    other = visitor.second_tab("/notes")
    visitor.page.get_by_test_id("note-new").click()
    dialog = visitor.page.get_by_role("dialog")
    dialog.get_by_label("Title").fill("A message")
    dialog.get_by_role("button", name="Save").click()
    expect(callouts(visitor)).to_have_text(["“A message” is saved."])
    expect(other.page.locator("article[data-note='A message']")).to_be_visible()
    expect(callouts(other)).to_have_count(0)
    is_quiet(visitor, "/notes")
    is_quiet(other, "/notes")
    assert visitor.complaints == []


def test_message_of_a_plain_view_s_form(enter: Enter) -> None:
    banned = enter("banned", "/")
    expect(callouts(banned)).to_have_text(["Welcome, Alex."])
    banned.open("/admin/")
    banned.complaints.clear()  # Of the 403 that was asked for.
    banned.page.get_by_role("button", name="Sign out").click()
    banned.page.wait_for_url(banned.shop.url + "/")
    expect(callouts(banned)).to_have_text([FAREWELL])
    is_quiet(banned, "/")


def test_messages_have_the_colour_of_their_level_and_go_one_by_one(enter: Enter) -> None:
    demo = enter("demo", "/notes")
    note = demo.page.locator("article").first
    note.get_by_role("button", name="Delete").click()
    demo.page.get_by_role("button", name="Delete it").click()
    expect(callouts(demo)).to_have_text([WELCOME, "The note is gone."])
    colours = [
        each.evaluate("callout => [callout.dataset.level, callout.dataset.accentColor]")
        for each in callouts(demo).all()
    ]
    assert colours == [["success", "green"], ["info", "blue"]]
    callouts(demo).last.get_by_role("button", name="Dismiss").click()
    expect(callouts(demo)).to_have_text([WELCOME])
