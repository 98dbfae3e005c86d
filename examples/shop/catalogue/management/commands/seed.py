"""`manage.py seed`: fill the shop for the demo."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from accounts.models import Ban
from catalogue.models import Category, Product
from catalogue.seed_data import ARTICLES, SHELVES, Article
from orders.models import Order, OrderLine

PAST_ORDERS = [
    (46, Order.Status.DELIVERED, [("tidal-mug", 4), ("morrow-kettle", 1)]),
    (12, Order.Status.SHIPPED, [("field-notebook", 3), ("beacon-candle", 2)]),
]


class Command(BaseCommand):
    """Add the demo's products, accounts and orders; what is there already stays as it is."""

    help = __doc__

    @transaction.atomic
    def handle(self, *, verbosity: int, **_options: Any) -> None:
        """Seed the database; running it again adds nothing."""
        for position, shelf in enumerate(SHELVES):
            Category.objects.get_or_create(
                slug=shelf.slug, defaults={"name": shelf.name, "position": position}
            )
        for article in ARTICLES:
            make_product(article)
        demo = make_user("demo", "Robin")
        make_user("staff", "Sam", is_staff=True, is_superuser=True)
        Ban.objects.get_or_create(
            user=make_user("banned", "Alex"), defaults={"reason": "Haggled with the cat."}
        )
        if not demo.orders.exists():
            for order in PAST_ORDERS:
                make_order(demo, *order)
        if verbosity:
            self.report()

    def report(self) -> None:
        """Say what there is now."""
        self.stdout.write(
            f"{Product.objects.count()} products, {Order.objects.count()} orders, "
            f"{get_user_model().objects.count()} users."
        )


def make_product(article: Article) -> None:
    """Put ``article`` on its shelf, unless it is there."""
    fields = article._asdict()
    fields["category"] = Category.objects.get(slug=fields.pop("shelf"))
    fields["picture"] = f"catalogue/{article.slug}.svg"
    Product.objects.get_or_create(slug=fields.pop("slug"), defaults=fields)


def make_user(username: str, first_name: str, **flags: bool) -> AbstractUser:
    """Return the user of that name; a new one gets the password ``<username>-pass``."""
    user, created = get_user_model().objects.get_or_create(
        username=username,
        defaults={"first_name": first_name, "email": f"{username}@example.com", **flags},
    )
    if created:
        user.set_password(f"{username}-pass")
        user.save(update_fields=["password"])
    return user


def make_order(
    user: AbstractUser, days_ago: int, status: str, lines: list[tuple[str, int]]
) -> None:
    """Add an order as it was placed ``days_ago``."""
    order = Order.objects.create(user=user, status=status)
    Order.objects.filter(pk=order.pk).update(placed=timezone.now() - timedelta(days=days_ago))
    for slug, quantity in lines:
        product = Product.objects.get(slug=slug)
        OrderLine.objects.create(
            order=order,
            product=product,
            name=product.name,
            unit_price=product.price,
            quantity=quantity,
        )
