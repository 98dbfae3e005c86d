"""Carts and checkout."""

from decimal import Decimal
from threading import Barrier, Thread

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import TestCase, TransactionTestCase

from catalogue.models import Category, Product
from orders import services
from orders.models import CartItem, Order

User = get_user_model()


def make_product(name: str = "Mug", *, stock: int = 5, price: str = "24.00") -> Product:
    """Return a product on a shelf of its own."""
    shelf, _ = Category.objects.get_or_create(name="Brew", slug="brew")
    return Product.objects.create(
        category=shelf, name=name, slug=name.lower(), price=Decimal(price), stock=stock
    )


class CartTests(TestCase):
    """`add_to_cart` and `set_quantity`."""

    def setUp(self) -> None:
        """Make two customers and a product."""
        self.robin, self.alex = (User.objects.create_user(name) for name in ("robin", "alex"))
        self.mug = make_product()

    def quantity(self, user: User) -> int:
        """Return how much is in the user's cart."""
        return sum(item.quantity for item in services.items_of(user))

    def test_adding_twice_adds_up(self) -> None:
        services.add_to_cart(self.robin, self.mug)
        services.add_to_cart(self.robin, self.mug, 2)
        self.assertEqual((self.quantity(self.robin), CartItem.objects.count()), (3, 1))

    def test_a_cart_belongs_to_its_user(self) -> None:
        services.add_to_cart(self.robin, self.mug)
        self.assertEqual(self.quantity(self.alex), 0)

    def test_no_more_than_the_stock_can_be_added(self) -> None:
        services.add_to_cart(self.robin, self.mug, 99)
        self.assertEqual(self.quantity(self.robin), 5)
        with self.assertRaisesMessage(services.OutOfStock, "All 5"):
            services.add_to_cart(self.robin, self.mug)

    def test_a_claimed_quantity_below_one_adds_one(self) -> None:
        services.add_to_cart(self.robin, self.mug, -4)
        self.assertEqual(self.quantity(self.robin), 1)

    def test_what_is_sold_out_or_unlisted_cannot_be_added(self) -> None:
        for change in ({"stock": 0}, {"stock": 5, "is_listed": False}):
            with self.subTest(change), self.assertRaises(services.OutOfStock):
                Product.objects.update(**change)
                services.add_to_cart(self.robin, Product.objects.get())

    def test_another_users_item_cannot_be_changed(self) -> None:
        item = services.add_to_cart(self.robin, self.mug)
        services.set_quantity(self.alex, item.pk, 5)
        services.set_quantity(self.alex, item.pk, 0)
        self.assertEqual(self.quantity(self.robin), 1)

    def test_a_quantity_of_none_takes_the_item_out(self) -> None:
        item = services.add_to_cart(self.robin, self.mug)
        services.set_quantity(self.robin, item.pk, 0)
        self.assertFalse(CartItem.objects.exists())


class CheckoutTests(TestCase):
    """`place_order`."""

    def setUp(self) -> None:
        """Make a customer with two products in the cart."""
        self.robin = User.objects.create_user("robin")
        self.mug, self.lamp = make_product(), make_product("Lamp", stock=2, price="129.50")
        services.add_to_cart(self.robin, self.mug, 2)
        services.add_to_cart(self.robin, self.lamp)

    def test_an_order_takes_stock_and_empties_the_cart(self) -> None:
        order = services.place_order(self.robin)
        self.assertEqual(Order.objects.with_totals().get(pk=order.pk).amount, Decimal("177.50"))
        stock = Product.objects.order_by("name").values_list("name", "stock")
        self.assertEqual(list(stock), [("Lamp", 1), ("Mug", 3)])
        self.assertFalse(services.items_of(self.robin).exists())

    def test_a_shortage_leaves_everything_as_it_was(self) -> None:
        Product.objects.filter(pk=self.lamp.pk).update(stock=0)
        with self.assertRaisesMessage(services.OutOfStock, "Lamp has just sold out"):
            services.place_order(self.robin)
        self.mug.refresh_from_db()
        self.assertEqual((self.mug.stock, Order.objects.count()), (5, 0))
        self.assertEqual(services.items_of(self.robin).count(), 2)

    def test_a_shortage_says_how_many_are_left(self) -> None:
        Product.objects.filter(pk=self.mug.pk).update(stock=1)
        with self.assertRaisesMessage(services.OutOfStock, "2 × Mug, and we have 1 left"):
            services.place_order(self.robin)

    def test_an_order_keeps_the_price_of_the_day(self) -> None:
        order = services.place_order(self.robin)
        Product.objects.update(price=Decimal("999.00"))
        self.assertEqual(Order.objects.with_totals().get(pk=order.pk).amount, Decimal("177.50"))

    def test_an_empty_cart_cannot_be_ordered(self) -> None:
        with self.assertRaises(services.EmptyCart):
            services.place_order(User.objects.create_user("alex"))


class RaceTests(TransactionTestCase):
    """Two customers at once, each on a connection of their own."""

    def test_the_last_one_is_sold_once(self) -> None:
        lamp = make_product("Lamp", stock=1)
        users = [User.objects.create_user(name) for name in ("robin", "alex")]
        for user in users:
            services.add_to_cart(user, lamp)
        together, results = Barrier(2), []

        def buy(user: User) -> None:
            together.wait()
            try:
                results.append(services.place_order(user).user_id)
            except services.OutOfStock:
                results.append(None)
            finally:
                connection.close()

        threads = [Thread(target=buy, args=[user]) for user in users]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lamp.refresh_from_db()
        self.assertEqual((results.count(None), lamp.stock, Order.objects.count()), (1, 0, 1))
