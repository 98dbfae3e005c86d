"""The cart of the user who is signed in: ``/cart``."""

import reflex as rx
from rxbridge.state import DjangoUserState
from rxbridge.state import translated as _

from orders.state import CartRow, CartState
from shop.pages.layout import ask_to_sign_in, loading, notice, page, placeholder, title, to_shop
from shop.pages.product import step_button


def cart() -> rx.Component:
    """Show what is in the cart, and the way to order it."""
    return page(
        title(_("Your cart")),
        rx.cond(
            CartState.loaded,
            rx.cond(
                DjangoUserState.is_authenticated,
                rx.cond(CartState.count > 0, filled(), empty()),
                ask_to_sign_in(_("Your cart is kept with your account. Sign in, and it is here.")),
            ),
            loading(*[placeholder("104px") for _row in range(3)]),
        ),
    )


def filled() -> rx.Component:
    """The items, and what they cost together."""
    return rx.el.div(
        rx.vstack(rx.foreach(CartState.rows, item), spacing="0", align="stretch"),
        summary(),
        class_name="cart-columns",
    )


def item(row: rx.Var[CartRow]) -> rx.Component:
    """A product in the cart."""
    return rx.el.article(
        rx.link(
            rx.image(src=row.picture, alt="", class_name="row-picture"), href="/product/" + row.slug
        ),
        rx.box(
            rx.link(row.name, href="/product/" + row.slug, class_name="row-name"),
            rx.text(row.price, size="2", color_scheme="gray"),
            rx.cond(
                row.quantity > row.stock,
                rx.badge(
                    _("{stock} in stock", stock=row.stock), color_scheme="orange", margin_top="6px"
                ),
            ),
            class_name="row-about",
        ),
        rx.hstack(
            step_button("minus", _("One fewer"), CartState.set_quantity(row.id, row.quantity - 1)),
            rx.text(row.quantity, class_name="stepper-value"),
            step_button(
                "plus",
                _("One more"),
                CartState.set_quantity(row.id, row.quantity + 1),
                disabled=row.quantity >= row.stock,
            ),
            class_name="stepper stepper-small",
        ),
        rx.text(row.subtotal, class_name="price row-price"),
        rx.icon_button(
            rx.icon("x", size=16),
            on_click=CartState.set_quantity(row.id, 0),
            variant="ghost",
            color_scheme="gray",
            aria_label=_("Take {name} out", name=row.name),
            class_name="row-remove",
        ),
        class_name="row",
        custom_attrs={"data-item": row.slug},
    )


def summary() -> rx.Component:
    """The total and the button."""
    return rx.box(
        rx.heading(
            _("Summary"),
            as_="h2",
            size="5",
            weight="medium",
            class_name="serif",
            margin_bottom="10px",
        ),
        amount(_("Items"), CartState.count.to_string()),
        amount(_("Delivery"), _("Free")),
        rx.separator(size="4", margin_y="12px"),
        amount(_("Total"), CartState.total, class_name="amount amount-total"),
        rx.cond(
            CartState.problem != "",
            rx.callout(
                CartState.problem,
                icon="triangle-alert",
                color_scheme="orange",
                size="1",
                margin_top="16px",
                role="alert",
            ),
        ),
        rx.button(
            rx.cond(
                CartState.step != "",
                rx.fragment(rx.spinner(size="2"), CartState.step + "…"),
                _("Place the order"),
            ),
            on_click=CartState.checkout,
            disabled=CartState.step != "",
            size="4",
            width="100%",
            margin_top="16px",
            custom_attrs={"data-testid": "checkout", "aria-live": "polite"},
        ),
        rx.text(
            _("This is a demo: nothing is charged, nothing is sent."),
            size="1",
            color_scheme="gray",
            text_align="center",
            margin_top="10px",
        ),
        class_name="panel summary",
    )


def amount(
    label: rx.Var[str], value: str | rx.Var[str], class_name: str = "amount"
) -> rx.Component:
    """A line of the summary."""
    return rx.hstack(rx.text(label), rx.spacer(), rx.text(value), class_name=class_name)


def empty() -> rx.Component:
    """The cart with nothing in it."""
    return notice(
        "shopping-bag",
        _("Nothing here yet"),
        _("What you put into your cart waits here for you, on every device you sign in on."),
        to_shop(_("Find something good")),
    )
