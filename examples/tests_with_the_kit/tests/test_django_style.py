"""The same with Django's own TestCase, in whose transaction handlers work."""

from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser, User
from django.test import TestCase, override_settings
from rxbridge.testing import EventClient, assert_refused, make_event, run_middleware

from notes.middleware import MaintenanceMiddleware, TenantMiddleware
from notes.models import Note, Tenant
from notes.state import Auth, NotesState
from notes.ui import app

ACME = "acme.example.com"


class NotesTests(TestCase):
    """Handlers, fired through the whole chain."""

    @classmethod
    def setUpTestData(cls) -> None:
        """Make a tenant and a user."""
        cls.acme = Tenant.objects.create(host=ACME, name="Acme")
        cls.ada = User.objects.create_user("ada", password="ada-pass")

    def test_a_note_is_written_and_shown(self) -> None:
        with EventClient(app, host=ACME, user=self.ada) as tab:
            tab.load("/")
            fired = tab.fire(NotesState.add("hello"))
        self.assertEqual(fired.toasts, ["Saved."])
        self.assertEqual(fired.vars["notes"], ["hello"])
        self.assertEqual(Note.objects.get().author, self.ada)

    async def test_a_test_may_be_async(self) -> None:
        async with EventClient(app, host=ACME, user=self.ada) as tab:
            await tab.fire(NotesState.add("hello"))
        self.assertEqual(await Note.objects.acount(), 1)

    def test_signing_in(self) -> None:
        with EventClient(app, host=ACME) as tab:
            tab.load("/login")
            tab.fire(Auth.login, form_data={"username": "ada", "password": "wrong"})
            self.assertIn("form", tab.state(Auth).login_errors)
            tab.fire(Auth.login, form_data={"username": "ada", "password": "ada-pass"})
            tab.navigate("/")
            tab.fire(NotesState.add("hello"))
        self.assertEqual(Note.objects.get().author, self.ada)

    def test_files_and_background_tasks(self) -> None:
        tab = self.enterContext(EventClient(app, host=ACME, user=self.ada))
        tab.upload(NotesState.take_in, ("notes.txt", b"one\n\ntwo"))
        self.assertEqual(Note.objects.count(), 3)
        tab.fire(NotesState.tidy)
        self.assertEqual(tab.background().toasts, ["1 empty notes are gone."])
        self.assertEqual(Note.objects.count(), 2)

    def test_maintenance_stops_handlers(self) -> None:
        with EventClient(app, host=ACME, user=self.ada) as tab:
            with override_settings(MAINTENANCE=True):
                assert_refused(tab.fire(NotesState.add("hello")), status=503)
            tab.fire(NotesState.add("hello"))
        self.assertEqual(Note.objects.count(), 1)

    def test_an_unknown_host_has_no_handlers(self) -> None:
        with EventClient(app, host="other.example.com", user=self.ada) as tab:
            assert_refused(tab.fire(NotesState.add("hello")), status=404)
        self.assertFalse(Note.objects.exists())

    def test_queries_are_counted(self) -> None:
        with EventClient(app, host=ACME) as tab:
            tab.load("/")
            with self.assertNumQueries(2):  # the tenant and its notes
                tab.fire(NotesState.load)


class MiddlewareTests(TestCase):
    """Each middleware alone."""

    @override_settings(MAINTENANCE=True)
    def test_maintenance_lets_the_staff_in(self) -> None:
        for user, status in ((AnonymousUser(), 503), (User(is_staff=True), 200)):
            with self.subTest(user):
                run = async_to_sync(run_middleware)(MaintenanceMiddleware, user=user)
                self.assertEqual(run.response.status_code, status)

    async def test_tenant_is_that_of_the_host(self) -> None:
        acme = await Tenant.objects.acreate(host=ACME, name="Acme")
        run = await run_middleware(TenantMiddleware, event=make_event(host=ACME))
        self.assertEqual(run.request.tenant, acme)
