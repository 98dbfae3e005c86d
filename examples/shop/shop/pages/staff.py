"""The latest orders and the people behind them, for staff: ``/staff``."""

import reflex as rx
from rxbridge.state import staff_required_page
from rxbridge.state import translated as _

from shop.pages.layout import django_link, loading, notice, page, placeholder, title, to_shop
from shop.pages.orders import status
from shop.staff import Person, SoldOrder, StaffState


def waiting() -> rx.Component:
    """Placeholders for both lists."""
    return loading(placeholder("240px"), placeholder("240px"))


def not_staff() -> rx.Component:
    """What a customer sees."""
    return notice(
        "lock",
        _("For staff only"),
        _("This account may buy, and not look behind the counter."),
        to_shop(_("Back to the shop")),
    )


def staff() -> rx.Component:
    """Show the page to staff."""
    return page(title(_("Staff room"), _("What was sold, and to whom.")), room())


@staff_required_page(forbidden=not_staff(), pending=waiting())
def room() -> rx.Component:
    """Both lists."""
    return rx.cond(
        StaffState.loaded,
        rx.vstack(latest_orders(), people(), spacing="6", align="stretch"),
        waiting(),
    )


def latest_orders() -> rx.Component:
    """What was sold last."""
    return section(
        _("Latest orders"),
        rx.link(_("All orders"), href="/staff/orders", class_name="plain-link"),
        rx.foreach(StaffState.orders, sold),
        "staff-orders",
    )


def sold(order: rx.Var[SoldOrder]) -> rx.Component:
    """One order."""
    return rx.el.li(
        cell(order.number, order.placed),
        rx.text(order.customer, size="2", class_name="hide-small"),
        status(order.status, order.status_name),
        rx.text(order.total, weight="medium", class_name="price"),
    )


def people() -> rx.Component:
    """Who has an account."""
    return section(
        _("People"),
        django_link(_("All accounts"), href="/admin/auth/user/", class_name="plain-link"),
        rx.foreach(StaffState.people, person),
        "staff-people",
    )


def person(one: rx.Var[Person]) -> rx.Component:
    """One account, and the button that ends its sessions."""
    return rx.el.li(
        cell(one.username, one.email),
        rx.text(_("Orders: {count}", count=one.orders), size="2", class_name="hide-small"),
        rx.text(one.last_login, size="2", color_scheme="gray", class_name="hide-small"),
        rx.button(
            _("Sign out everywhere"),
            on_click=StaffState.sign_out_everywhere(one.id),
            variant="soft",
            color_scheme="tomato",
            size="1",
            custom_attrs={"data-testid": "staff-sign-out-" + one.username},
        ),
    )


def section(
    heading: rx.Var[str], link: rx.Component, rows: rx.Component, class_name: str
) -> rx.Component:
    """A list with a heading, and the way to all of it in the admin."""
    return rx.el.section(
        rx.hstack(
            rx.heading(heading, as_="h2", size="5", weight="medium", class_name="serif"),
            rx.spacer(),
            rx.text(link, size="2"),
            align="baseline",
        ),
        rx.el.ul(rows, class_name=f"staff-list {class_name}"),
        class_name="panel",
    )


def cell(name: rx.Var[str], note: rx.Var[str]) -> rx.Component:
    """Two lines at the beginning of a row."""
    return rx.box(
        rx.text(name, weight="medium"),
        rx.text(note, size="1", color_scheme="gray", class_name="cut-short"),
    )
