"""The notes: each user's own, in a list, a form, and a second tab."""

from django.contrib.auth import get_user_model
from django.test import TransactionTestCase
from rxbridge.state import DjangoUserState
from rxbridge.testing import EventClient

from accounts.models import Ban
from notes.models import Note
from notes.state import PAGE_SIZE, NotesState
from shop.ui import app
from tests.test_orders import make_product

User = get_user_model()


def form(title: str, text: str = "", product: str = "") -> dict[str, str]:
    """Return what the page's form sends."""
    return {"title": title, "text": text, "product": product}


async def state_of(tab: EventClient) -> NotesState:
    """Return what the page shows."""
    return await tab.state(NotesState)


async def titles(tab: EventClient) -> list[str]:
    """Return the titles of the cards."""
    return [card["title"] for card in (await state_of(tab)).rows]


async def told(tab: EventClient) -> list[tuple[str, str]]:
    """Return level and text of the messages the tab shows."""
    return [(one["level"], one["text"]) for one in (await tab.state(DjangoUserState)).messages]


class NotesTestCase(TransactionTestCase):
    """Two users, the first with two notes."""

    def setUp(self) -> None:
        """Make them, committed: events run on threads of their own."""
        self.robin, self.alex = (User.objects.create_user(name) for name in ("robin", "alex"))
        self.mug = make_product()
        self.size = Note.objects.create(owner=self.robin, title="Size", text="205 cm")
        self.gift = Note.objects.create(owner=self.robin, title="Gift", product=self.mug)


class ListTests(NotesTestCase):
    """What the page shows, and to whom."""

    async def test_a_user_sees_their_notes_the_newest_first(self) -> None:
        async with EventClient(app, user=self.robin) as tab:
            await tab.load("/notes")
            first = (await state_of(tab)).rows[0]
            self.assertEqual(await titles(tab), ["Gift", "Size"])
            self.assertEqual((first["product"], first["slug"]), ("Mug", "mug"))

    async def test_nobody_sees_another_s(self) -> None:
        async with EventClient(app, user=self.alex) as tab:
            await tab.load("/notes")
            await tab.fire(NotesState.find("Size"))
            self.assertEqual(await titles(tab), [])
            for fire in (NotesState.edit, NotesState.delete):
                fired = await tab.fire(fire(str(self.size.pk)))
                self.assertEqual(len(fired.toasts), 1)
            self.assertFalse((await state_of(tab)).form_open)
        self.assertEqual(await Note.objects.acount(), 2)

    async def test_a_visitor_is_asked_to_sign_in_and_comes_back(self) -> None:
        async with EventClient(app) as tab:
            self.assertEqual((await tab.load("/notes")).redirect, "/login?next=/notes")
            fired = await tab.fire(NotesState.create(form("Mine")))
            self.assertEqual(fired.redirect, "/login?next=/notes")
        self.assertEqual(await Note.objects.acount(), 2)

    async def test_a_banned_user_is_shown_no_list(self) -> None:
        await Ban.objects.acreate(user=self.robin)
        async with EventClient(app, user=self.robin) as tab:
            await tab.load("/notes")
            state = await state_of(tab)
        self.assertEqual((state.loaded, state.rows), (False, []))

    async def test_search_order_and_pages(self) -> None:
        await Note.objects.abulk_create(
            Note(owner=self.robin, title=f"Note {number}") for number in range(PAGE_SIZE)
        )
        async with EventClient(app, user=self.robin) as tab:
            await tab.load("/notes")
            await tab.fire(NotesState.order_by("title"))
            await tab.fire(NotesState.show_page(2))
            self.assertEqual(await titles(tab), ["Note 5", "Size"])
            await tab.fire(NotesState.find("205"))
            self.assertEqual(await titles(tab), ["Size"])
            await tab.fire(NotesState.find(""))
            self.assertEqual((await state_of(tab)).total, PAGE_SIZE + 2)

    async def test_what_one_user_saw_is_gone_when_another_signs_in(self) -> None:
        async with EventClient(app, user=self.robin) as tab, tab.tab(user=self.alex) as other:
            await tab.load("/notes")
            await other.load("/notes")
            self.assertEqual((await titles(tab), await titles(other)), (["Gift", "Size"], []))


