"""Tickets: what the people of one organisation see and do, and nobody else."""

from tempfile import TemporaryDirectory

from django.test import TestCase, TransactionTestCase, override_settings
from rxbridge.testing import EventClient, assert_refused

from accounts.models import Organisation, User
from accounts.tenants import within
from helpdesk.ui import app
from tickets.models import Comment, Ticket
from tickets.state import MAX_BYTES, Tickets, TicketState

PRINTER = {"title": "The printer", "text": "It is on fire."}


class People:
    """Ada and Alan of Acme, and Eve, who works elsewhere."""

    def setUp(self) -> None:
        """Make them, and a ticket of Ada's."""
        self.acme, other = (Organisation.objects.create(name=name) for name in ("Acme", "Other"))
        self.ada = User.objects.create_user("ada@acme.example", organisation=self.acme)
        self.alan = User.objects.create_user("alan@acme.example", organisation=self.acme)
        self.eve = User.objects.create_user("eve@other.example", organisation=other)
        self.ticket = Ticket.objects.create(author=self.ada, organisation=self.acme, **PRINTER)
        self.page = f"/ticket/{self.ticket.pk}"


class ListTests(People, TestCase):
    """`Tickets`."""

    def test_people_of_the_organisation_see_its_tickets(self) -> None:
        with EventClient(app, user=self.alan) as tab:
            [row] = tab.load("/").vars["rows"]
        self.assertEqual((row["title"], row["author__email"]), ("The printer", "ada@acme.example"))

    def test_nobody_else_does(self) -> None:
        with EventClient(app, user=self.eve) as tab:
            tab.load("/")
            self.assertEqual(tab.state(Tickets).rows, [])
            for handler in (Tickets.edit, Tickets.delete):
                assert_refused(tab.fire(handler(str(self.ticket.pk))), status=404, handler_ran=True)

    def test_a_visitor_is_asked_to_sign_in(self) -> None:
        with EventClient(app) as tab:
            assert_refused(tab.load("/"), redirect_to="/login?next=/")
            assert_refused(tab.fire(Tickets.create(PRINTER)), status=302)

    def test_a_new_ticket_is_of_its_author_and_of_their_organisation(self) -> None:
        with EventClient(app, user=self.eve) as tab:
            tab.load("/")
            tab.fire(Tickets.new)
            tab.fire(Tickets.save({"title": "Mine", "text": "It squeaks."}))
            self.assertEqual([row["title"] for row in tab.state(Tickets).rows], ["Mine"])
        with within(self.eve.organisation_id):
            self.assertEqual(Ticket.objects.get().author, self.eve)

    def test_only_the_author_may_delete_a_ticket(self) -> None:
        with EventClient(app, user=self.alan) as tab:
            fired = tab.fire(Tickets.delete(str(self.ticket.pk)))
            assert_refused(fired, status=403, handler_ran=True)
        with EventClient(app, user=self.ada) as tab:
            self.assertEqual(tab.fire(Tickets.delete(str(self.ticket.pk))).toasts, [])
        with within(self.acme.pk):
            self.assertFalse(Ticket.objects.exists())

    def test_who_works_nowhere_has_no_tickets(self) -> None:
        nobody = User.objects.create_user("new@nowhere.example")
        with EventClient(app, user=nobody) as tab:
            tab.load("/")
            self.assertEqual(tab.state(Tickets).rows, [])
            assert_refused(tab.fire(Tickets.new), status=403, handler_ran=True)


