"""axe-core finds no fault in any page, by the rules of WCAG 2.2 of levels A and AA."""

import re
from collections.abc import Callable
from importlib.resources import files
from itertools import product
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visitor
from tests.browser.running import Club, Guest

AXE = (files("axe_playwright_python") / "axe.min.js").read_text()
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTHS = (390, 1280)

RULES = {
    "light": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"],
    "dark": ["color-contrast", "link-in-text-block"],  # those of them that colours decide
}

# What axe cannot decide is not among the violations.
_FIND_FAULTS = """async rules => {
  const {violations} = await axe.run({runOnly: rules, resultTypes: ["violations"]});
  return violations.flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html}`));
}"""

# A page follows the browser a moment later, and its parts not all at once.
_HAS_SCHEME = """async scheme => {
  await new Promise(requestAnimationFrame);
  const changes = document.getAnimations().filter(each => each instanceof CSSTransition);
  return !changes.length && !document.querySelector(scheme === "dark" ? ".light" : ".dark");
}"""

SHOP = {
    "staff": ["/_trace", "/staff", "/staff/orders"],
    "demo": ["/", "/cart", "/orders", "/profile", "/notes", "/password/change", "/staff"],
    "": [
        "/product/tidal-mug",
        "/cart",
        "/login",
        "/register",
        "/password/reset",
        "/password/reset/confirm",
        "/missing",
    ],
}
READY = ["/login", "/register", "/password-reset", "/password-reset/confirm"]


def faults(page: Page) -> list[str]:
    """Return what axe-core finds on a page, in light and dark, on a phone and on a desk."""
    expect(page).to_have_title(re.compile("."))
    page.evaluate(AXE)
    found = []
    for scheme, width in product(SCHEMES, WIDTHS):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(_HAS_SCHEME, arg=scheme)
        seen = f"{page.url}, {scheme}, {width} px"
        found += [f"{seen}: {fault}" for fault in lasting(page, RULES[scheme])]
    return found


def lasting(page: Page, rules: list[str]) -> list[str]:
    """Return the faults that are there once the page has come to rest."""
    for _ in range(10):
        if not (found := page.evaluate(_FIND_FAULTS, rules)):
            break
        page.wait_for_timeout(300)
    return list(found)


@pytest.mark.parametrize(("name", "paths"), SHOP.items(), ids=["staff", "customer", "visitor"])
def test_pages_of_the_shop(
    enter: Callable[[str, str], Visitor], name: str, paths: list[str]
) -> None:
    visitor, found = enter(name, "/"), []
    page = visitor.page
    for path in paths:
        visitor.open(path)
        if path != "/_trace":
            expect(page.get_by_test_id("username" if name else "sign-in")).to_have_count(1)
            expect(page.locator("[aria-busy]")).to_have_count(0)
        found += faults(page)
    # That a page is missing is an error to the console.
    visitor.complaints[:] = [each for each in visitor.complaints if "/missing" not in each]
    assert found == []


def test_ready_auth_pages(club: Club, arrive: Callable[[Club], Guest]) -> None:
    tab, found = arrive(club).open(), []
    for path in READY:
        tab.go(path)
        found += faults(tab.page)
    tab.go("/login")
    tab.sign_in("gus")
    tab.shows("gus")
    for path in ("/logout", "/password-change"):
        tab.go(path)
        found += faults(tab.page)
    assert found == []
