"""Each topology in a real Chromium: sign in at the admin, a page, a click, a deep link."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.topologies.garden import Garden
from tests.topologies.test_topologies import ALL

pytestmark = [pytest.mark.browser, pytest.mark.server]


@pytest.fixture(params=ALL)
def garden(request: pytest.FixtureRequest, gardens: Callable[[str], Garden]) -> Garden:
    return gardens(request.param)


def sign_in(page: Page, origin: str, next_page: str) -> None:
    page.goto(f"{origin}/admin/login/?next={next_page}")
    page.fill("input[name=username]", "ada")
    page.fill("input[name=password]", "ada-pass")
    page.click("input[type=submit]")


def click(page: Page, seen: str) -> None:
    page.click("#who")
    expect(page.locator("#seen")).to_have_text(seen)


def test_user_of_the_admin_is_on_the_page_and_in_its_events(garden: Garden, page: Page):
    page.goto(f"{garden.origin}{garden.below}/")
    click(page, f"nobody 1 {garden.below}/")
    sign_in(page, garden.origin, f"{garden.below}/")
    expect(page.locator("#user")).to_have_text("ada")
    click(page, f"ada 2 {garden.below}/")


def test_deep_link_survives_a_refresh(garden: Garden, page: Page):
    sign_in(page, garden.origin, f"{garden.below}/")
    page.click("#note")
    expect(page.locator("h1")).to_have_text("Note: moss")
    assert page.url == f"{garden.origin}{garden.below}/notes/moss"
    page.reload()
    expect(page.locator("h1")).to_have_text("Note: moss")
    click(page, f"ada 1 {garden.below}/notes/moss")


def test_page_of_another_origin_gets_no_socket(gardens: Callable[[str], Garden], chromium: Browser):
    garden = gardens("spa_default")
    script = """url => new Promise(resolve => {
        const socket = new WebSocket(url)
        socket.onopen = () => resolve("open")
        socket.onerror = () => resolve("refused")
    })"""
    socket = f"{garden.ws_url}/_event/?EIO=4&transport=websocket"
    page = chromium.new_page()
    page.goto(garden.origin)
    assert page.evaluate(script, socket) == "open"
    page.goto(garden.origin.replace("127.0.0.1", "localhost"))
    assert page.evaluate(script, socket) == "refused"
    page.close()


def test_unknown_page_says_so(garden: Garden, chromium: Browser):
    page = chromium.new_page()
    answer = page.goto(f"{garden.origin}{garden.below}/nowhere")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("body")).to_contain_text("404")
    page.close()