class TicketTests(People, TestCase):
    """`TicketState`."""

    def setUp(self) -> None:
        """Keep files in a folder of the test's own."""
        super().setUp()
        folder = self.enterContext(TemporaryDirectory())
        self.enterContext(override_settings(MEDIA_ROOT=folder))

    def test_page_shows_the_ticket_to_its_organisation_alone(self) -> None:
        with EventClient(app, user=self.alan) as tab:
            self.assertEqual(tab.load(self.page).vars["title"], "The printer")
        for page in (self.page, "/ticket/0", "/ticket/none"):
            with self.subTest(page), EventClient(app, user=self.eve) as tab:
                self.assertEqual(tab.load(page).toasts, ["There is no such ticket, or no more."])
                self.assertEqual(tab.state(TicketState).title, "")

    def test_nothing_is_left_of_a_ticket_where_another_is_not_found(self) -> None:
        with EventClient(app, user=self.ada) as tab:
            tab.load(self.page)
            self.assertEqual(tab.load("/ticket/0").vars["title"], "")

    def test_comments_are_shown_in_their_order(self) -> None:
        with EventClient(app, user=self.alan) as tab:
            tab.load(self.page)
            for text in ("Which one?", " ", "I see it."):
                tab.fire(TicketState.comment({"text": text}))
            said = [(each["author"], each["text"]) for each in tab.state(TicketState).remarks]
        self.assertEqual(said, [(self.alan.email, "Which one?"), (self.alan.email, "I see it.")])

    def test_a_ticket_is_closed_and_opened_again(self) -> None:
        with EventClient(app, user=self.alan) as tab:
            tab.load(self.page)
            for closed in (True, False):
                self.assertIs(tab.fire(TicketState.set_closed(closed)).vars["closed"], closed)

    def test_nothing_is_added_to_a_ticket_of_others(self) -> None:
        with EventClient(app, user=self.eve) as tab:
            tab.load(self.page)
            fired = tab.fire(TicketState.comment({"text": "Hello"}))
            assert_refused(fired, status=404, handler_ran=True)
            fired = tab.upload(TicketState.attach, ("a.txt", b"a"))
            assert_refused(fired, status=404, handler_ran=True)
        with within(self.acme.pk):
            self.assertFalse(Comment.objects.exists())

    def test_a_file_is_handed_out_to_its_organisation_alone(self) -> None:
        with EventClient(app, user=self.alan) as tab:
            tab.load(self.page)
            tab.upload(TicketState.attach, ("smoke.txt", b"grey"))
            [said] = tab.state(TicketState).remarks
        self.assertEqual((said["text"], said["is_file"]), ("smoke.txt", True))
        url = f"/attachments/{said['id']}/"
        self.client.force_login(self.ada)
        answer = self.client.get(url)
        self.assertEqual(b"".join(answer.streaming_content), b"grey")
        self.assertEqual(answer["Content-Disposition"], 'attachment; filename="smoke.txt"')
        self.client.force_login(self.eve)
        self.assertEqual(self.client.get(url).status_code, 404)
        self.client.logout()
        self.assertRedirects(
            self.client.get(url), f"/login?next={url}", fetch_redirect_response=False
        )

    def test_a_file_that_is_too_large_is_not_kept(self) -> None:
        with EventClient(app, user=self.alan) as tab:
            tab.load(self.page)
            fired = tab.upload(TicketState.attach, ("huge.bin", b"0" * (MAX_BYTES + 1)))
            self.assertEqual(fired.toasts, ["A file may have 5 MB."])
            self.assertEqual(tab.state(TicketState).remarks, [])


class LiveTests(People, TransactionTestCase):
    """Two browsers; each commits, so that the other is told."""

    async def test_what_one_adds_the_other_is_told_of(self) -> None:
        async with EventClient(app, user=self.ada) as ada, ada.tab(user=self.alan) as alan:
            await ada.load("/")
            await alan.fire(Tickets.create({"title": "The door", "text": "It squeaks."}))
            rows = (await ada.told()).vars["rows"]
            self.assertEqual([row["title"] for row in rows], ["The door", "The printer"])

    async def test_a_page_of_one_ticket_is_told_of_comments(self) -> None:
        async with EventClient(app, user=self.ada) as ada, ada.tab(user=self.alan) as alan:
            await ada.load(self.page)
            await alan.load(self.page)
            await alan.fire(TicketState.comment({"text": "Which one?"}))
            [said] = (await ada.told()).vars["remarks"]
            self.assertEqual(said["text"], "Which one?")

    async def test_a_page_shows_no_ticket_that_is_deleted(self) -> None:
        async with EventClient(app, user=self.ada) as ada, ada.tab(user=self.alan) as alan:
            await alan.load(self.page)
            await ada.fire(Tickets.delete(str(self.ticket.pk)))
            self.assertEqual((await alan.told()).vars["title"], "")

    async def test_who_works_elsewhere_is_shown_nothing_of_it(self) -> None:
        async with EventClient(app, user=self.eve) as eve, eve.tab(user=self.alan) as alan:
            await eve.load("/")
            await alan.fire(Tickets.create({"title": "The door", "text": "It squeaks."}))
            self.assertEqual((await eve.told()).vars.get("rows", []), [])
