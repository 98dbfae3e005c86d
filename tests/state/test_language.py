"""DjangoI18nState: the visitor's language in handlers and on the page, and how it changes."""

import asyncio
import random
import threading

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.conf.urls.i18n import i18n_patterns
from django.contrib import admin
from django.test import Client
from django.urls import path
from django.utils.translation import get_language, gettext

from rxbridge.errors import RxBridgeError
from rxbridge.events import refusals
from rxbridge.state import DjangoI18nState, DjangoUserState, switch_language
from rxbridge.testing import EventClient
from tests.events.app import Counter, app, bridged
from tests.events.sign_in import handoff

pytestmark = pytest.mark.django_db(transaction=True)

YES = {"en": "yes", "de": "Ja", "ar": "نعم"}


class Speaker(rx.State):
    """Handlers that speak the visitor's language."""

    said: str = ""
    wrong: int = 0

    @rx.var(cache=False)
    def welcome(self) -> str:
        return gettext("yes,no,maybe")

    @rx.event
    def speak(self):
        self.said = gettext("yes,no,maybe").partition(",")[0]

    @rx.event
    async def speak_async(self):
        self.said = gettext("yes,no,maybe").partition(",")[0]

    @rx.event
    def watch(self, code: str):
        for _ in range(3):
            self.wrong += get_language() != code
            threading.Event().wait(random.random() / 200)

    @rx.event
    async def watch_async(self, code: str):
        for _ in range(3):
            self.wrong += get_language() != code
            await asyncio.sleep(random.random() / 200)
            self.wrong += await sync_to_async(get_language)() != code

    @rx.event
    async def switch(self, code: str):
        switch_language(code)
        self.said = gettext("yes,no,maybe").partition(",")[0]


urlpatterns = i18n_patterns(path("admin/", admin.site.urls), prefix_default_language=False)


async def state(tab):
    shown = await tab.state(DjangoI18nState)
    return shown.language, shown.direction, shown.bidi


@pytest.mark.parametrize("handler", [Speaker.speak, Speaker.speak_async])
@pytest.mark.parametrize(
    ("headers", "cookies", "code"),
    [
        ({}, {}, "en"),
        ({"accept-language": "de"}, {}, "de"),
        ({"accept-language": "de"}, {"django_language": "ar"}, "ar"),
        ({"accept-language": "xx"}, {"django_language": "../../etc"}, "en"),
    ],
)
async def test_handler_and_page_have_the_language_localemiddleware_finds(
    handler, headers, cookies, code
):
    async with EventClient(app, headers=headers, cookies=cookies) as tab:
        await tab.load("/")
        assert (await state(tab))[0] == code
        assert (await tab.fire(handler)).vars["said"] == YES[code]


async def test_arabic_is_written_from_right_to_left():
    async with EventClient(app, cookies={"django_language": "ar"}) as tab:
        await tab.load("/")
        assert await state(tab) == ("ar", "rtl", True)
        assert (await tab.state(DjangoUserState)).language_bidi


async def test_languages_are_named_for_a_menu():
    async with EventClient(app, cookies={"django_language": "de"}) as tab:
        await tab.load("/")
        languages = (await tab.state(DjangoI18nState)).languages
    assert languages == [
        {"code": "en", "name": "Englisch", "name_local": "English"},
        {"code": "de", "name": "Deutsch", "name_local": "Deutsch"},
        {"code": "ar", "name": "العربية", "name_local": "العربيّة"},
    ]


@pytest.mark.parametrize("switch", [DjangoI18nState.set_language, Speaker.switch])
async def test_switch_is_on_the_page_at_once_and_sticks(switch):
    async with EventClient(app) as tab:
        await tab.load("/")
        fired = await tab.fire(switch("ar"))
        assert await state(tab) == ("ar", "rtl", True)
        assert fired.vars["welcome"].startswith(YES["ar"])
        assert tab.cookies[django_settings.LANGUAGE_COOKIE_NAME] == "ar"
        assert (await tab.fire(Speaker.speak)).vars["said"] == YES["ar"]
        await tab.load("/")
        assert await state(tab) == ("ar", "rtl", True)


