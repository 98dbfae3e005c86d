"""What customers do with their carts; each function is given the user it acts for."""

from decimal import Decimal

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from catalogue.models import Product
from orders.models import Cart, CartItem, Order, OrderLine

MAX_QUANTITY = 99
NOTHING = Decimal(0)


class CheckoutError(Exception):
    """An order that cannot be placed; the message is for the customer."""


class EmptyCart(CheckoutError):
    """There is nothing to order."""


class OutOfStock(CheckoutError):
    """There are fewer of a product than the cart asks for."""


def items_of(user: AbstractBaseUser) -> QuerySet[CartItem]:
    """Return what is in the user's cart; nobody's cart but theirs."""
    return CartItem.objects.filter(cart__user_id=user.pk).select_related("product")


@transaction.atomic
def add_to_cart(user: AbstractBaseUser, product: Product, quantity: int = 1) -> CartItem:
    """Put ``quantity`` more of ``product`` into the user's cart, as far as there is stock."""
    if not product.is_listed or product.stock < 1:
        msg = _("{product} is sold out.").format(product=product)
        raise OutOfStock(msg)
    cart, _created = Cart.objects.get_or_create(user_id=user.pk)
    item = cart.items.select_for_update().filter(product=product).first()
    item = item or CartItem(cart=cart, product=product, quantity=0)
    room = min(product.stock, MAX_QUANTITY) - item.quantity
    if room < 1:
        msg = _("All {stock} we have of {product} are in your cart already.")
        msg = msg.format(stock=product.stock, product=product)
        raise OutOfStock(msg)
    item.quantity += min(max(quantity, 1), room)
    item.save()
    return item


def set_quantity(user: AbstractBaseUser, item_id: int, quantity: int) -> None:
    """Set the quantity of an item of the user's own cart; less than one takes it out."""
    items = items_of(user).filter(pk=item_id)
    if quantity < 1:
        items.delete()
    else:
        items.update(quantity=min(quantity, MAX_QUANTITY))


@transaction.atomic
def place_order(user: AbstractBaseUser) -> Order:
    """Turn the user's cart into an order: all of it, or an error and nothing at all.

    Raises ``EmptyCart`` or ``OutOfStock``.
    """
    items = list(items_of(user).select_for_update(of=["self"]))
    if not items:
        msg = _("Your cart is empty.")
        raise EmptyCart(msg)
    order = Order.objects.create(user_id=user.pk)
    for item in items:
        take_from_stock(item.product, item.quantity)
        OrderLine.objects.create(
            order=order,
            product=item.product,
            name=item.product.name,
            unit_price=item.product.price,
            quantity=item.quantity,
        )
    items_of(user).filter(pk__in=[item.pk for item in items]).delete()
    return order


def take_from_stock(product: Product, quantity: int) -> None:
    """Take ``quantity`` off the shelf, or raise ``OutOfStock``.

    The condition is part of the UPDATE, so two customers cannot both take the last one.
    """
    on_shelf = Product.objects.filter(pk=product.pk, is_listed=True, stock__gte=quantity)
    if not on_shelf.update(stock=F("stock") - quantity):
        product.refresh_from_db(fields=["stock", "is_listed"])
        raise OutOfStock(_shortage(product, quantity))


def _shortage(product: Product, quantity: int) -> str:
    if product.stock == 0 or not product.is_listed:
        sold_out = _("{product} has just sold out. Take it out of your cart to order the rest.")
        return sold_out.format(product=product)
    short = _("You asked for {quantity} × {product}, and we have {stock} left.")
    return short.format(quantity=quantity, product=product, stock=product.stock)
