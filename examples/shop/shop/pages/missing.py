"""What an address without a page shows."""

import reflex as rx
from rxbridge.state import translated as _

from shop.pages.layout import notice, page, to_shop


def missing() -> rx.Component:
    """Say that there is nothing here."""
    return page(
        notice(
            "map",
            _("There is no such page"),
            _("The address may be mistyped, or the page may have moved."),
            to_shop(_("Back to the shop")),
        )
    )
