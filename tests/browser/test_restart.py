"""A page that outlives its server: the next click rehydrates it and takes effect."""

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import SHOP, Shop, Visitor, shop_environment
from tests.servers import KINDS, Kind, free_port, run_server

PRODUCT = "/product/tidal-mug"
ADD = "[data-testid=add-to-cart]"


@pytest.mark.parametrize("kind", KINDS)
def test_click_after_a_restart_takes_effect_as_the_same_user(
    kind: Kind, chromium: Browser, seeded: Path, tmp_path: Path
) -> None:
    database = tmp_path / "shop.sqlite3"
    shutil.copy(seeded, database)
    environment = shop_environment(database, "settings_shop")
    port = free_port()
    context = chromium.new_context()
    with run_server(kind, "shop.asgi:application", env=environment, cwd=SHOP, port=port) as before:
        shop = Shop(before, database)
        visitor = Visitor(context.new_page(), shop)
        visitor.sign_in("demo", next_page=PRODUCT)
        expect(visitor.page.get_by_test_id("username")).to_contain_text("demo")
        cart = dict(shop.cart_of("demo"))
    with run_server(kind, "shop.asgi:application", env=environment, cwd=SHOP, port=port):
        visitor.page.click(ADD)
        expect(visitor.page.get_by_text("Tidal Mug is in your cart.")).to_be_visible()
        expect(visitor.page.get_by_test_id("username")).to_contain_text("demo")
        assert dict(shop.cart_of("demo"))["Tidal Mug"] == cart.get("Tidal Mug", 0) + 1
    context.close()
