"""Under the policy of docs/spa-view.md, which has no 'unsafe-eval', nothing is violated."""

from collections.abc import Callable, Iterator
from pathlib import Path

import django
import pytest
from playwright.sync_api import expect

from tests.browser.running import Club, Guest, run_club

Arrive = Callable[[Club], Guest]

pytestmark = pytest.mark.skipif(django.VERSION < (6,), reason="Django 6 has the middleware")

# A page that is being left reports as well.
_LISTEN = """addEventListener("securitypolicyviolation", ({violatedDirective, blockedURI}) =>
  violated(`${violatedDirective} ${blockedURI} ${location.pathname}`))"""


@pytest.fixture(scope="module")
def strict_club(members: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Club]:
    with run_club(
        "uvicorn",
        members,
        tmp_path_factory.mktemp("strict"),
        application="tests.browser.club.strict_site:application",
        DJANGO_SETTINGS_MODULE="tests.browser.club.strict_settings",
    ) as club:
        yield club


@pytest.fixture
def guest(strict_club: Club, arrive: Arrive) -> Iterator[Guest]:
    """A browser that no page may have a violation in; its console may not complain either."""
    guest = arrive(strict_club)
    violations: list[str] = []
    guest.context.expose_binding("violated", lambda _, violation: violations.append(violation))
    guest.context.add_init_script(_LISTEN)
    yield guest
    assert violations == []


def test_pages_may_not_evaluate_text(guest: Guest) -> None:
    tab = guest.open("/")
    tab.shows()
    answer = tab.page.request.get(f"{guest.club.url}/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe-eval" not in policy
    assert "script-src 'self' 'nonce-" in policy


def test_visitor_is_sent_to_the_login_signs_in_and_out(guest: Guest) -> None:
    tab = guest.open("/password-change")
    tab.page.wait_for_url("**/login?next=/password-change")
    tab.sign_in("ada", "wrong")
    expect(tab.page.locator("#login-password")).to_be_focused()
    tab.sign_in("ada")
    tab.page.wait_for_url(f"{guest.club.url}/password-change")
    assert guest.cookie() is not None
    tab.go("/")
    tab.shows("ada")
    other = guest.open("/")
    other.shows("ada")
    tab.leave()
    tab.shows()
    other.shows()
    other.acts_as()
    assert guest.cookie() is None


def test_toast_that_is_compiled_into_the_page_is_shown(guest: Guest) -> None:
    tab = guest.open("/")
    tab.shows()
    tab.page.get_by_test_id("compiled").click()
    expect(tab.page.get_by_text("Of the page's own")).to_be_visible()


def test_refused_click_shows_a_toast(guest: Guest) -> None:
    tab = guest.open("/login")
    tab.sign_in("carol")
    tab.shows("carol")
    tab.page.get_by_test_id("forbidden").click()
    expect(tab.page.get_by_text("You are not allowed to do that.")).to_be_visible()


def test_handler_takes_the_browser_to_a_page_of_django(guest: Guest) -> None:
    tab = guest.open("/login")
    tab.sign_in("bob")
    tab.shows("bob")
    tab.page.get_by_test_id("to-admin").click()
    tab.page.wait_for_url("**/admin/")
    expect(tab.page.locator("#user-tools strong")).to_have_text("bob")


def test_link_of_a_password_reset_is_taken_out_of_the_address(guest: Guest) -> None:
    tab = guest.open("/password-reset/confirm?uid=x&token=y")
    tab.page.wait_for_url("**/password-reset/confirm")
    expect(tab.page.locator("body")).to_contain_text("link was invalid")
