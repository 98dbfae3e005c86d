"""The pages' handlers, fired through the whole middleware chain as a browser would."""

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import TransactionTestCase
from rxbridge.testing import EventClient

from accounts.models import EventCount
from catalogue.models import Product
from catalogue.state import CatalogueState, ProductState
from orders.models import CartItem, Order
from orders.state import CartState, OrdersState
from shop.ui import app

User = get_user_model()


class PageTests(TransactionTestCase):
    """What a visitor, a customer and a banned user can do."""

    def setUp(self) -> None:
        """Seed: events run on threads of their own, which see only what is committed."""
        call_command("seed", verbosity=0)
        self.mug = Product.objects.get(slug="tidal-mug")
        self.demo, self.banned = (User.objects.get(username=name) for name in ("demo", "banned"))

    async def test_the_address_chooses_the_shelf(self) -> None:
        async with EventClient(app) as tab:
            await tab.load("/", query="category=light")
            names = [product.name for product in (await tab.state(CatalogueState)).products]
        self.assertEqual(names, ["Arc Floor Lamp", "Beacon Candle", "Moon Lamp"])

    async def test_a_product_has_a_page_of_its_own(self) -> None:
        async with EventClient(app) as tab:
            await tab.load("/product/tidal-mug")
            self.assertEqual((await tab.state(ProductState)).product.name, "Tidal Mug")
            await tab.load("/product/no-such-thing")
            state = await tab.state(ProductState)
        self.assertEqual((state.product.slug, state.is_loading), ("", False))

    async def test_a_visitor_is_asked_to_sign_in_and_comes_back(self) -> None:
        async with EventClient(app) as tab:
            await tab.load("/product/tidal-mug")
            fired = await tab.fire(CartState.add(self.mug.pk, 1))
        self.assertEqual(fired.redirect, "/login?next=/product/tidal-mug")
        self.assertFalse(await CartItem.objects.aexists())

    async def test_adding_writes_a_row_of_the_user(self) -> None:
        async with EventClient(app, user=self.demo) as tab:
            await tab.load("/")
            fired = await tab.fire(CartState.add(self.mug.pk, 2))
            self.assertEqual((await tab.state(CartState)).count, 2)
        self.assertEqual(len(fired.toasts), 1)
        item = await CartItem.objects.select_related("cart").aget()
        self.assertEqual((item.cart.user_id, item.quantity), (self.demo.pk, 2))

    async def test_a_banned_user_sees_the_goods_and_cannot_buy(self) -> None:
        async with EventClient(app, user=self.banned) as tab:
            await tab.load("/")
            self.assertTrue((await tab.state(CatalogueState)).products)
            await tab.navigate("/orders")
            self.assertTrue((await tab.state(OrdersState)).loaded)
            fired = await tab.fire(CartState.add(self.mug.pk, 1))
        self.assertEqual(len(fired.toasts), 1)
        self.assertFalse(await CartItem.objects.aexists())

    async def test_checkout_orders_and_says_how_far_it_is(self) -> None:
        async with EventClient(app, user=self.demo) as tab:
            await tab.load("/cart")
            await tab.fire(CartState.add(self.mug.pk, 1))
            fired = await tab.fire(CartState.checkout)
            await tab.load("/orders")
            numbers = [order.number for order in (await tab.state(OrdersState)).orders]
        self.assertEqual(fired.redirect, "/orders")
        newest = await Order.objects.afirst()
        self.assertEqual(numbers[0], newest.number)

    async def test_checkout_says_what_is_out_of_stock(self) -> None:
        async with EventClient(app, user=self.demo) as tab:
            await tab.load("/cart")
            await tab.fire(CartState.add(self.mug.pk, 1))
            await Product.objects.aupdate(stock=0)
            await tab.fire(CartState.checkout)
            state = await tab.state(CartState)
        self.assertIn("Tidal Mug has just sold out", state.problem)
        self.assertEqual((state.step, state.count), ("", 1))

    async def test_the_middleware_counts_what_the_user_did(self) -> None:
        async with EventClient(app, user=self.demo) as tab:
            await tab.load("/")
            await tab.fire(CartState.add(self.mug.pk, 1))
            await tab.fire(CartState.add(self.mug.pk, 1))
        counted = await EventCount.objects.aget(user=self.demo, handler="CartState.add")
        self.assertEqual(counted.count, 2)
