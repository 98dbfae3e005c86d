"""What customers put aside and what they bought."""

from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Sum
from django.utils.translation import gettext_lazy as _

from catalogue.models import Product


class Cart(models.Model):
    """What one user has put aside."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="cart"
    )
    updated = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-updated"]

    def __str__(self) -> str:
        return f"cart of {self.user}"


class CartItem(models.Model):
    """A product in a cart, and how many of it."""

    cart = models.ForeignKey(Cart, on_delete=models.CASCADE, related_name="items")
    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="+")
    quantity = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    added = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["added", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["cart", "product"], name="one_item_per_product"),
            models.CheckConstraint(condition=models.Q(quantity__gte=1), name="quantity_of_one"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.product}"

    @property
    def subtotal(self) -> Decimal:
        """The price of all of it."""
        return self.product.price * self.quantity


class OrderQuerySet(models.QuerySet["Order"]):
    """Orders with what a list of them shows."""

    def with_totals(self) -> "OrderQuerySet":
        """Add up each order in the database."""
        amount = Sum(F("lines__unit_price") * F("lines__quantity"))
        return self.annotate(amount=amount).order_by("-placed", "-pk")


class Order(models.Model):
    """A purchase; its lines keep name and price as they were."""

    class Status(models.TextChoices):
        """Where an order is."""

        PLACED = "placed", _("Placed")
        SHIPPED = "shipped", _("Shipped")
        DELIVERED = "delivered", _("Delivered")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders"
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.PLACED)
    placed = models.DateTimeField(auto_now_add=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        ordering = ["-placed", "-pk"]

    def __str__(self) -> str:
        return self.number

    @property
    def number(self) -> str:
        """The order's number, as customers read it."""
        return f"KO-{self.pk:05d}"


class OrderLine(models.Model):
    """A product that was bought."""

    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="order_lines")
    name = models.CharField(max_length=80)
    unit_price = models.DecimalField(max_digits=8, decimal_places=2)
    quantity = models.PositiveIntegerField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.quantity} × {self.name}"
