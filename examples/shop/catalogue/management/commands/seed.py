"""`manage.py seed`: fill the shop for the demo."""

from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import AbstractUser
from django.core.management.base import BaseCommand
from django.db import transaction
from django.utils import timezone

from accounts.models import Ban
from catalogue.models import Category, Product
from catalogue.seed_data import ARTICLES, CUSTOMERS, ENTRIES, SHELVES, Article, Entry
from notes.models import Note
from orders.models import Order, OrderLine

PAST_ORDERS = [
    (46, Order.Status.DELIVERED, [("tidal-mug", 4), ("morrow-kettle", 1)]),
    (12, Order.Status.SHIPPED, [("field-notebook", 3), ("beacon-candle", 2)]),
]

OTHER_ORDERS = 34
SHIPPED_AFTER, DELIVERED_AFTER = 6, 20  # days


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
        staff = make_user("staff", "Sam", is_staff=True, is_superuser=True)
        Ban.objects.get_or_create(
            user=make_user("banned", "Alex"), defaults={"reason": "Haggled with the cat."}
        )
        if not demo.orders.exists():
            for order in PAST_ORDERS:
                make_order(demo, *order)
        if not get_user_model().objects.filter(username=CUSTOMERS[0][0]).exists():
            make_other_orders()
        if not demo.notes.exists():
            for entry in ENTRIES:
                make_note(demo, entry)
            make_note(staff, Entry(2, "Stock-taking", "Count the lamps first."))
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


def make_customer(username: str, first_name: str, last_name: str) -> AbstractUser:
    """Return a new user, who has no password and cannot sign in."""
    return get_user_model().objects.create(
        username=username,
        first_name=first_name,
        last_name=last_name,
        email=f"{username}@example.com",
        password=make_password(None),
    )


def make_other_orders() -> None:
    """Add what other customers bought."""
    users = [make_customer(*names) for names in CUSTOMERS]
    for number in range(OTHER_ORDERS):
        days_ago = 2 * number + 1
        bought = [(ARTICLES[(number + 5 * step) % len(ARTICLES)].slug, step) for step in (1, 2)]
        make_order(users[number * 5 % len(users)], days_ago, status_after(days_ago), bought)


def status_after(days: int) -> str:
    """Return where an order usually is by then."""
    if days < SHIPPED_AFTER:
        return Order.Status.PLACED
    return Order.Status.SHIPPED if days < DELIVERED_AFTER else Order.Status.DELIVERED


def make_note(user: AbstractUser, entry: Entry) -> None:
    """Add a note as it was written some days ago."""
    product = Product.objects.filter(slug=entry.slug).first()
    note = Note.objects.create(owner=user, title=entry.title, text=entry.text, product=product)
    changed = timezone.now() - timedelta(days=entry.days_ago)
    Note.objects.filter(pk=note.pk).update(changed=changed)


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
