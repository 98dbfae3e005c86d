"""What the user who is signed in has bought: ``/orders``."""

import reflex as rx
from rxbridge.state import DjangoUserState

from orders.state import Activity, OrderCard, OrderRow, OrdersState
from shop.pages.layout import ask_to_sign_in, loading, notice, page, placeholder, title, to_shop


def orders() -> rx.Component:
    """Show the orders, and what the middleware counted."""
    return page(
        title("Your orders"),
        rx.cond(
            OrdersState.loaded,
            rx.cond(
                DjangoUserState.is_authenticated,
                rx.el.div(
                    rx.cond(
                        OrdersState.orders.length() > 0,
                        rx.vstack(
                            rx.foreach(OrdersState.orders, order), spacing="5", align="stretch"
                        ),
                        no_orders(),
                    ),
                    activity(),
                    class_name="cart-columns",
                ),
                ask_to_sign_in("Sign in to see what you have ordered."),
            ),
            loading(*[placeholder("190px") for _ in range(2)]),
        ),
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
            rx.badge(
                card.status,
                color_scheme=rx.match(
                    card.status, ("Placed", "orange"), ("Shipped", "blue"), "grass"
                ),
                size="2",
                radius="full",
            ),
            rx.text(card.total, size="4", weight="medium", class_name="price"),
            align="center",
            spacing="4",
        ),
        rx.separator(size="4", margin_y="14px"),
        rx.vstack(rx.foreach(card.rows, line), spacing="3", align="stretch"),
        class_name="panel",
        custom_attrs={"data-order": card.number},
    )


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
        rx.heading("What you did", as_="h2", size="5", weight="medium", class_name="serif"),
        rx.text(
            "Counted by a Django middleware that runs around every event.",
            size="2",
            color_scheme="gray",
            margin_y="8px",
        ),
        rx.cond(
            OrdersState.activity.length() > 0,
            rx.foreach(OrdersState.activity, activity_row),
            rx.text("Nothing yet.", size="2"),
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
        "No orders yet",
        "When you order something, you can follow it here.",
        to_shop("Start with a mug"),
    )
