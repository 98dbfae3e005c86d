"""The shop in a real browser: one login, one port, Django's middleware around every click."""

import base64
import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Visitor
from tests.browser.running import hold_back

PRODUCT = "/product/tidal-mug"
ADD = "[data-testid=add-to-cart]"
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


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


def test_sign_in_form_leads_back_without_a_reload_and_the_button_signs_out(
    visitor: Visitor,
) -> None:
    visitor.open(PRODUCT)
    visitor.page.evaluate("window.first = true")
    visitor.page.get_by_test_id("sign-in").click()
    visitor.page.fill("input[name=username]", "demo")
    visitor.page.fill("input[name=password]", "demo-pass")
    visitor.page.get_by_role("main").get_by_role("button", name="Sign in").click()
    visitor.page.wait_for_url(visitor.shop.url + PRODUCT)
    expect(visitor.page.get_by_test_id("username")).to_have_text("demo")
    visitor.page.get_by_test_id("sign-out").click()
    expect(visitor.page.get_by_test_id("sign-in")).to_be_visible()
    assert visitor.page.evaluate("window.first")
    assert visitor.complaints == []


def test_the_way_to_the_sign_in_page_is_not_there_before_it_leads_back(visitor: Visitor) -> None:
    release = hold_back(visitor.page)
    visitor.open(PRODUCT)
    expect(visitor.page.get_by_test_id("sign-in")).to_have_count(0)
    release()
    link = visitor.page.get_by_test_id("sign-in")
    expect(link).to_have_attribute("href", f"/login?next={PRODUCT}")


def test_language_sticks_over_a_reload_and_in_the_admin(visitor: Visitor) -> None:
    visitor.open(PRODUCT)
    visitor.page.get_by_test_id("language").select_option("de")
    expect(visitor.page.locator(ADD)).to_have_text("In den Warenkorb")
    expect(visitor.page.get_by_text("24,00 €").first).to_be_visible()
    visitor.page.reload()
    expect(visitor.page.locator(ADD)).to_have_text("In den Warenkorb")
    visitor.open("/admin/login/")
    expect(visitor.page.get_by_role("heading", name="Willkommen zurück")).to_be_visible()
    assert visitor.complaints == []


def test_uploaded_picture_is_shown_and_what_is_no_picture_is_refused(visitor: Visitor) -> None:
    visitor.sign_in("demo", next_page="/profile")
    upload = visitor.page.get_by_label("Drop a picture here")
    zone = upload.locator("..")
    with visitor.page.expect_file_chooser():
        zone.press("Enter")
    with visitor.page.expect_file_chooser():
        zone.click()
    picture = visitor.page.get_by_test_id("profile-picture").locator("img")
    upload.set_input_files({"name": "me.png", "mimeType": "image/png", "buffer": PIXEL})
    expect(picture).to_have_attribute("src", re.compile(r"^/media/pictures/\w+\.png$"))
    upload.set_input_files({"name": "me.png", "mimeType": "image/png", "buffer": b"<svg>"})
    expect(visitor.page.get_by_text("That is not a picture. Please choose")).to_be_visible()
    owners = "SELECT u.username FROM accounts_profile p JOIN auth_user u ON u.id = p.user_id"
    assert visitor.shop.rows(owners) == [("demo",)]
    assert visitor.complaints == []


def test_staff_sign_a_customer_out_under_the_open_page(visitor: Visitor, chromium: Browser) -> None:
    visitor.sign_in("demo", next_page="/orders")
    expect(visitor.page.get_by_test_id("orders-list")).to_be_visible()
    context = chromium.new_context()
    staff = Visitor(context.new_page(), visitor.shop)
    staff.sign_in("staff", next_page="/staff")
    staff.page.get_by_test_id("staff-sign-out-demo").click()
    visitor.page.wait_for_url(re.compile(r"/login\?next=/orders"))
    expect(visitor.page.get_by_test_id("sign-in")).to_be_visible()
    expect(staff.page.get_by_test_id("username")).to_have_text("staff")
    context.close()
    assert visitor.complaints == staff.complaints == []


@pytest.mark.settings("settings_login_required")
def test_anonymous_click_goes_to_the_login_page(visitor: Visitor) -> None:
    before = visitor.shop.rows("SELECT * FROM orders_cartitem")
    visitor.open(PRODUCT)
    visitor.page.click(ADD)
    visitor.page.wait_for_url(re.compile(r"/login\?next=/product/tidal-mug"))
    assert visitor.shop.rows("SELECT * FROM orders_cartitem") == before
    assert visitor.complaints == []
