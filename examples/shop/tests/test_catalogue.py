"""The catalogue, its API and the seed."""

from decimal import Decimal

from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import TestCase

from catalogue.models import Product
from catalogue.money import euros
from catalogue.state import stock_note
from notes.models import Note
from orders.models import Order


class SeededTestCase(TestCase):
    """Has what a fresh demo has."""

    @classmethod
    def setUpTestData(cls) -> None:
        """Seed once for the class."""
        call_command("seed", verbosity=0)


class SeedTests(SeededTestCase):
    """`manage.py seed`."""

    def test_seeding_again_adds_nothing_and_changes_nothing(self) -> None:
        Product.objects.filter(slug="tidal-mug").update(stock=3, price=Decimal(20))
        models = [Product, Order, Note, get_user_model()]
        before = [list(model.objects.values_list()) for model in models]
        call_command("seed", verbosity=0)
        self.assertEqual([list(model.objects.values_list()) for model in models], before)

    def test_the_lists_have_several_pages_and_every_status(self) -> None:
        self.assertGreater(Order.objects.count(), 3 * 10)
        self.assertGreater(Note.objects.filter(owner__username="demo").count(), 6)
        self.assertEqual(set(Order.objects.values_list("status", flat=True)), set(Order.Status))

    def test_every_product_has_its_picture(self) -> None:
        missing = [p.slug for p in Product.objects.all() if finders.find(p.picture) is None]
        self.assertEqual(missing, [])

    def test_the_accounts_can_sign_in(self) -> None:
        for name in ("demo", "staff", "banned"):
            with self.subTest(name):
                self.assertTrue(self.client.login(username=name, password=f"{name}-pass"))


class SearchTests(SeededTestCase):
    """`Product.objects.matching`."""

    def names(self, **asked: str) -> set[str]:
        """Return the slugs of what is found."""
        found = Product.objects.on_sale().matching(**asked)
        return set(found.values_list("slug", flat=True))

    def test_every_word_must_match_somewhere(self) -> None:
        self.assertEqual(self.names(text="copper glass"), {"ember-dripper"})

    def test_category_narrows_the_search(self) -> None:
        self.assertEqual(self.names(text="copper", category="light"), {"arc-lamp"})

    def test_unlisted_products_are_not_found(self) -> None:
        Product.objects.filter(slug="tidal-mug").update(is_listed=False)
        self.assertNotIn("tidal-mug", self.names())

    def test_wildcards_are_ordinary_characters(self) -> None:
        self.assertEqual(self.names(text="%"), set())


class ApiTests(SeededTestCase):
    """The JSON API."""

    def test_pages_together_hold_every_product_once(self) -> None:
        url, slugs = "/api/products/", []
        while url:
            page = self.client.get(url).json()
            slugs += [product["slug"] for product in page["results"]]
            url = page["next"]
        self.assertEqual(sorted(slugs), sorted(Product.objects.values_list("slug", flat=True)))

    def test_filters_stay_in_the_address_of_the_next_page(self) -> None:
        page = self.client.get("/api/products/", {"q": "a", "page": 1}).json()
        self.assertIn("q=a", page["next"])
        self.assertIn("page=2", page["next"])

    def test_price_is_a_decimal_string(self) -> None:
        product = self.client.get("/api/products/arc-lamp/").json()
        self.assertEqual((product["price"], product["in_stock"]), ("1240.00", False))

    def test_unknown_and_unlisted_products_are_404(self) -> None:
        Product.objects.filter(slug="tidal-mug").update(is_listed=False)
        for slug in ("nothing", "tidal-mug"):
            with self.subTest(slug):
                self.assertEqual(self.client.get(f"/api/products/{slug}/").status_code, 404)

    def test_only_reading_is_allowed(self) -> None:
        self.assertEqual(self.client.post("/api/products/").status_code, 405)


class TextTests(TestCase):
    """What customers read."""

    def test_amounts_have_two_places_and_groups(self) -> None:
        self.assertEqual(euros(Decimal("1240.5")), "€1,240.50")

    def test_stock_is_mentioned_only_when_it_matters(self) -> None:
        notes = [stock_note(stock) for stock in (0, 1, 3, 4)]
        self.assertEqual(notes, ["Sold out", "Only 1 left", "Only 3 left", ""])
