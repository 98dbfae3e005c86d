"""The table of all orders, for who has Django's permissions to see and change them."""

from typing import Any
from unittest.mock import patch

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db.backends.utils import CursorWrapper
from django.test import TransactionTestCase
from rxbridge.state import DjangoUserState
from rxbridge.testing import EventClient

from orders.models import Order
from orders.staff import PAGE_SIZE, OrderTable
from shop.ui import app

User = get_user_model()


class TableTestCase(TransactionTestCase):
    """The demo's orders, and an employee who may see them and not change them."""

    def setUp(self) -> None:
        """Seed, committed: events run on threads of their own."""
        call_command("seed", verbosity=0)
        self.demo, self.staff = (User.objects.get(username=name) for name in ("demo", "staff"))
        self.clerk = User.objects.create_user("clerk", is_staff=True)
        self.clerk.user_permissions.add(Permission.objects.get(codename="view_order"))
        self.order = Order.objects.filter(user=self.demo, status="shipped").get()

    async def rows(self, tab: EventClient) -> list[dict[str, str]]:
        """Return the rows the page shows."""
        return (await tab.state(OrderTable)).rows

    async def told(self, tab: EventClient) -> list[tuple[str, str]]:
        """Return level and text of the messages the tab shows."""
        return [(one["level"], one["text"]) for one in (await tab.state(DjangoUserState)).messages]

    def set_status(self, seen: str, status: str) -> object:
        """Return the event by which the status is changed."""
        return OrderTable.set_status(str(self.order.pk), seen, status)

    async def status(self) -> str:
        """Return the order's status."""
        return (await Order.objects.aget(pk=self.order.pk)).status


class LookingTests(TableTestCase):
    """Search, filter, order and pages."""

    async def test_the_newest_come_first_with_customer_and_total(self) -> None:
        async with EventClient(app, user=self.clerk) as tab:
            await tab.load("/staff/orders")
            state = await tab.state(OrderTable)
        first = state.rows[0]
        self.assertEqual((first["customer"], first["total"]), ("Ida Lindqvist", "€168.00"))
        self.assertEqual((len(state.rows), state.pages, state.total), (PAGE_SIZE, 4, 36))

    async def test_pages_together_hold_every_order_once(self) -> None:
        numbers = []
        async with EventClient(app, user=self.clerk) as tab:
            await tab.load("/staff/orders")
            for page in (1, 2, 3, 4):
                await tab.fire(OrderTable.show_page(page))
                numbers += [row["number"] for row in await self.rows(tab)]
        self.assertEqual((len(numbers), len(set(numbers))), (36, 36))

    async def test_orders_are_found_by_number_and_by_customer(self) -> None:
        number = self.order.number
        async with EventClient(app, user=self.clerk) as tab:
            await tab.load("/staff/orders")
            for text in (number, number.lower(), str(self.order.pk), f" ko{self.order.pk} "):
                with self.subTest(text):
                    await tab.fire(OrderTable.look_for(text))
                    self.assertEqual([row["number"] for row in await self.rows(tab)], [number])
            await tab.fire(OrderTable.look_for("lindqvist"))
            self.assertEqual({row["customer"] for row in await self.rows(tab)}, {"Ida Lindqvist"})
            await tab.fire(OrderTable.look_for("nobody at all"))
            self.assertEqual(await self.rows(tab), [])
            await tab.fire(OrderTable.clear)
            self.assertEqual((await tab.state(OrderTable)).total, 36)

    async def test_filter_and_order_hold_together(self) -> None:
        async with EventClient(app, user=self.clerk) as tab:
            await tab.load("/staff/orders")
            await tab.fire(OrderTable.filter_by("status", "shipped"))
            await tab.fire(OrderTable.order_by("user__username"))
            rows = await self.rows(tab)
        self.assertEqual({row["status"] for row in rows}, {"shipped"})
        names = [row["email"] for row in rows]
        self.assertEqual(names, sorted(names))

    async def test_a_page_costs_one_query_and_the_count_whatever_it_shows(self) -> None:
        queries = []
        execute = CursorWrapper.execute

        def note(cursor: CursorWrapper, sql: str, *args: Any) -> Any:
            queries.append(sql)
            return execute(cursor, sql, *args)

        async with EventClient(app, user=self.clerk) as tab:
            await tab.load("/staff/orders")
            # On any thread: events have threads of their own, and so connections.
            with patch.object(CursorWrapper, "execute", note):
                await tab.fire(OrderTable.show_page(2))
        of_orders = [sql for sql in queries if 'FROM "orders_order"' in sql]
        of_users = [sql for sql in queries if sql.startswith('SELECT "auth_user"')]
        self.assertEqual((len(of_orders), len(of_users)), (2, 1))  # the one is who is signed in


