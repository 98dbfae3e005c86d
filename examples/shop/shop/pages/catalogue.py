"""The catalogue: everything the shop sells, by shelf or by word."""

import reflex as rx
from rxbridge.state import translated as _

from catalogue.state import CatalogueState, ProductCard, Shelf
from orders.state import CartState
from shop.pages.layout import loading, notice, page, placeholder
from shop.pages.lists import search_box


def catalogue() -> rx.Component:
    """Show the shelves and what is on them."""
    return page(
        hero(),
        rx.el.div(
            filters(),
            search_box(
                _("Search the shop"),
                value=CatalogueState.text,
                on_change=CatalogueState.search,
            ),
            class_name="toolbar",
        ),
        rx.cond(
            CatalogueState.loaded,
            rx.cond(CatalogueState.products.length() > 0, found(), nothing_found()),
            loading(rx.el.div(*[card_placeholder() for _card in range(8)], class_name="products")),
        ),
    )


def hero() -> rx.Component:
    """A few words of welcome."""
    return rx.box(
        rx.heading(
            _("Good things for slow mornings."),
            as_="h1",
            class_name="serif hero-title",
            weight="medium",
        ),
        rx.text(
            _("Pottery, light and paper from small workshops, made to be used every day."),
            size="4",
            color_scheme="gray",
            margin_top="10px",
        ),
        padding_y=["8px", "16px", "24px"],
        margin_bottom=["20px", "28px"],
    )


def filters() -> rx.Component:
    """One link for each shelf; the address says which is open."""
    return rx.el.nav(
        shelf_link(_("All"), "/", CatalogueState.category == ""),
        rx.foreach(CatalogueState.shelves, shelf_filter),
        class_name="filters",
        aria_label=_("Shelves"),
    )


def shelf_filter(shelf: rx.Var[Shelf]) -> rx.Component:
    """The link of one shelf."""
    return shelf_link(shelf.name, "/?category=" + shelf.slug, CatalogueState.category == shelf.slug)


def shelf_link(name: rx.Var[str], href: str | rx.Var[str], is_open: rx.Var[bool]) -> rx.Component:
    """A pill, filled when it is the one that is open."""
    return rx.link(
        name,
        href=href,
        class_name=rx.cond(is_open, "pill pill-on", "pill"),
        custom_attrs={"aria-current": rx.cond(is_open, "true", "false")},
    )


def found() -> rx.Component:
    """The products that were asked for."""
    return rx.el.div(rx.foreach(CatalogueState.products, product_card), class_name="products")


def nothing_found() -> rx.Component:
    """What to do when no product has these words."""
    return notice(
        "search-x",
        _("Nothing on the shelves"),
        rx.cond(
            CatalogueState.text != "",
            _("No product matches “{text}”. Try another word.", text=CatalogueState.text),
            _("There is nothing here at the moment."),
        ),
        rx.button(_("Show everything"), size="3", on_click=CatalogueState.clear),
    )


def product_card(product: rx.Var[ProductCard]) -> rx.Component:
    """A product, with a button that puts it into the cart."""
    return rx.el.article(
        rx.link(
            rx.box(
                rx.image(src=product.picture, alt="", loading="lazy", class_name="card-picture"),
                rx.cond(product.note != "", rx.el.span(product.note, class_name="card-note")),
                class_name=rx.cond(product.in_stock, "card-frame", "card-frame sold-out"),
            ),
            rx.text(product.category, class_name="eyebrow", margin_top="14px"),
            rx.heading(product.name, as_="h2", size="4", weight="medium", class_name="card-name"),
            href="/product/" + product.slug,
            underline="none",
            class_name="card-link",
        ),
        rx.text(product.tagline, size="2", color_scheme="gray", class_name="card-tagline"),
        rx.hstack(
            rx.text(product.price, size="3", weight="medium", class_name="price"),
            rx.spacer(),
            rx.icon_button(
                rx.icon("plus", size=18),
                on_click=CartState.add(product.id, 1),
                disabled=~product.in_stock,
                variant="soft",
                radius="full",
                size="2",
                aria_label=_("Add {name} to the cart", name=product.name),
            ),
            align="center",
            margin_top="auto",
            padding_top="10px",
        ),
        class_name="card",
        custom_attrs={"data-product": product.slug},
    )


def card_placeholder() -> rx.Component:
    """Where a card will be."""
    return rx.vstack(
        rx.box(class_name="placeholder card-frame"),
        placeholder("14px", "40%"),
        placeholder("18px", "80%"),
        placeholder("14px", "60%"),
        spacing="3",
        align="stretch",
    )
