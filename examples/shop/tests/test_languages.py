"""Three languages: every text has a translation, and the visitor's choice sticks."""

import ast
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.test import SimpleTestCase, TransactionTestCase
from django.utils.translation import gettext, ngettext, override
from rxbridge.state import DjangoI18nState
from rxbridge.testing import EventClient

from accounts.state import PersonalState
from catalogue.state import ProductState
from shop.ui import app
from tests.test_orders import make_product

MARKS = {"_", "gettext", "ngettext"}


def texts() -> Iterator[str]:
    """Return every text that the shop's modules mark for translation."""
    for name in ["accounts", "catalogue", "notes", "orders", "shop"]:
        for file in Path(settings.BASE_DIR, name).rglob("*.py"):
            calls = (n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Call))
            marked = (call.args[0] for call in calls if getattr(call.func, "id", "") in MARKS)
            yield from (text.value for text in marked if isinstance(text, ast.Constant))


class CatalogueOfTextsTests(SimpleTestCase):
    """`locale`, compiled: what `manage.py makemessages` and `compilemessages` make."""

    def test_every_text_is_translated(self) -> None:
        for language, same in [("de", {"Material", "Name", "Status", "Text"}), ("ar", set())]:
            with self.subTest(language), override(language):
                # By gettext() alone, Python 3.11.2 does not find one that has a plural.
                missing = {text for text in texts() if ngettext(text, text, 2) == text}
                missing -= {text for text in missing if gettext(text) != text}
                self.assertEqual(missing, same)


class SwitchTests(TransactionTestCase):
    """The switch in the header."""

    def setUp(self) -> None:
        """Make a product that is nearly sold out."""
        self.mug = make_product(stock=2)

    async def test_a_switch_changes_the_page_and_is_remembered(self) -> None:
        async with EventClient(app, path="/product/mug") as tab:
            await tab.load("/product/mug")
            self.assertEqual((await tab.state(ProductState)).product.note, "Only 2 left")
            fired = await tab.fire(PersonalState.speak("de"))
            self.assertEqual(fired.redirect, "/product/mug")
            await tab.navigate("/product/mug")
            product = (await tab.state(ProductState)).product
            self.assertEqual((product.note, product.price), ("Nur noch 2 Stück", "24,00 €"))
            cookies = tab.cookies
        async with EventClient(app, cookies=cookies) as tab:
            await tab.load("/")
            self.assertEqual((await tab.state(DjangoI18nState)).language, "de")

    async def test_a_language_is_written_in_its_direction(self) -> None:
        async with EventClient(app) as tab:
            for language, direction in [("ar", "rtl"), ("de", "ltr")]:
                await tab.load("/")
                await tab.fire(PersonalState.speak(language))
                self.assertEqual((await tab.state(DjangoI18nState)).direction, direction)

    def test_django_s_own_pages_are_written_in_it_too(self) -> None:
        page = self.client.get("/admin/login/", headers={"accept-language": "ar"})
        self.assertContains(page, '<html lang="ar" dir="rtl">')

    async def test_the_browsers_language_is_where_one_starts(self) -> None:
        async with EventClient(app, headers={"accept-language": "de-AT"}) as tab:
            await tab.load("/")
            self.assertEqual((await tab.state(DjangoI18nState)).language, "de")

    async def test_a_language_the_shop_does_not_speak_is_refused(self) -> None:
        async with EventClient(app) as tab:
            await tab.load("/")
            fired = await tab.fire(PersonalState.speak("tlh"))
            self.assertEqual(len(fired.toasts), 1)
            self.assertNotIn(settings.LANGUAGE_COOKIE_NAME, tab.cookies)
