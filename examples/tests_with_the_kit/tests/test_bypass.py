"""What somebody sends who does not use the page: handshakes and events made by hand."""

import pytest
from rxbridge.testing import assert_refused

from notes.models import Note
from notes.state import NotesState

HOST = "acme.example.com"
STATE = NotesState.get_full_name()

pytestmark = pytest.mark.usefixtures("acme")


@pytest.fixture
def adas(client, ada):
    """Return the cookies of Ada's browser, in which she is signed in."""
    client.force_login(ada)
    return client.cookies


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (f"http://{HOST}", 101),
        ("https://evil.example", 403),
        ("http://evil.example.com.evil.example", 403),
        ("null", 403),
        (None, 403),
    ],
)
async def test_other_sites_get_no_socket(raw_client, adas, origin, status):
    async with (
        raw_client as raw,
        raw.connect(host=HOST, origin=origin, cookies=adas) as socket,
    ):
        assert socket.status == status


async def test_handler_without_its_page_is_guarded_all_the_same(raw_client):
    async with raw_client as raw, raw.connect(host=HOST) as socket:
        fired = await socket.send(f"{STATE}.add", {"text": "hello"})
        assert_refused(fired, status=302)
    assert not await Note.objects.aexists()


async def test_notes_of_others_cannot_be_deleted(
    raw_client, acme, ada, async_client, django_user_model
):
    note = await Note.objects.acreate(tenant=acme, author=ada, text="ada's")
    eve = await django_user_model.objects.acreate_user("eve")
    await async_client.aforce_login(eve)
    async with raw_client as raw, raw.connect(host=HOST, cookies=async_client.cookies) as socket:
        fired = await socket.send(f"{STATE}.delete", {"pk": note.pk})
        assert_refused(fired, status=403, handler_ran=True)
    assert await Note.objects.aexists()


async def test_token_of_a_tab_does_not_make_one_its_user(raw_client, adas):
    async with (
        raw_client as raw,
        raw.connect(host=HOST, cookies=adas) as tab,
        raw.connect(host=HOST, token=tab.token) as thief,
    ):
        assert_refused(await thief.send(f"{STATE}.add", {"text": "hello"}), status=302)


async def test_tenant_is_not_what_the_page_claims(raw_client, adas):
    claim = {"pathname": "/", "asPath": "/", "headers": {"host": "other.example.com"}}
    async with raw_client as raw, raw.connect(host=HOST, cookies=adas) as socket:
        await socket.send(f"{STATE}.add", {"text": "hello"}, router_data=claim)
    assert (await Note.objects.select_related("tenant").aget()).tenant.host == HOST


async def test_names_and_payloads_that_do_not_exist_come_to_nothing(raw_client):
    async with raw_client as raw, raw.connect(host=HOST) as socket:
        for name in (f"{STATE}.no_such_handler", "no.such.state.handler", ""):
            assert (await socket.send(name, {"text": "hello"})).deltas == []
    assert not await Note.objects.aexists()