class FormTests(NotesTestCase):
    """What a user does to their notes."""

    async def test_a_new_note_is_the_user_s(self) -> None:
        async with EventClient(app, user=self.alex) as tab:
            await tab.load("/notes")
            await tab.fire(NotesState.new)
            await tab.fire(NotesState.save(form("Mine", "a text", str(self.mug.pk))))
            self.assertEqual(await titles(tab), ["Mine"])
            self.assertEqual(await told(tab), [("success", "“Mine” is saved.")])
        note = await Note.objects.aget(owner=self.alex)
        self.assertEqual((note.text, note.product_id), ("a text", self.mug.pk))

    async def test_what_is_wrong_is_said_by_field_and_nothing_is_saved(self) -> None:
        async with EventClient(app, user=self.alex) as tab:
            await tab.load("/notes")
            await tab.fire(NotesState.new)
            await tab.fire(NotesState.save(form(" ", "x" * 2_001, "99")))
            state = await state_of(tab)
            self.assertEqual(list(state.form_errors), ["title", "text", "product"])
            self.assertEqual((state.form_open, await told(tab)), (True, []))
        self.assertFalse(await Note.objects.filter(owner=self.alex).aexists())

    async def test_an_owner_cannot_be_named(self) -> None:
        async with EventClient(app, user=self.alex) as tab:
            await tab.load("/notes")
            sent = form("Mine") | {"owner": str(self.robin.pk)}
            fired = await tab.fire(NotesState.create(sent))
            self.assertEqual(len(fired.toasts), 1)
        self.assertFalse(await Note.objects.filter(title="Mine").aexists())

    async def test_a_deleted_note_is_gone_and_that_is_said(self) -> None:
        async with EventClient(app, user=self.robin) as tab:
            await tab.load("/notes")
            await tab.fire(NotesState.delete(str(self.size.pk)))
            self.assertEqual(await titles(tab), ["Gift"])
            self.assertEqual(await told(tab), [("info", "The note is gone.")])


class ConflictTests(NotesTestCase):
    """A note that is changed in two tabs."""

    async def open_both(self, tab: EventClient, other: EventClient) -> None:
        """Open the form in both tabs, and save the second."""
        for each in (tab, other):
            await each.load("/notes")
            await each.fire(NotesState.edit(str(self.size.pk)))
        await other.fire(NotesState.save(form("Size", "210 cm")))

    async def text(self) -> str:
        """Return what the note holds."""
        return (await Note.objects.aget(pk=self.size.pk)).text

    async def test_the_second_to_save_is_told_what_the_note_holds_now(self) -> None:
        async with EventClient(app, user=self.robin) as tab, tab.tab(user=self.robin) as other:
            await self.open_both(tab, other)
            await tab.fire(NotesState.save(form("Size", "198 cm")))
            state = await state_of(tab)
            self.assertEqual((state.conflict, state.current_values["text"]), (True, "210 cm"))
            self.assertEqual((await self.text(), await told(tab)), ("210 cm", []))

    async def test_one_may_keep_ones_own(self) -> None:
        async with EventClient(app, user=self.robin) as tab, tab.tab(user=self.robin) as other:
            await self.open_both(tab, other)
            await tab.fire(NotesState.save(form("Size", "198 cm")))
            await tab.fire(NotesState.keep_mine)
            state = await state_of(tab)
            # The page keeps what was typed as long as these are the same.
            self.assertEqual((state.conflict, state.form_values["text"]), (False, "205 cm"))
            await tab.fire(NotesState.save(form("Size", "198 cm")))
        self.assertEqual(await self.text(), "198 cm")

    async def test_one_may_take_the_other(self) -> None:
        async with EventClient(app, user=self.robin) as tab, tab.tab(user=self.robin) as other:
            await self.open_both(tab, other)
            await tab.fire(NotesState.save(form("Size", "198 cm")))
            await tab.fire(NotesState.edit(str(self.size.pk)))
            state = await state_of(tab)
            self.assertEqual((state.conflict, state.form_values["text"]), (False, "210 cm"))

    async def test_what_was_deleted_meanwhile_can_be_saved_as_a_new_note(self) -> None:
        async with EventClient(app, user=self.robin) as tab:
            await tab.load("/notes")
            await tab.fire(NotesState.edit(str(self.size.pk)))
            await self.size.adelete()
            fired = await tab.fire(NotesState.save(form("Size", "198 cm")))
            state = await state_of(tab)
            self.assertEqual((fired.toasts, state.form_open, state.editing), ([], True, ""))
            self.assertIn("deleted meanwhile", state.form_errors["form"][0])
            self.assertEqual(state.form_values["text"], "205 cm")
            await tab.fire(NotesState.save(form("Size", "198 cm")))
        self.assertEqual(await Note.objects.filter(text="198 cm").acount(), 1)
