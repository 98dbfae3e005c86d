"""Handlers through the whole chain, in pytest's style: each test in a transaction."""

import pytest
from rxbridge.testing import assert_refused

from notes.models import Note, Tenant
from notes.state import Auth, NotesState

ACME = "acme.example.com"

pytestmark = pytest.mark.usefixtures("acme")


async def test_page_shows_the_notes_of_its_tenant_only(event_client, acme, ada):
    other = await Tenant.objects.acreate(host="other.example.com", name="Other")
    await Note.objects.acreate(tenant=acme, author=ada, text="ours")
    await Note.objects.acreate(tenant=other, author=ada, text="theirs")
    async with event_client(host=ACME) as tab:
        await tab.load("/")
        assert (await tab.state(NotesState)).notes == ["ours"]


async def test_visitor_is_asked_to_sign_in(event_client):
    async with event_client(host=ACME) as tab:
        await tab.load("/")
        fired = await tab.fire(NotesState.add("hello"))
        assert_refused(fired, redirect_to="/login?next=/")
        assert fired.redirect == "/login?next=/"
    assert not await Note.objects.aexists()


async def test_signing_in_and_writing_a_note(event_client, ada):
    async with event_client(host=ACME) as tab:
        await tab.load("/login", query="next=/")
        fired = await tab.fire(Auth.login, form_data={"username": "ada", "password": "ada-pass"})
        assert fired.redirect == "/"
        assert "sessionid" in fired.cookies
        await tab.navigate("/")
        fired = await tab.fire(NotesState.add("hello"))
        assert fired.toasts == ["Saved."]
        assert fired.messages == ["“hello” is kept."]
        # The handler chained a second one, which loaded the notes.
        assert fired.vars["notes"] == ["hello"]
    assert (await Note.objects.select_related("author").aget()).author == ada


async def test_both_tabs_of_a_browser_are_signed_in(event_client, ada):
    async with event_client(host=ACME, user=ada) as tab, tab.tab() as second:
        await tab.fire(NotesState.add("one"))
        await second.load("/")
        assert (await second.fire(NotesState.add("two"))).vars["notes"] == ["one", "two"]


async def test_page_speaks_the_visitors_language(event_client):
    async with event_client(host=ACME, language="de") as tab:
        assert (await tab.load("/")).vars["heading"] == "Acme (de)"


async def test_lines_of_an_uploaded_file_become_notes(event_client, ada):
    async with event_client(host=ACME, user=ada) as tab:
        await tab.load("/")
        fired = await tab.upload(NotesState.take_in, ("notes.txt", b"one\ntwo\n"))
        assert fired.vars["notes"] == ["one", "two"]
        # An upload is a request of its own, and this one shows no session.
        fired = await tab.upload(NotesState.take_in, ("notes.txt", b"three"), cookies={})
        assert_refused(fired, status=302)
    assert await Note.objects.acount() == 2


async def test_tidying_goes_on_in_the_background(event_client, acme, ada):
    await Note.objects.acreate(tenant=acme, author=ada, text="")
    async with event_client(host=ACME, user=ada) as tab:
        await tab.fire(NotesState.tidy)
        assert (await tab.background()).toasts == ["1 empty notes are gone."]
    assert not await Note.objects.aexists()


async def test_maintenance_stops_handlers_and_uploads_and_background_tasks(
    event_client, settings, ada
):
    async with event_client(host=ACME, user=ada) as tab:
        await tab.load("/")
        settings.MAINTENANCE = True
        assert_refused(await tab.fire(NotesState.add("hello")), status=503)
        assert_refused(await tab.upload(NotesState.take_in, ("a.txt", b"one")), status=503)
        await tab.fire(NotesState.tidy)
        assert_refused(await tab.background(), status=503)
    assert not await Note.objects.aexists()


def test_that_is_not_async_leaves_await_out(event_client, ada):
    with event_client(host=ACME, user=ada) as tab:
        assert tab.fire(NotesState.add("hello")).toasts == ["Saved."]
    assert Note.objects.get().author == ada