async def test_switch_is_sent_once():
    async with EventClient(app) as tab:
        await tab.load("/")
        await tab.fire(DjangoI18nState.set_language("de"))
        deltas = (await tab.fire(Counter.add(1))).deltas
        assert not [each for each in deltas if DjangoI18nState.get_full_name() in each]


async def test_switch_is_handed_to_the_browser_with_the_settings_of_its_cookie(settings):
    settings.LANGUAGE_COOKIE_NAME = "speech"
    settings.LANGUAGE_COOKIE_PATH = "/shop"
    settings.LANGUAGE_COOKIE_HTTPONLY = True
    with bridged(handoff=handoff):
        async with EventClient(app) as tab:
            fired = await tab.fire(DjangoI18nState.set_language("de"))
            assert tab.cookies["speech"] == "de"
            assert any(handoff.path in event.payload["javascript_code"] for event in fired.events)


async def test_django_shows_its_pages_in_the_language_switched_to():
    async with EventClient(app) as tab:
        await tab.fire(DjangoI18nState.set_language("de"))
        client = Client()
        client.cookies.load(dict(tab.cookies))
        page = await sync_to_async(client.get)("/admin/login/")
    assert 'lang="de"' in page.content.decode()


@pytest.mark.parametrize("code", ["xx", "", "../de", "e" * 600, 7, None, ["de"]])
async def test_language_that_is_not_offered_is_refused(code, caplog):
    async with EventClient(app) as tab:
        await tab.load("/")
        fired = await tab.fire(DjangoI18nState.set_language, code=code)
        assert fired.toasts == ["That did not work. Please try again."]
        assert (await state(tab))[0] == "en"
        assert django_settings.LANGUAGE_COOKIE_NAME not in tab.cookies
    assert "set_language" in caplog.text


@pytest.mark.parametrize("code", ["en", "de"])
async def test_refusal_is_told_in_the_visitors_language(code, monkeypatch):
    monkeypatch.setitem(refusals._MESSAGES, 403, "yes,no,maybe")  # Of Django's own catalogue.
    async with EventClient(app, headers={"accept-language": code}) as tab:
        await tab.load("/")
        fired = await tab.fire(Counter.deny)
    assert fired.toasts[0].partition(",")[0] == YES[code]


async def test_variant_of_a_language_is_the_language_there_is():
    async with EventClient(app) as tab:
        await tab.fire(DjangoI18nState.set_language("de-at"))
        assert (await state(tab))[0] == "de"


app.add_page(rx.fragment, route="/orders")
app.add_page(rx.fragment, route="/de/orders")


@pytest.mark.parametrize(
    ("page", "code", "leads_to"),
    [
        ("/de/orders", "ar", "/ar/orders?page=2"),
        ("/de/orders", "en-us", "/orders?page=2"),
        ("/orders", "de", None),
    ],
)
async def test_prefix_of_the_address_is_the_language_and_a_switch_changes_it(
    settings, page, code, leads_to
):
    settings.ROOT_URLCONF = __name__
    settings.LANGUAGES = [("en-us", "English"), ("de", "Deutsch"), ("ar", "العربية")]
    with bridged():
        async with EventClient(app) as tab:
            await tab.load(page, query="page=2")
            assert (await state(tab))[0] == ("de" if page.startswith("/de") else "en-us")
            fired = await tab.fire(DjangoI18nState.set_language(code))
            assert fired.redirect == leads_to


@pytest.mark.parametrize("handler", [Speaker.watch, Speaker.watch_async])
async def test_fifty_events_at_once_each_have_the_language_of_their_visitor(handler):
    codes = [random.choice(list(YES)) for _ in range(50)]

    async def visit(first, code):
        async with first.tab(cookies={"django_language": code}) as tab:
            await tab.load("/")
            for _ in range(2):
                await tab.fire(handler(code))
            return (await tab.state(Speaker)).wrong

    async with EventClient(app) as first:
        assert await asyncio.gather(*(visit(first, code) for code in codes)) == [0] * 50


def test_outside_an_event_there_is_nothing_to_switch():
    with pytest.raises(RxBridgeError, match="event handler"):
        switch_language("de")
