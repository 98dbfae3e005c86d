"""All orders, for staff: ``/staff/orders``."""

import reflex as rx
from rxbridge.state import DjangoUserState, permission_required_page
from rxbridge.state import translated as _

from orders.staff import OrderTable, TableRow
from shop.pages.layout import direction, django_link, loading, notice, page, placeholder, title
from shop.pages.lists import pager, pill, search_box
from shop.pages.orders import status
from shop.pages.staff import not_staff

STATUSES = [("placed", _("Placed")), ("shipped", _("Shipped")), ("delivered", _("Delivered"))]


def order_table() -> rx.Component:
    """Show the page to who may see orders."""
    return page(title(_("All orders"), _("Look one up, and say where it is.")), table_page())


def waiting() -> rx.Component:
    """A placeholder for the table."""
    return loading(placeholder("44px"), placeholder("480px", radius="18px"))


@permission_required_page("orders.view_order", forbidden=not_staff(), pending=waiting())
def table_page() -> rx.Component:
    """The table, and the ways to find something in it."""
    return rx.cond(
        OrderTable.loaded,
        rx.fragment(
            rx.el.div(statuses(), search(), class_name="toolbar"),
            rx.cond(OrderTable.total > 0, found(), nothing_found()),
        ),
        waiting(),
    )


def statuses() -> rx.Component:
    """The filter by status."""
    asked = OrderTable.filters.get("status", "")
    return rx.el.div(
        pill(_("All"), asked == "", OrderTable.filter_by("status", "")),
        *[
            pill(name, asked == code, OrderTable.filter_by("status", code))
            for code, name in STATUSES
        ],
        class_name="filters",
    )


def search() -> rx.Component:
    """Search by number or customer."""
    return search_box(
        _("Number, name or e-mail"),
        value=OrderTable.text,
        on_change=OrderTable.look_for,
        max_length=200,
    )


def nothing_found() -> rx.Component:
    """What to do when no order is left."""
    return notice(
        "search-x",
        _("No such order"),
        _("Nothing matches. Look for a number such as KO-00012, or for a customer."),
        rx.button(_("Show all orders"), size="3", on_click=OrderTable.clear),
    )


def found() -> rx.Component:
    """The orders that were asked for."""
    return rx.fragment(
        rx.el.div(
            rx.el.table(
                rx.el.thead(
                    rx.el.tr(
                        rx.el.th(_("Number"), scope="col"),
                        sorted_by(_("Date"), "placed", downwards=True),
                        sorted_by(_("Customer"), "user__username", downwards=False),
                        rx.el.th(_("Total"), scope="col", class_name="price"),
                        rx.el.th(_("Status"), scope="col"),
                    )
                ),
                rx.el.tbody(rx.foreach(OrderTable.rows, row)),
                class_name="table",
            ),
            class_name="panel table-frame",
        ),
        rx.flex(
            rx.text(_("Orders: {count}", count=OrderTable.total), size="2", color_scheme="gray"),
            rx.spacer(),
            pager(OrderTable),
            align="center",
            wrap="wrap",
            class_name="table-foot",
        ),
    )


def sorted_by(label: rx.Var[str], field: str, *, downwards: bool) -> rx.Component:
    """A heading that orders by its column, and turns the order round when pressed again."""
    first, second = (f"-{field}", field) if downwards else (field, f"-{field}")
    ordering = rx.cond(OrderTable.ordering == "", "-placed", OrderTable.ordering)
    return rx.el.th(
        rx.el.button(
            label,
            rx.match(
                ordering,
                (field, rx.icon("arrow-up", size=14)),
                (f"-{field}", rx.icon("arrow-down", size=14)),
                rx.icon("arrow-up-down", size=14, class_name="unsorted"),
            ),
            on_click=OrderTable.order_by(rx.cond(ordering == first, second, first)),
            class_name="sort",
        ),
        scope="col",
        custom_attrs={
            "aria-sort": rx.match(
                ordering, (field, "ascending"), (f"-{field}", "descending"), "none"
            )
        },
    )


def row(order: rx.Var[TableRow]) -> rx.Component:
    """One order."""
    return rx.el.tr(
        rx.el.td(
            django_link(
                order["number"],
                href="/admin/orders/order/" + order["id"] + "/change/",
                class_name="row-name",
            ),
        ),
        rx.el.td(order["placed"]),
        rx.el.td(
            rx.text(order["customer"], weight="medium"),
            rx.text(order["email"], size="1", color_scheme="gray", class_name="cut-short"),
        ),
        rx.el.td(order["total"], class_name="price"),
        rx.el.td(
            rx.cond(
                DjangoUserState.perms.contains("orders.change_order"),
                choose_status(order),
                status(order["status"], order["status_name"]),
            )
        ),
        key=order["id"],
        custom_attrs={"data-order": order["number"]},
    )


def choose_status(order: rx.Var[TableRow]) -> rx.Component:
    """The status, for who may change it."""
    colour = rx.match(order["status"], ("placed", "orange"), ("shipped", "blue"), "grass")
    return rx.select.root(
        rx.select.trigger(
            variant="soft",
            radius="full",
            color_scheme=colour,
            custom_attrs={"aria-label": _("Status of {number}", number=order["number"])},
        ),
        rx.select.content(
            *[rx.select.item(name, value=code) for code, name in STATUSES], **direction()
        ),
        value=order["status"],
        on_change=lambda chosen: OrderTable.set_status(order["id"], order["status"], chosen),
    )
