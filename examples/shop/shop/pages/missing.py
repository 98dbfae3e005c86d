"""What an address without a page shows."""

import reflex as rx

from shop.pages.layout import notice, page, to_shop


def missing() -> rx.Component:
    """Say that there is nothing here."""
    return page(
        notice(
            "map",
            "There is no such page",
            "The address may be mistyped, or the page may have moved.",
            to_shop("Back to the shop"),
        )
    )