class ChangingTests(TableTestCase):
    """The status."""

    async def test_staff_set_a_status_and_are_told(self) -> None:
        async with EventClient(app, user=self.staff) as tab:
            await tab.load("/staff/orders")
            await tab.fire(self.set_status("shipped", "delivered"))
            told = await self.told(tab)
        self.assertEqual(told, [("success", f"{self.order.number} is now: Delivered.")])
        self.assertEqual(await self.status(), "delivered")

    async def test_what_somebody_else_has_changed_is_not_overwritten(self) -> None:
        async with EventClient(app, user=self.staff) as tab:
            await tab.load("/staff/orders")
            await tab.fire(self.set_status("placed", "delivered"))
            ((level, text),) = await self.told(tab)
        self.assertEqual(level, "warning")
        self.assertIn("was set to “Shipped” meanwhile", text)
        self.assertEqual(await self.status(), "shipped")

    async def test_there_are_no_other_statuses(self) -> None:
        async with EventClient(app, user=self.staff) as tab:
            await tab.load("/staff/orders")
            fired = await tab.fire(self.set_status("shipped", "lost"))
        self.assertEqual((len(fired.toasts), await self.status()), (1, "shipped"))

    async def test_orders_are_neither_made_nor_deleted_here_even_by_a_superuser(self) -> None:
        async with EventClient(app, user=self.staff) as tab:
            await tab.load("/staff/orders")
            for event in (
                OrderTable.new,
                OrderTable.create({"status": "placed"}),
                OrderTable.delete(str(self.order.pk)),
            ):
                self.assertEqual(len((await tab.fire(event)).toasts), 1)
        self.assertEqual(await Order.objects.acount(), 36)


class RefusalTests(TableTestCase):
    """Everybody else."""

    async def test_who_may_only_look_changes_nothing(self) -> None:
        async with EventClient(app, user=self.clerk) as tab:
            await tab.load("/staff/orders")
            fired = await tab.fire(self.set_status("shipped", "delivered"))
        self.assertEqual((len(fired.toasts), await self.status()), (1, "shipped"))

    async def test_customers_are_shown_nothing_and_change_nothing(self) -> None:
        async with EventClient(app, user=self.demo) as tab:
            await tab.load("/staff/orders")
            for event in (
                OrderTable.load,
                OrderTable.look_for("demo"),
                OrderTable.show_page(2),
                OrderTable.edit(str(self.order.pk)),
                self.set_status("shipped", "delivered"),
            ):
                self.assertEqual(len((await tab.fire(event)).toasts), 1)
            state = await tab.state(OrderTable)
        self.assertEqual((state.rows, state.loaded, state.total), ([], False, 0))
        self.assertEqual(await self.status(), "shipped")

    async def test_visitors_are_asked_to_sign_in(self) -> None:
        async with EventClient(app) as tab:
            fired = await tab.load("/staff/orders")
            self.assertEqual(fired.redirect, "/login?next=/staff/orders")
            fired = await tab.fire(self.set_status("shipped", "delivered"))
            self.assertEqual(fired.redirect, "/login?next=/staff/orders")
        self.assertEqual(await self.status(), "shipped")
