"""The cart and the orders of the user who is signed in."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.decorators import login_not_required
from django.db.models import Prefetch
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from rxbridge.events.guards import login_required

from accounts.access import open_to_banned
from accounts.models import EventCount
from accounts.state import PersonalState
from catalogue.models import Product
from catalogue.money import euros
from orders import services
from orders.models import Order, OrderLine

# Long enough for the eye to follow the steps of a checkout.
STEP_SECONDS = 0.6

# What loads a page is nothing the user did.
LOADING = r"\.(load|follow_user)$"


@dataclass
class CartRow:
    """An item of the cart, as the page shows it."""

    id: int
    slug: str
    name: str
    picture: str
    price: str
    subtotal: str
    quantity: int
    stock: int


@dataclass
class OrderRow:
    """A line of an order."""

    slug: str
    name: str
    picture: str
    quantity: int
    price: str


@dataclass
class OrderCard:
    """An order, as the page shows it."""

    number: str
    placed: str
    status: str
    status_name: str
    total: str
    rows: list[OrderRow] = field(default_factory=list)


@dataclass
class Activity:
    """How often the user fired a handler."""

    handler: str
    count: int


class CartState(PersonalState):
    """The signed-in user's cart; every query starts from that user."""

    rows: list[CartRow] = []
    count: int = 0
    total: str = ""
    loaded: bool = False
    step: str = ""
    problem: str = ""

    @rx.event
    @login_not_required
    def load(self) -> None:
        """Show the cart of whoever is signed in; a visitor has none."""
        self.problem = self.step = ""
        self._show()

    @rx.event
    @login_required
    def add(self, product_id: int, quantity: int = 1) -> rx.event.EventSpec:
        """Put a product into the cart."""
        product = Product.objects.on_sale().filter(pk=product_id).first()
        if product is None:
            return rx.toast.error(_("That product is not sold any more."))
        try:
            services.add_to_cart(self.user, product, quantity)
        except services.OutOfStock as error:
            return rx.toast.warning(str(error))
        self._show()
        return rx.toast.success(_("{product} is in your cart.").format(product=product))

    @rx.event
    @login_required
    def set_quantity(self, item_id: int, quantity: int) -> None:
        """Change how many of an item there are; none takes it out."""
        services.set_quantity(self.user, item_id, quantity)
        self.problem = ""
        self._show()

    @rx.event
    @login_required
    async def checkout(self) -> AsyncIterator[rx.event.EventSpec | None]:
        """Order what is in the cart, and say how far it is."""
        self.problem = ""
        self.step = _("Looking on the shelf")
        yield
        await asyncio.sleep(STEP_SECONDS)
        try:
            order = await sync_to_async(services.place_order)(self.user)
        except services.CheckoutError as error:
            self.problem = str(error)
        else:
            self.step = _("Wrapping it up")
            yield
            await asyncio.sleep(STEP_SECONDS)
            yield rx.redirect("/orders")
            thanks = _("Thank you! Order {number} is on its way.").format(number=order.number)
            yield rx.toast.success(thanks)
        self.step = ""
        await sync_to_async(self._show)()

    def _show(self) -> None:
        items = list(services.items_of(self.user))
        self.rows = [
            CartRow(
                id=item.pk,
                slug=item.product.slug,
                name=item.product.name,
                picture=item.product.picture_url,
                price=euros(item.product.price),
                subtotal=euros(item.subtotal),
                quantity=item.quantity,
                stock=item.product.stock,
            )
            for item in items
        ]
        self.count = sum(item.quantity for item in items)
        self.total = euros(sum((item.subtotal for item in items), start=services.NOTHING))
        self.loaded = True


class OrdersState(PersonalState):
    """The signed-in user's orders, and what the shop's middleware counted."""

    orders: list[OrderCard] = []
    activity: list[Activity] = []
    loaded: bool = False

    @rx.event
    @open_to_banned
    @login_required
    async def load(self) -> None:
        """Read the orders with Django's asynchronous ORM."""
        mine = Order.objects.filter(user_id=self.user.pk).with_totals()
        lines = Prefetch("lines", OrderLine.objects.select_related("product"))
        self.orders = [order_card(order) async for order in mine.prefetch_related(lines)]
        counts = EventCount.objects.filter(user_id=self.user.pk).exclude(handler__regex=LOADING)
        self.activity = [Activity(row.handler, row.count) async for row in counts]
        self.loaded = True


def order_card(order: Order) -> OrderCard:
    """Return ``order``, read with its lines and total, as the page shows it."""
    return OrderCard(
        number=order.number,
        placed=date_format(order.placed, "DATE_FORMAT"),
        status=order.status,
        status_name=order.get_status_display(),
        total=euros(order.amount or services.NOTHING),
        rows=[
            OrderRow(
                slug=line.product.slug,
                name=line.name,
                picture=line.product.picture_url,
                quantity=line.quantity,
                price=euros(line.unit_price),
            )
            for line in order.lines.all()
        ],
    )
