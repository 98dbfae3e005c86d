"""What the user who is signed in has bought: ``/orders``."""

import reflex as rx
from rxbridge.state import login_required_page
from rxbridge.state import translated as _

from orders.state import Activity, OrderCard, OrderRow, OrdersState
from shop.pages.layout import loading, notice, page, placeholder, title, to_shop


def waiting() -> rx.Component:
    """Placeholders for two orders."""
    return loading(*[placeholder("190px") for _order in range(2)])


def orders() -> rx.Component:
    """Show the page to who is signed in; a visitor is asked to sign in, and comes back."""
    return page(title(_("Your orders")), history())


@login_required_page(pending=waiting())
def history() -> rx.Component:
    """The orders, and what the middleware counted."""
    return rx.cond(
        OrdersState.loaded,
        rx.el.div(
            rx.cond(
                OrdersState.orders.length() > 0,
                rx.vstack(
                    rx.foreach(OrdersState.orders, order),
                    spacing="5",
                    align="stretch",
                    custom_attrs={"data-testid": "orders-list"},
                ),
                no_orders(),
            ),
            activity(),
            class_name="cart-columns",
        ),
        waiting(),
    )


def order(card: rx.Var[OrderCard]) -> rx.Component:
    """One order."""
    return rx.el.article(
        rx.flex(
            rx.box(
                rx.heading(card.number, as_="h2", size="4", weight="medium"),
                rx.text(card.placed, size="2", color_scheme="gray"),
            ),
            rx.spacer(),
            status(card.status, card.status_name),
            rx.text(card.total, size="4", weight="medium", class_name="price"),
            align="center",
            spacing="4",
        ),
        rx.separator(size="4", margin_y="14px"),
        rx.vstack(rx.foreach(card.rows, line), spacing="3", align="stretch"),
        class_name="panel",
        custom_attrs={"data-order": card.number},
    )


def status(code: rx.Var[str], name: rx.Var[str]) -> rx.Component:
    """Where an order is, with its colour."""
    colour = rx.match(code, ("placed", "orange"), ("shipped", "blue"), "grass")
    return rx.badge(name, color_scheme=colour, size="2", radius="full")


def line(row: rx.Var[OrderRow]) -> rx.Component:
    """A product that was bought, at the price of that day."""
    return rx.hstack(
        rx.image(src=row.picture, alt="", class_name="line-picture"),
        rx.link(row.name, href="/product/" + row.slug, class_name="row-name"),
        rx.spacer(),
        rx.text(f"{row.quantity} × {row.price}", size="2", color_scheme="gray", class_name="price"),
        align="center",
        spacing="3",
    )


def activity() -> rx.Component:
    """What ``EventCountMiddleware`` wrote about this user."""
    return rx.box(
        rx.heading(_("What you did"), as_="h2", size="5", weight="medium", class_name="serif"),
        rx.text(
            _("Counted by a Django middleware that runs around every event."),
            size="2",
            color_scheme="gray",
            margin_y="8px",
        ),
        rx.cond(
            OrdersState.activity.length() > 0,
            rx.foreach(OrdersState.activity, activity_row),
            rx.text(_("Nothing yet."), size="2"),
        ),
        class_name="panel summary",
    )


def activity_row(row: rx.Var[Activity]) -> rx.Component:
    """A handler, and how often it ran."""
    return rx.hstack(
        rx.code(row.handler, size="2", variant="ghost", color_scheme="gray"),
        rx.spacer(),
        rx.text(row.count, size="2", weight="medium", class_name="price"),
        class_name="amount",
    )


def no_orders() -> rx.Component:
    """The page of somebody who has not bought anything."""
    return notice(
        "package-open",
        _("No orders yet"),
        _("When you order something, you can follow it here."),
        to_shop(_("Start with a mug")),
    )
