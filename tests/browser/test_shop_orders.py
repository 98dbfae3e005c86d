"""The table of all orders in the shop: for staff, and for nobody else."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visitor

Enter = Callable[[str, str], Visitor]

TABLE = "/staff/orders"
HANDLERS = (
    "reflex___state____state.accounts___state____personal_state.orders___staff____order_table"
)


def rows(visitor: Visitor) -> Locator:
    return visitor.page.locator("tr[data-order]")


def row(visitor: Visitor, number: str) -> Locator:
    return visitor.page.locator(f"tr[data-order='{number}']")


def status_of(visitor: Visitor, number: str) -> object:
    query = "SELECT status FROM orders_order WHERE id = ?"
    return visitor.shop.rows(query, int(number.removeprefix("KO-")))[0][0]


def choose(visitor: Visitor, number: str, status: str) -> None:
    row(visitor, number).get_by_role("combobox").click()
    visitor.page.get_by_role("option", name=status).click()


def test_order_is_found_by_number_and_orders_by_customer(enter: Enter) -> None:
    staff = enter("staff", TABLE)
    search = staff.page.get_by_role("searchbox")
    search.fill("ko-00002")
    expect(rows(staff)).to_have_count(1)
    expect(row(staff, "KO-00002")).to_contain_text("demo@example.com")
    search.fill("haddad")
    expect(row(staff, "KO-00002")).to_have_count(0)
    assert {text for text in rows(staff).all_inner_texts() if "Leila Haddad" not in text} == set()
    search.fill("nobody at all")
    expect(staff.page.get_by_text("No such order")).to_be_visible()
    staff.page.get_by_role("button", name="Show all orders").click()
    expect(rows(staff)).to_have_count(10)


def test_filter_sort_and_pages(enter: Enter) -> None:
    staff = enter("staff", TABLE)
    pager = staff.page.get_by_test_id("pager")
    expect(pager).to_have_text("Page 1 of 4")
    seen: list[str] = []
    for page in range(1, 5):
        expect(pager).to_have_text(f"Page {page} of 4")
        seen += [str(each.get_attribute("data-order")) for each in rows(staff).all()]
        if page < 4:
            staff.page.get_by_role("button", name="Next page").click()
    assert len(seen) == len(set(seen)) == 36
    staff.page.get_by_role("button", name="Customer").click()
    expect(rows(staff).first).to_contain_text("Robin")
    staff.page.get_by_role("button", name="Customer").click()
    expect(rows(staff).first).to_contain_text("Tove Berg")
    staff.page.get_by_role("button", name="Placed").click()
    expect(staff.page.get_by_text("Orders: 3", exact=True)).to_be_visible()
    expect(rows(staff)).to_have_count(3)


def test_status_is_set_and_a_second_tab_sees_it(enter: Enter) -> None:
    staff = enter("staff", TABLE)
    other = staff.second_tab(TABLE)
    expect(row(other, "KO-00003")).to_contain_text("Placed")
    choose(staff, "KO-00003", "Shipped")
    expect(staff.page.get_by_test_id("flash")).to_contain_text("KO-00003 is now: Shipped.")
    expect(row(staff, "KO-00003")).to_contain_text("Shipped")
    expect(row(other, "KO-00003")).to_contain_text("Shipped", timeout=5_000)
    expect(other.page.get_by_test_id("flash")).to_be_empty()
    assert status_of(staff, "KO-00003") == "shipped"


def test_customer_sees_neither_the_page_nor_the_way_to_it(enter: Enter) -> None:
    demo = enter("demo", TABLE)
    expect(demo.page.get_by_text("For staff only")).to_be_visible()
    expect(demo.page.get_by_text("Ida Lindqvist")).to_have_count(0)
    demo.page.get_by_role("button", name="Your account").click()
    expect(demo.page.get_by_role("link", name="Your notes")).to_be_visible()
    expect(demo.page.get_by_role("link", name="All orders")).to_have_count(0)


def test_visitor_is_taken_to_the_login_page(enter: Enter) -> None:
    visitor = enter("", TABLE)
    visitor.page.wait_for_url(re.compile(r"/login\?next=/staff/orders$"))


@pytest.mark.parametrize(("name", "user"), [("", "None"), ("demo", "1")])
def test_socket_of_somebody_else_reads_and_changes_nothing(
    enter: Enter, name: str, user: str
) -> None:
    visitor = enter(name, "/")
    change = {"pk": "3", "seen": "placed", "status": "shipped"}
    answers = visitor.fire(
        (f"{HANDLERS}.load", {}),
        (f"{HANDLERS}.look_for", {"text": "lindqvist"}),
        (f"{HANDLERS}.filter_by", {"name": "status", "value": "placed"}),
        (f"{HANDLERS}.order_by", {"field": "user__username"}),
        (f"{HANDLERS}.show_page", {"number": 2}),
        (f"{HANDLERS}.edit", {"pk": "3"}),
        (f"{HANDLERS}.delete", {"pk": "3"}),
        (f"{HANDLERS}.create", {"form_data": {"status": "placed"}}),
        (f"{HANDLERS}.set_status", change),
    )
    assert "Lindqvist" not in answers
    assert "KO-0" not in answers
    assert status_of(visitor, "KO-00003") == "placed"
    assert visitor.shop.rows("SELECT count(*) FROM orders_order") == [(36,)]
    asked = ("load", "look_for", "filter_by", "order_by", "show_page", "edit", "delete", "create")
    for handler in asked:
        visitor.shop.server.wait_for_log(f"OrderTable.{handler} refused to user {user}")


def test_table_is_written_from_right_to_left(enter: Enter) -> None:
    staff = enter("staff", TABLE)
    staff.page.get_by_test_id("language").select_option("ar")
    expect(staff.page.get_by_role("heading", name="كل الطلبات")).to_be_visible()
    cells = row(staff, "KO-00003").locator("td")
    boxes = [cells.nth(number).bounding_box() for number in (0, 4)]
    assert all(boxes)
    number, status = boxes
    assert number["x"] > status["x"]  # type: ignore[index]
    choose(staff, "KO-00003", "في الطريق")
    expect(staff.page.get_by_test_id("flash")).to_contain_text("الطلب KO-00003 الآن: في الطريق.")
