"""Django's messages, left by a view and by a handler, each shown once."""

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client, TransactionTestCase
from rxbridge.state import DjangoUserState
from rxbridge.testing import EventClient

from accounts.state import Auth, PersonalState
from shop.ui import app

User = get_user_model()
DEMO = {"username": "demo", "password": "demo-pass"}
WELCOME = ("success", "Welcome, Robin.")
FAREWELL = ("info", "You are signed out. See you soon.")


class MessageTests(TransactionTestCase):
    """What the callouts below the header say."""

    def setUp(self) -> None:
        """Seed, committed: events run on threads of their own."""
        call_command("seed", verbosity=0)
        self.demo = User.objects.get(username="demo")

    async def told(self, tab: EventClient) -> list[tuple[str, str]]:
        """Return level and text of the messages the tab shows."""
        return [(one["level"], one["text"]) for one in (await tab.state(DjangoUserState)).messages]

    async def test_what_a_view_has_left_is_shown_on_the_next_page_once(self) -> None:
        browser = Client()
        await sync_to_async(browser.post)("/admin/login/?next=/", DEMO)
        cookies = {name: morsel.value for name, morsel in browser.cookies.items()}
        async with EventClient(app, cookies=cookies) as tab:
            await tab.load("/")
            self.assertEqual(await self.told(tab), [WELCOME])
            await tab.load("/")
            self.assertEqual(await self.told(tab), [])

    async def test_an_event_s_message_waits_for_the_page_it_leads_to(self) -> None:
        async with EventClient(app) as tab:
            await tab.load("/login")
            await tab.fire(Auth.login, form_data=DEMO)
            self.assertEqual(await self.told(tab), [])
            await tab.navigate("/")
            self.assertEqual(await self.told(tab), [WELCOME])
            await tab.fire(PersonalState.sign_out)
            await tab.navigate("/")
            self.assertIn(FAREWELL, await self.told(tab))

    async def test_a_message_is_dismissed(self) -> None:
        async with EventClient(app) as tab:
            await tab.load("/login")
            await tab.fire(Auth.login, form_data=DEMO)
            await tab.navigate("/")
            ((message,),) = [(await tab.state(DjangoUserState)).messages]
            await tab.fire(DjangoUserState.dismiss(message["id"]))
            self.assertEqual(await self.told(tab), [])
