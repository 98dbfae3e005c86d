"""What staff see at a glance: ``/staff``."""

from dataclasses import dataclass
from datetime import datetime

import reflex as rx
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db.models import Count
from django.shortcuts import aget_object_or_404
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from rxbridge.events.guards import staff_required

from accounts.state import PersonalState
from catalogue.money import euros
from orders.models import Order
from orders.services import NOTHING
from shop.sockets import sessions

FEW = 8


@dataclass
class SoldOrder:
    """An order, as staff see it."""

    number: str
    customer: str
    placed: str
    status: str
    status_name: str
    total: str


@dataclass
class Person:
    """An account, as staff see it."""

    id: int
    username: str
    email: str
    orders: int
    last_login: str


class StaffState(PersonalState):
    """The latest orders, and everybody with an account."""

    orders: list[SoldOrder] = []
    people: list[Person] = []
    loaded: bool = False

    @rx.event
    @staff_required
    def load(self) -> None:
        """Read what there is, for staff only: the guard is here, and not on the page alone."""
        latest = Order.objects.with_totals().select_related("user")[:FEW]
        self.orders = [sold_order(order) for order in latest]
        users = get_user_model().objects.annotate(order_count=Count("orders"))
        self.people = [person(user) for user in users.order_by("-last_login", "username")[:FEW]]
        self.loaded = True

    @rx.event
    @staff_required
    async def sign_out_everywhere(self, user_id: int) -> rx.event.EventSpec:
        """End all sessions of a user; their open pages notice within a second."""
        user = await aget_object_or_404(get_user_model(), pk=user_id)
        await sessions.revoker.disconnect(user=user)
        return rx.toast.success(_("{name} is signed out everywhere.").format(name=user))


def sold_order(order: Order) -> SoldOrder:
    """Return ``order``, read with its user and total, as the page shows it."""
    return SoldOrder(
        number=order.number,
        customer=order.user.get_username(),
        placed=date_format(order.placed, "SHORT_DATE_FORMAT"),
        status=order.status,
        status_name=order.get_status_display(),
        total=euros(order.amount or NOTHING),
    )


def person(user: AbstractUser) -> Person:
    """Return ``user``, read with the number of orders, as the page shows it."""
    return Person(
        id=user.pk,
        username=user.get_username(),
        email=user.email,
        orders=user.order_count,
        last_login=signed_in(user.last_login),
    )


def signed_in(when: datetime | None) -> str:
    """Return when a user signed in last, in words."""
    if when is None:
        return _("never signed in")
    return _("signed in {ago}").format(ago=naturaltime(when))
