"""People: who signs in by e-mail address, and how an organisation begins."""

from django.test import TestCase
from rxbridge.testing import EventClient

from accounts.models import Organisation, User
from accounts.state import Auth
from helpdesk.ui import app

PASSWORD = "a-long-one-4711"
NEW = {
    "email": "Ada@Acme.example",
    "organisation": "Acme",
    "password1": PASSWORD,
    "password2": PASSWORD,
}


class RegistrationTests(TestCase):
    """`RegistrationForm`, on its page."""

    def register(self, **changed: str) -> dict[str, list[str]]:
        """Send the form; return what is wrong with it."""
        with EventClient(app) as tab:
            tab.load("/register")
            tab.fire(Auth.register(NEW | changed))
            return tab.state(Auth).registration_errors

    def test_an_organisation_begins_with_its_first_user(self) -> None:
        self.assertEqual(self.register(), {})
        user = User.objects.get(email="ada@acme.example")
        self.assertEqual(user.organisation.name, "Acme")

    def test_nobody_gets_into_an_organisation_by_its_name(self) -> None:
        Organisation.objects.create(name="Acme")
        wrong = self.register(organisation="ACME")
        self.assertEqual(wrong["organisation"], ["There is an organisation of that name already."])
        self.assertFalse(User.objects.exists())

    def test_an_address_is_taken_once_however_it_is_written(self) -> None:
        self.register()
        self.assertIn("email", self.register(organisation="Other", email="ADA@acme.example"))
        self.assertEqual(Organisation.objects.count(), 1)


class LoginTests(TestCase):
    """Signing in."""

    def test_one_signs_in_by_address_in_whichever_case(self) -> None:
        User.objects.create_user("ada@acme.example", PASSWORD)
        with EventClient(app) as tab:
            tab.load("/login")
            fired = tab.fire(Auth.login({"username": "ADA@acme.example", "password": PASSWORD}))
            self.assertEqual(fired.redirect, "/")
            self.assertIn("sessionid", fired.cookies)
