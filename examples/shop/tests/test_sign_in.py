"""Signing in and out by events, and who may see what."""

import re

from django.contrib.auth import SESSION_KEY, get_user_model
from django.core import mail
from django.core.management import call_command
from django.test import Client, TransactionTestCase
from django.urls import reverse
from rxbridge.state import DjangoUserState
from rxbridge.testing import EventClient

from accounts.state import Auth, PersonalState
from catalogue.models import Product
from orders.services import add_to_cart
from orders.state import CartState, OrdersState
from shop.staff import StaffState
from shop.ui import app

User = get_user_model()
DEMO = {"username": "demo", "password": "demo-pass"}


class AccountsTestCase(TransactionTestCase):
    """Has the demo's accounts, committed: events run on threads of their own."""

    def setUp(self) -> None:
        """Seed, and put something into the customer's cart."""
        call_command("seed", verbosity=0)
        self.demo, self.staff = (User.objects.get(username=name) for name in ("demo", "staff"))
        add_to_cart(self.demo, Product.objects.get(slug="tidal-mug"))

    async def username(self, tab: EventClient) -> str:
        """Return who the header says is signed in."""
        return (await tab.state(DjangoUserState)).username


class SignInTests(AccountsTestCase):
    """The forms at ``/login``, ``/register`` and ``/password/reset``."""

    async def test_a_visitor_signs_in_and_comes_back_to_the_orders(self) -> None:
        async with EventClient(app) as tab:
            self.assertEqual((await tab.load("/orders")).redirect, "/login?next=/orders")
            await tab.navigate("/login", query="next=/orders")
            fired = await tab.fire(Auth.login, form_data=DEMO)
            self.assertEqual((fired.redirect, await self.username(tab)), ("/orders", "demo"))
            await tab.navigate("/orders")
            self.assertEqual(len((await tab.state(OrdersState)).orders), 2)
            self.assertEqual((await tab.state(CartState)).count, 1)

    async def test_signing_out_leaves_nothing_of_the_user_in_the_tab(self) -> None:
        async with EventClient(app, user=self.demo) as tab:
            await tab.load("/orders")
            fired = await tab.fire(PersonalState.sign_out)
            self.assertEqual((fired.redirect, await self.username(tab)), ("/", ""))
            self.assertEqual((await tab.state(OrdersState)).orders, [])
            self.assertEqual((await tab.state(CartState)).count, 0)

    async def test_another_user_of_the_tab_does_not_find_what_the_first_left(self) -> None:
        async with EventClient(app, user=self.demo) as tab:
            await tab.load("/orders")
            await tab.navigate("/login")
            await tab.fire(Auth.login, form_data={"username": "staff", "password": "staff-pass"})
            await tab.navigate("/")
            self.assertEqual(await self.username(tab), "staff")
            self.assertEqual((await tab.state(OrdersState)).orders, [])

    async def test_a_banned_user_can_sign_out(self) -> None:
        async with EventClient(app, user=await User.objects.aget(username="banned")) as tab:
            await tab.load("/")
            await tab.fire(PersonalState.sign_out)
            self.assertEqual(await self.username(tab), "")

    async def test_who_registers_is_signed_in(self) -> None:
        form = {
            "username": "robin",
            "email": "robin@example.com",
            "password1": "walnut-kiln-7",
            "password2": "walnut-kiln-7",
        }
        async with EventClient(app) as tab:
            await tab.load("/register")
            fired = await tab.fire(Auth.register, form_data={**form, "is_staff": "on"})
            self.assertEqual((fired.redirect, await self.username(tab)), ("/", "robin"))
        robin = await User.objects.aget(username="robin")
        self.assertEqual((robin.email, robin.is_staff), ("robin@example.com", False))

    async def test_a_forgotten_password_is_replaced_by_the_link_in_the_mail(self) -> None:
        async with EventClient(app) as tab:
            await tab.load("/password/reset")
            form = {"email": "demo@example.com"}
            await tab.fire(Auth.request_password_reset, form_data=form)
            self.assertEqual(mail.outbox[0].subject, "Password reset on Kiln & Oak")
            query = re.search(r"/password/reset/confirm\?(\S+)", mail.outbox[0].body)[1]
            await tab.load("/password/reset/confirm", query=query)
            form = {"new_password1": "walnut-kiln-7", "new_password2": "walnut-kiln-7"}
            await tab.fire(Auth.confirm_password_reset, form_data=form)
            self.assertEqual((await tab.state(Auth)).reset_link, "done")
        demo = await User.objects.aget(username="demo")
        self.assertTrue(await demo.acheck_password("walnut-kiln-7"))


class StaffTests(AccountsTestCase):
    """The staff room, and signing others out."""

    async def test_staff_see_orders_and_people(self) -> None:
        async with EventClient(app, user=self.staff) as tab:
            await tab.load("/staff")
            state = await tab.state(StaffState)
        self.assertEqual([order.customer for order in state.orders][:3], ["ida", "oscar", "marta"])
        self.assertIn("demo", [person.username for person in state.people])

    async def test_customers_and_visitors_are_told_nothing(self) -> None:
        for user in (self.demo, None):
            with self.subTest(user):
                async with EventClient(app, user=user) as tab:
                    await tab.load("/staff")
                    fired = await tab.fire(StaffState.sign_out_everywhere(self.staff.pk))
                    state = await tab.state(StaffState)
                self.assertEqual((state.orders, state.people), ([], []))
                self.assertTrue(fired.toasts or fired.redirect == "/login?next=/staff")

    async def test_staff_sign_a_customer_out_everywhere(self) -> None:
        async with EventClient(app, user=self.staff) as staff, staff.tab(user=self.demo) as demo:
            await demo.load("/")
            self.assertEqual(await self.username(demo), "demo")
            await staff.load("/staff")
            await staff.fire(StaffState.sign_out_everywhere(self.demo.pk))
            await demo.load("/")
            self.assertEqual(await self.username(demo), "")
            self.assertEqual(await self.username(staff), "staff")

    def test_the_admin_signs_out_too(self) -> None:
        customer = Client()
        customer.force_login(self.demo)
        self.client.force_login(self.staff)
        self.client.post(
            reverse("admin:auth_user_changelist"),
            {"action": "sign_out_everywhere", "_selected_action": [self.demo.pk]},
        )
        self.assertNotIn(SESSION_KEY, customer.session)
        self.assertIn(SESSION_KEY, self.client.session)
