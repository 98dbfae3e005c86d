"""Notes in the shop: a list, its form, and what two tabs of one user make of a note."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import Visitor

Enter = Callable[[str, str], Visitor]

OWNED = (
    "SELECT n.title, n.text FROM notes_note n JOIN auth_user u ON u.id = n.owner_id"
    " WHERE u.username = ?"
)
HANDLERS = "reflex___state____state.accounts___state____personal_state.notes___state____notes_state"


def titles(visitor: Visitor) -> Locator:
    return visitor.page.locator("article h2")


def card(visitor: Visitor, title: str) -> Locator:
    return visitor.page.locator(f"article[data-note='{title}']")


def form(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("dialog")


def fill(visitor: Visitor, **fields: str) -> None:
    for label, value in fields.items():
        form(visitor).get_by_label(label.capitalize()).fill(value)


def save(visitor: Visitor) -> None:
    form(visitor).get_by_role("button", name="Save").click()


def edit(visitor: Visitor, title: str) -> None:
    card(visitor, title).get_by_role("button", name="Edit").click()
    expect(form(visitor).get_by_label("Title")).to_have_value(title)


def test_new_note_is_the_user_s_and_first_in_the_list(enter: Enter) -> None:
    demo = enter("demo", "/notes")
    demo.page.get_by_test_id("note-new").click()
    fill(demo, title="Blue glaze", text="Ask for it in March.")
    form(demo).get_by_label("About").select_option("Tidal Mug")
    save(demo)
    expect(titles(demo).first).to_have_text("Blue glaze")
    expect(card(demo, "Blue glaze").get_by_role("link", name="Tidal Mug")).to_be_visible()
    expect(form(demo)).to_have_count(0)
    assert ("Blue glaze", "Ask for it in March.") in demo.shop.rows(OWNED, "demo")


def test_what_is_wrong_is_said_beside_its_field_and_what_was_typed_stays(enter: Enter) -> None:
    demo = enter("demo", "/notes")
    before = demo.shop.rows(OWNED, "demo")
    demo.page.get_by_test_id("note-new").click()
    fill(demo, title="  ", text="Without a title")
    save(demo)
    title = form(demo).get_by_label("Title")
    expect(title).to_have_attribute("aria-invalid", "true")
    expect(demo.page.locator("#note-title-error")).to_have_text("This field is required.")
    expect(demo.page.locator("#note-text-error")).to_be_empty()
    assert demo.shop.rows(OWNED, "demo") == before
    title.fill("x" * 81)
    save(demo)
    expect(demo.page.locator("#note-title-error")).to_contain_text("at most 80 characters")
    title.fill("With a title")
    save(demo)
    expect(card(demo, "With a title")).to_contain_text("Without a title")


def test_edited_note_changes_its_card(enter: Enter) -> None:
    demo = enter("demo", "/notes")
    edit(demo, "Reading corner")
    fill(demo, text="198 cm, after all.")
    form(demo).get_by_label("About").select_option("")
    save(demo)
    expect(card(demo, "Reading corner")).to_contain_text("198 cm, after all.")
    expect(card(demo, "Reading corner").get_by_role("link")).to_have_count(0)


def test_cancelled_form_changes_nothing(enter: Enter) -> None:
    demo = enter("demo", "/notes")
    before = demo.shop.rows(OWNED, "demo")
    edit(demo, "Reading corner")
    fill(demo, text="never mind")
    form(demo).get_by_role("button", name="Cancel").click()
    expect(form(demo)).to_have_count(0)
    edit(demo, "Reading corner")
    expect(form(demo).get_by_label("Text")).not_to_have_value("never mind")
    assert demo.shop.rows(OWNED, "demo") == before


def test_note_is_deleted_once_one_is_sure(enter: Enter) -> None:
    demo = enter("demo", "/notes")
    note = card(demo, "Reading corner")
    note.get_by_role("button", name="Delete").click()
    demo.page.get_by_role("button", name="Keep it").click()
    expect(note).to_be_visible()
    note.get_by_role("button", name="Delete").click()
    demo.page.get_by_role("button", name="Delete it").click()
    expect(note).to_have_count(0)
    assert "Reading corner" not in dict(demo.shop.rows(OWNED, "demo"))


def test_search_finds_words_of_the_text_and_says_when_there_is_nothing(enter: Enter) -> None:
    demo = enter("demo", "/notes")
    search = demo.page.get_by_role("searchbox")
    search.fill("linseed")
    expect(titles(demo)).to_have_text(["Oil the board"])
    search.fill("basalt")
    expect(demo.page.get_by_text("None of your notes has “basalt” in it.")).to_be_visible()
    demo.page.get_by_role("button", name="Show all notes").click()
    expect(titles(demo)).to_have_count(6)
    expect(search).to_have_value("")


def test_pages_hold_every_note_once_in_the_order_asked_for(enter: Enter) -> None:
    demo = enter("demo", "/notes")
    demo.page.get_by_role("button", name="By title").click()
    expect(titles(demo).nth(1)).to_have_text("Candles")
    seen = titles(demo).all_inner_texts()
    expect(demo.page.get_by_role("button", name="Previous page")).to_be_disabled()
    demo.page.get_by_role("button", name="Next page").click()
    expect(demo.page.get_by_test_id("pager")).to_have_text("Page 2 of 2")
    expect(demo.page.get_by_role("button", name="Next page")).to_be_disabled()
    seen += titles(demo).all_inner_texts()
    assert seen == sorted(str(title) for title, _ in demo.shop.rows(OWNED, "demo"))


def test_without_notes_the_page_offers_the_first(enter: Enter) -> None:
    staff = enter("staff", "/notes")
    card(staff, "Stock-taking").get_by_role("button", name="Delete").click()
    staff.page.get_by_role("button", name="Delete it").click()
    staff.page.get_by_role("button", name="Write the first note").click()
    fill(staff, title="Lamps: 31")
    save(staff)
    expect(titles(staff)).to_have_text(["Lamps: 31"])


@pytest.fixture
def conflict(enter: Enter) -> Visitor:
    """A tab whose note was saved in another one while it was edited here."""
    demo = enter("demo", "/notes")
    edit(demo, "Reading corner")
    fill(demo, text="mine")
    other = demo.second_tab("/notes")
    edit(other, "Reading corner")
    fill(other, text="theirs")
    save(other)
    expect(card(other, "Reading corner")).to_contain_text("theirs")
    save(demo)
    expect(demo.page.get_by_test_id("note-conflict")).to_contain_text("theirs")
    assert dict(demo.shop.rows(OWNED, "demo"))["Reading corner"] == "theirs"
    return demo


def test_conflict_can_be_settled_by_keeping_ones_own(conflict: Visitor) -> None:
    expect(form(conflict).get_by_label("Text")).to_have_value("mine")
    form(conflict).get_by_role("button", name="Keep mine").click()
    expect(form(conflict).get_by_text("Saving replaces the other version")).to_be_visible()
    expect(form(conflict).get_by_label("Text")).to_have_value("mine")
    save(conflict)
    expect(card(conflict, "Reading corner")).to_contain_text("mine")
    assert dict(conflict.shop.rows(OWNED, "demo"))["Reading corner"] == "mine"


def test_conflict_can_be_settled_by_taking_the_other(conflict: Visitor) -> None:
    form(conflict).get_by_role("button", name="Take that version").click()
    expect(form(conflict).get_by_label("Text")).to_have_value("theirs")
    expect(conflict.page.get_by_test_id("note-conflict")).to_have_count(0)
    fill(conflict, text="both of us")
    save(conflict)
    expect(card(conflict, "Reading corner")).to_contain_text("both of us")


def test_note_that_was_deleted_meanwhile_can_be_saved_as_a_new_one(enter: Enter) -> None:
    demo = enter("demo", "/notes")
    edit(demo, "Reading corner")
    fill(demo, text="typed for an hour")
    other = demo.second_tab("/notes")
    card(other, "Reading corner").get_by_role("button", name="Delete").click()
    other.page.get_by_role("button", name="Delete it").click()
    expect(card(other, "Reading corner")).to_have_count(0)
    save(demo)
    expect(form(demo).get_by_role("alert")).to_contain_text("deleted meanwhile")
    save(demo)
    expect(card(demo, "Reading corner")).to_contain_text("typed for an hour")
    assert dict(demo.shop.rows(OWNED, "demo"))["Reading corner"] == "typed for an hour"


def test_second_tab_sees_the_list_change(visitor: Visitor) -> None:
    visitor.sign_in("demo", next_page="/notes")
    other = visitor.second_tab("/notes")
    expect(titles(other)).to_have_count(6)
    other.page.evaluate("window.first = true")
    visitor.page.get_by_test_id("note-new").click()
    fill(visitor, title="Seen at once")
    save(visitor)
    expect(card(other, "Seen at once")).to_be_visible(timeout=5_000)
    card(visitor, "Seen at once").get_by_role("button", name="Delete").click()
    visitor.page.get_by_role("button", name="Delete it").click()
    expect(card(other, "Seen at once")).to_have_count(0, timeout=5_000)
    assert other.page.evaluate("window.first")
    assert visitor.complaints == []


def test_nothing_of_another_user_s_notes_reaches_the_browser(enter: Enter) -> None:
    staff = enter("staff", "/notes")
    frames: list[str] = []
    staff.page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: frames.append(str(frame))),
    )
    staff.page.reload()
    expect(titles(staff)).to_have_text(["Stock-taking"])
    demo = enter("demo", "/notes")
    demo.page.get_by_test_id("note-new").click()
    fill(demo, title="Canary")
    save(demo)
    expect(card(demo, "Canary")).to_be_visible()
    staff.page.get_by_role("searchbox").fill("a")  # By then a change would be there.
    expect(titles(staff)).to_have_text(["Stock-taking"])
    assert any("Stock-taking" in frame for frame in frames)
    assert not [frame for frame in frames if re.search("Canary|Reading corner", frame)]


@pytest.mark.parametrize(("name", "user"), [("", "None"), ("staff", "2")])
def test_socket_of_somebody_else_reads_and_changes_nothing(
    enter: Enter, name: str, user: str
) -> None:
    visitor = enter(name, "/")
    ((key,),) = visitor.shop.rows("SELECT id FROM notes_note WHERE title = 'Reading corner'")
    before = visitor.shop.rows("SELECT * FROM notes_note WHERE title != 'Stock-taking'")
    mine = {"title": "Stolen", "text": "", "product": ""}
    answers = visitor.fire(
        (f"{HANDLERS}.edit", {"pk": str(key)}),
        (f"{HANDLERS}.save", {"form_data": mine}) if not name else (f"{HANDLERS}.keep_mine", {}),
        (f"{HANDLERS}.delete", {"pk": str(key)}),
        (f"{HANDLERS}.find", {"text": "Reading"}),
    )
    assert "205 cm" not in answers
    assert "kettle" not in answers.lower()
    assert visitor.shop.rows("SELECT * FROM notes_note WHERE title != 'Stock-taking'") == before
    for handler in ("edit", "delete"):
        visitor.shop.server.wait_for_log(f"NotesState.{handler} refused to user {user}")


def test_visitor_signs_in_first_and_comes_back(enter: Enter) -> None:
    visitor = enter("", "/notes")
    visitor.page.wait_for_url(re.compile(r"/login\?next=/notes$"))
    visitor.page.fill("input[name=username]", "demo")
    visitor.page.fill("input[name=password]", "demo-pass")
    visitor.page.get_by_role("main").get_by_role("button", name="Sign in").click()
    visitor.page.wait_for_url(visitor.shop.url + "/notes")
    expect(titles(visitor)).to_have_count(6)


def test_account_that_may_only_look_is_told_so(enter: Enter) -> None:
    banned = enter("banned", "/notes")
    expect(banned.page.get_by_text("No notes for this account")).to_be_visible()
    expect(banned.page.get_by_test_id("note-new")).to_have_count(0)


def test_page_and_form_speak_the_visitor_s_language_in_its_direction(enter: Enter) -> None:
    demo = enter("demo", "/notes")
    demo.page.get_by_test_id("language").select_option("ar")
    expect(demo.page.get_by_role("heading", name="ملاحظاتك")).to_be_visible()
    expect(demo.page.locator(".page")).to_have_attribute("dir", "rtl")
    # The first card is on the right, and the menu on the left.
    first, last = (titles(demo).nth(number).bounding_box() for number in (0, 2))
    assert first is not None
    assert last is not None
    assert first["x"] > last["x"]
    demo.page.get_by_test_id("note-new").click()
    dialog = form(demo)
    expect(dialog).to_have_attribute("dir", "rtl")
    dialog.get_by_role("button", name="حفظ").click()
    expect(demo.page.locator("#note-title-error")).to_have_text("هذا الحقل مطلوب.")
    dialog.get_by_role("button", name="إلغاء").click()
    demo.page.reload()
    expect(demo.page.get_by_role("heading", name="ملاحظاتك")).to_be_visible()
    demo.page.get_by_test_id("language").select_option("de")
    expect(demo.page.get_by_role("heading", name="Ihre Notizen")).to_be_visible()
    expect(demo.page.locator(".page")).to_have_attribute("dir", "ltr")
