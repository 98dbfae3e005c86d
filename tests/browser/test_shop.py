"""The shop in a real browser: one login, one port, Django's middleware around every click."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visitor

PRODUCT = "/product/tidal-mug"
ADD = "[data-testid=add-to-cart]"


def test_front_page_and_deep_link_load_and_reload(visitor: Visitor) -> None:
    visitor.open("/")
    expect(visitor.page.get_by_text("Tidal Mug")).to_be_visible()
    visitor.open(PRODUCT)
    expect(visitor.page.get_by_role("heading", name="Tidal Mug")).to_be_visible()
    assert visitor.page.reload().status == 200
    expect(visitor.page.get_by_role("heading", name="Tidal Mug")).to_be_visible()
    assert visitor.complaints == []


def test_admin_login_is_the_page_s_login(visitor: Visitor) -> None:
    visitor.sign_in("demo")
    expect(visitor.page.get_by_test_id("username")).to_contain_text("demo")
    assert visitor.complaints == []


def test_click_writes_a_row_owned_by_the_signed_in_user(visitor: Visitor) -> None:
    visitor.sign_in("demo", next_page=PRODUCT)
    before = dict(visitor.shop.cart_of("demo"))
    visitor.page.click(ADD)
    expect(visitor.page.get_by_text("Tidal Mug is in your cart.")).to_be_visible()
    after = dict(visitor.shop.cart_of("demo"))
    assert after["Tidal Mug"] == before.get("Tidal Mug", 0) + 1
    assert visitor.shop.cart_of("staff") == []
    assert visitor.complaints == []


def test_banned_user_s_click_is_refused_and_writes_nothing(visitor: Visitor) -> None:
    visitor.sign_in("banned", next_page=PRODUCT)
    expect(visitor.page.get_by_test_id("username")).to_contain_text("banned")
    visitor.page.click(ADD)
    expect(visitor.page.get_by_text("You are not allowed to do that.")).to_be_visible()
    assert visitor.shop.cart_of("banned") == []
    visitor.shop.server.wait_for_log("orders.state.CartState.add did not run: 403")
    assert visitor.complaints == []


@pytest.mark.settings("settings_login_required")
def test_anonymous_click_goes_to_the_login_page(visitor: Visitor) -> None:
    before = visitor.shop.rows("SELECT * FROM orders_cartitem")
    visitor.open(PRODUCT)
    visitor.page.click(ADD)
    visitor.page.wait_for_url(re.compile(r"/admin/login/\?next=/product/tidal-mug"))
    assert visitor.shop.rows("SELECT * FROM orders_cartitem") == before
    assert visitor.complaints == []
