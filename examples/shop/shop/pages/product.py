"""One product: ``/product/[slug]``."""

import reflex as rx
from rxbridge.state import translated as _

from catalogue.state import ProductState
from orders.state import CartState
from shop.pages.catalogue import product_card
from shop.pages.layout import loading, notice, page, placeholder, to_shop

PRODUCT = ProductState.product


def product() -> rx.Component:
    """Show the product the address names."""
    return page(
        rx.cond(
            ProductState.is_loading,
            loading(product_placeholder()),
            rx.cond(PRODUCT.slug != "", found(), unknown()),
        )
    )


def found() -> rx.Component:
    """The product, and what stands beside it on the shelf."""
    return rx.fragment(
        breadcrumb(),
        rx.el.div(
            rx.box(
                rx.image(src=PRODUCT.picture, alt=PRODUCT.name, class_name="card-picture"),
                class_name="card-frame product-frame",
            ),
            about(),
            class_name="product-columns",
        ),
        rx.cond(ProductState.related.length() > 0, related()),
    )


def breadcrumb() -> rx.Component:
    """The way back to the shelf."""
    return rx.hstack(
        rx.link(_("Shop"), href="/", class_name="nav-link"),
        rx.icon("chevron-right", size=14, color="var(--gray-9)"),
        rx.link(
            PRODUCT.category, href="/?category=" + PRODUCT.category_slug, class_name="nav-link"
        ),
        align="center",
        spacing="2",
        margin_bottom="20px",
    )


def about() -> rx.Component:
    """What there is to know, and the button."""
    return rx.vstack(
        rx.text(PRODUCT.category, class_name="eyebrow"),
        rx.heading(PRODUCT.name, as_="h1", class_name="serif product-title", weight="medium"),
        rx.text(PRODUCT.tagline, size="4", color_scheme="gray"),
        rx.text(PRODUCT.price, size="6", weight="medium", class_name="price", margin_y="4px"),
        rx.text(PRODUCT.description, size="3", line_height="1.7", max_width="56ch"),
        rx.el.dl(
            fact(_("Material"), PRODUCT.material),
            fact(_("Size"), PRODUCT.dimensions),
            fact(_("Stock"), stock()),
            class_name="facts",
        ),
        rx.flex(
            quantity(),
            rx.button(
                rx.icon("shopping-bag", size=18),
                rx.cond(PRODUCT.in_stock, _("Add to cart"), _("Sold out")),
                on_click=CartState.add(PRODUCT.id, ProductState.quantity),
                disabled=~PRODUCT.in_stock,
                size="4",
                flex="1",
                custom_attrs={"data-testid": "add-to-cart"},
            ),
            spacing="3",
            width="100%",
            max_width="420px",
            margin_top="8px",
        ),
        align="start",
        spacing="3",
    )


def fact(term: rx.Var[str], description: rx.Var[str] | rx.Component) -> rx.Component:
    """One line of the details."""
    return rx.el.div(rx.el.dt(term), rx.el.dd(description))


def stock() -> rx.Component:
    """Whether there is any left."""
    return rx.cond(
        PRODUCT.in_stock,
        rx.cond(
            PRODUCT.note != "",
            rx.badge(PRODUCT.note, color_scheme="orange"),
            rx.badge(_("In stock"), color_scheme="grass"),
        ),
        rx.badge(_("Sold out"), color_scheme="gray"),
    )


def quantity() -> rx.Component:
    """How many to add."""
    return rx.hstack(
        step_button("minus", _("One fewer"), ProductState.change_quantity(-1)),
        rx.text(ProductState.quantity, class_name="stepper-value", aria_live="polite"),
        step_button("plus", _("One more"), ProductState.change_quantity(1)),
        class_name="stepper",
    )


def step_button(
    icon: str, label: rx.Var[str], event: rx.event.EventSpec, **props: object
) -> rx.Component:
    """Plus or minus."""
    return rx.el.button(
        rx.icon(icon, size=16), on_click=event, class_name="step", aria_label=label, **props
    )


def related() -> rx.Component:
    """What stands on the same shelf."""
    return rx.box(
        rx.heading(
            _("From the same shelf"),
            as_="h2",
            size="6",
            weight="medium",
            class_name="serif",
            margin_bottom="20px",
        ),
        rx.el.div(rx.foreach(ProductState.related, product_card), class_name="products"),
        margin_top=["48px", "72px"],
    )


def unknown() -> rx.Component:
    """The page of a product that does not exist."""
    return notice(
        "package-x",
        _("We do not have that"),
        _("There is no product at this address. It may have had another name, or never been made."),
        to_shop(_("See what we have")),
    )


def product_placeholder() -> rx.Component:
    """Where the product will be."""
    return rx.el.div(
        rx.box(class_name="placeholder card-frame product-frame"),
        rx.vstack(
            placeholder("14px", "20%"),
            placeholder("44px", "70%"),
            placeholder("20px", "50%"),
            placeholder("120px"),
            placeholder("48px", "60%"),
            spacing="5",
            justify="center",
        ),
        class_name="product-columns",
        margin_top="36px",
    )
