"""All orders, for staff: ``/staff/orders``."""

import re
from typing import TypedDict

import reflex as rx
from django.contrib import messages
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import BadRequest
from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from rxbridge.events.guards import permission_required
from rxbridge.state.crud import ModelCRUDConfig, crud_mixin
from rxbridge.state.live import LiveList

from accounts.state import PersonalState
from catalogue.money import euros
from orders.models import Order
from orders.services import NOTHING

PAGE_SIZE = 10
NUMBER = re.compile(r"\s*(?:KO-?)?0*([1-9]\d{0,8})\s*", re.IGNORECASE)


class TableRow(TypedDict):
    """An order, as a row of the table."""

    id: str
    number: str
    placed: str
    customer: str
    email: str
    total: str
    status: str
    status_name: str


def table_row(order: Order) -> TableRow:
    """Return ``order``, read with its customer and total, as a row."""
    customer = order.user
    return TableRow(
        id=str(order.pk),
        number=order.number,
        placed=date_format(order.placed, "SHORT_DATE_FORMAT"),
        customer=customer.get_full_name() or customer.get_username(),
        email=customer.email,
        total=euros(order.amount or NOTHING),
        status=order.status,
        status_name=order.get_status_display(),
    )


def with_totals(_user: AbstractBaseUser) -> QuerySet[Order]:
    """Return all orders; Django's permissions say who sees them."""
    return Order.objects.with_totals()


def never(_user: AbstractBaseUser, _order: Order) -> bool:
    """Refuse: orders are placed by customers, and stay."""
    return False


class OrderTable(
    crud_mixin(
        ModelCRUDConfig(
            model=Order,
            fields=["status"],
            list_fields=[
                "status",
                "placed",
                "user__username",
                "user__first_name",
                "user__last_name",
                "user__email",
            ],
            search_fields=["user__username", "user__first_name", "user__last_name", "user__email"],
            filter_fields={"status": "status", "number": "pk"},
            ordering_fields=["placed", "user__username"],
            ordering=["-placed"],
            page_size=PAGE_SIZE,
            permissions="model",  # orders.view_order to look, orders.change_order to change
            can_add=never,
            can_delete=never,
            queryset=with_totals,
            serialize=table_row,
        ),
        live=LiveList(Order),
    ),
    PersonalState,
):
    """The table; who may see and change orders is decided by Django's permissions."""

    rows: list[TableRow] = []
    text: str = ""
    loaded: bool = False

    @rx.event
    async def load(self) -> None:
        """Show the table, and from then on the page instead of its placeholders."""
        await super().load()
        self.loaded = True

    @rx.event
    async def look_for(self, text: str) -> None:
        """Find an order by its number, or orders by their customer."""
        self.text = text
        number = NUMBER.fullmatch(text)
        if number or "number" in self.filters:
            await super().filter_by("number", number[1] if number else "")
        await super().find("" if number else text.strip())

    @rx.event
    async def clear(self) -> None:
        """Show all orders again."""
        self.text = self.search = ""
        self.filters = {}
        await super().load()

    @rx.event
    @permission_required("orders.change_order")
    async def set_status(self, pk: str, seen: str, status: str) -> None:
        """Set an order's status, unless somebody else has since it was ``seen``."""
        if status not in Order.Status.values:
            raise BadRequest("there is no such status")
        await super().edit(pk)
        number, current = Order(pk=int(pk)).number, self.form_values["status"]
        if current == seen:
            await super().save({"status": status})
            now = _("{number} is now: {status}.")
            now = now.format(number=number, status=Order.Status(status).label)
            messages.success(self.request, now)
        else:
            await super().cancel()
            await super().load()
            now = _("{number} was set to “{status}” meanwhile. Look again before you change it.")
            now = now.format(number=number, status=Order.Status(current).label)
            messages.warning(self.request, now)
