"""EventBridge with CookieHandoff: cookies of an event are in the jar and on their way."""

import asyncio
from unittest.mock import AsyncMock

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils.deprecation import MiddlewareMixin

from rxbridge.events import ReflexEvent, SyntheticRequestFactory
from rxbridge.testing import EventClient
from tests.events.app import Counter, app, bridged, connections, gates
from tests.events.sign_in import Account, handoff

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def handed_off():
    with bridged(handoff=handoff):
        yield


@pytest.fixture
async def ada() -> User:
    return await User.objects.acreate_user("ada", password="right")


async def test_login_is_the_user_of_the_rest_of_the_handler_and_of_the_next_event(ada):
    async with EventClient(app) as tab:
        fired = await tab.fire(Account.enter, name="ada")
        assert fired.vars["inside"] == "ada"
        assert (await tab.fire(Account.who)).vars["name"] == "ada"


async def test_login_puts_a_ticket_on_its_way_and_the_session_into_the_jar(ada):
    async with EventClient(app) as tab:
        fired = await tab.fire(Account.enter, name="ada")
        (script,) = [e.payload["javascript_code"] for e in fired.events if e.name == "_call_script"]
        assert handoff.path in script
        assert "sessionid" not in script
        assert await Session.objects.filter(pk=tab.cookies["sessionid"]).aexists()


async def test_ten_clicks_that_save_the_session_are_one_hand_off(ada, settings, monkeypatch):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    monkeypatch.setattr(handoff, "lifetime", 600)  # No page redeems it; it is not offered again.
    async with EventClient(app, user=ada) as tab:
        fired = [await tab.fire(Account.who) for _ in range(10)]
        scripts = [e for each in fired for e in each.events if e.name == "_call_script"]
        assert len(scripts) == 1
        left = await tab.fire(Account.leave)
        assert [e.name for e in left.events].count("_call_script") == 1


async def test_event_ends_well_while_the_ticket_store_is_away_and_a_later_one_hands_off(
    ada, monkeypatch, caplog
):
    async with EventClient(app) as tab:
        with monkeypatch.context() as away:
            away.setattr(handoff.tickets, "put", AsyncMock(side_effect=ConnectionError("refused")))
            fired = await tab.fire(Account.enter, name="ada", then="/admin/")
        assert (fired.vars["inside"], fired.redirect) == ("ada", "/admin/")
        assert "refused" in caplog.text
        monkeypatch.setattr(handoff, "lifetime", 0)
        later = await tab.fire(Account.who)
        assert later.vars["name"] == "ada"
        assert [event.name for event in later.events] == ["_call_script"]


async def test_redirect_after_login_follows_the_hand_off(ada):
    async with EventClient(app) as tab:
        fired = await tab.fire(Account.enter, name="ada", then="/admin/")
        assert fired.redirect == "/admin/"
        (script,) = [e for e in fired.events if e.name == "_call_script"]
        assert "/admin/" in script.payload["callback"]


async def test_redirect_a_handler_returns_after_login_follows_the_hand_off(ada):
    async with EventClient(app) as tab:
        fired = await tab.fire(Counter.sign_in_and_go, username="ada")
        assert fired.redirect == "/members"
        assert fired.toasts == ["Welcome"]
        (script,) = [e for e in fired.events if e.payload.get("callback")]
        assert "/members" in script.payload["callback"]


async def test_redirect_without_cookies_is_a_plain_one():
    async with EventClient(app) as tab:
        fired = await tab.fire(Account.go, url="/members/x")
        assert fired.redirect == "/members/x"


async def test_redirect_a_handler_returns_beside_navigating_is_kept():
    async with EventClient(app) as tab:
        fired = await tab.fire(Account.go_and_open, url="/members", beside="https://example.com/")
        went = [event.payload["path"] for event in fired.events if event.name == "_redirect"]
        assert went == ["https://example.com/", "/members"]


async def test_login_changes_the_session_key_and_ends_the_old_session(ada):
    async with EventClient(app) as tab:
        await tab.fire(Account.remember, value="cart")
        old = tab.cookies["sessionid"]
        await tab.fire(Account.enter, name="ada")
        assert tab.cookies["sessionid"] != old
        assert not await Session.objects.filter(pk=old).aexists()
        assert (await tab.fire(Account.recall)).vars["name"] == "cart"


async def test_logout_empties_the_jar_and_the_next_event_is_anonymous(ada):
    async with EventClient(app, user=ada) as tab:
        session = tab.cookies["sessionid"]
        fired = await tab.fire(Account.leave)
        assert fired.vars["inside"] == ""
        assert "sessionid" not in tab.cookies
        assert not await Session.objects.filter(pk=session).aexists()
        assert (await tab.fire(Account.who)).vars["name"] == ""


@pytest.mark.parametrize(
    ("of_the_tab", "of_the_upload", "expected"),
    [("ada", None, "ada"), (None, None, "nobody"), ("ada", {}, "nobody"), ("bob", "ada", "ada")],
    ids=["own", "anonymous", "without cookies", "another's cookies"],
)
async def test_upload_is_whoever_its_own_cookies_say(ada, of_the_tab, of_the_upload, expected):
    users = {"ada": ada, "bob": await User.objects.acreate_user("bob"), None: None}
    async with EventClient(app, user=ada) as other:
        cookies = other.cookies if of_the_upload == "ada" else of_the_upload
        async with EventClient(app, user=users[of_the_tab]) as tab:
            fired = await tab.upload(Counter.upload, ("a.txt", b"abc"), cookies=cookies)
    assert (fired.vars["name"], fired.vars["count"]) == (expected, 3)


async def test_what_a_task_sets_after_its_socket_has_gone_the_tab_comes_back_with(ada):
    gates.update({"begun": asyncio.Event(), "go on": asyncio.Event()})

    class Late(MiddlewareMixin):
        def process_response(self, request, response):
            if request.reflex_event.background and gates["go on"].is_set():
                response.set_cookie("late", "1")
            return response

    with bridged(Late, handoff=handoff):
        async with EventClient(app, user=ada) as tab:
            await tab.load("/")
            await tab.fire(Counter.in_a_later_piece)
            await asyncio.wait_for(gates["begun"].wait(), 30)
            tab.connection.close()
            gates["go on"].set()
            await tab.background()
            tab._browser.cookies.pop("late", None)  # It has lost what its page was sent.
            fired = await tab.load("/")
            assert tab.cookies["late"] == "1"
            assert handoff.path in str([event.payload for event in fired.events])


async def test_page_of_a_socket_that_has_gone_leaves_its_cookies_to_the_next(ada):
    goes = []

    class Goes(MiddlewareMixin):
        def process_request(self, request):
            if goes:
                request.reflex_event.connection.close()

    with bridged(Goes, handoff=handoff):
        async with EventClient(app) as tab:
            await tab.load("/")
            await tab.fire(Account.enter, name="ada")
            for goes in ([True], []):
                tab._browser.cookies.clear()  # What its page was sent came to nothing.
                fired = await tab.load("/")
                assert tab.cookies["sessionid"]
                is_sent = handoff.path in str([event.payload for event in fired.events])
                assert is_sent is not bool(goes)


async def test_deleted_session_makes_the_next_event_anonymous(ada):
    async with EventClient(app, user=ada) as tab:
        await Session.objects.all().adelete()
        assert (await tab.fire(Account.who)).vars["name"] == ""


def test_login_outside_an_event_says_where_to_call_it():
    from rxbridge.errors import RxBridgeError

    state = Account(_reflex_internal_init=True)
    with pytest.raises(RxBridgeError, match="ran outside a bridged event"):
        state.navigate("/x")


class TestSessionOfAView:
    """A view gives the browser another session while an event is under way."""

    given = [("sessionid", "of-a-view", "/")]

    @pytest.fixture(autouse=True)
    def saved_every_time(self, settings):
        settings.SESSION_SAVE_EVERY_REQUEST = True

    @pytest.mark.parametrize("handler", ["of the page", "of a click"])
    async def test_stays_where_it_came_as_soon_as_the_request_was_built(self, ada, handler):
        class Meanwhile(SyntheticRequestFactory):
            def build(self, event):
                request = super().build(event)
                follow = request.reflex_event.connection.follow
                asyncio.get_running_loop().call_soon(follow, TestSessionOfAView.given)
                return request

        with bridged(requests=Meanwhile(connections), handoff=handoff):
            async with EventClient(app, user=ada) as tab:
                await (tab.load("/") if handler == "of the page" else tab.fire(Account.who))
                assert tab.cookies["sessionid"] == "of-a-view"

    async def test_stays_where_it_came_while_a_tab_was_computed_as_its_owner(self, ada):
        async with EventClient(app, user=ada) as tab:
            event = ReflexEvent(name="var", connection=tab.connection, shows_page=True)
            (bridge,) = app._middlewares
            await bridge.as_owner(event, lambda: tab.connection.follow(self.given))
            assert tab.cookies["sessionid"] == "of-a-view"

    async def test_is_told_of_as_the_tab_comes_back_where_a_login_came_to_nothing(self, ada):
        async with EventClient(app) as tab:
            await tab.load("/")
            assert (await tab.fire(Account.enter, name="ada")).vars["inside"] == "ada"
            tab._browser.cookies["sessionid"] = "of-a-view"
            told = ["Something changed in another tab meanwhile. Please try again."]
            assert (await tab.load("/")).toasts == told
            assert (await tab.load("/")).toasts == []

    async def test_brings_the_tab_back_when_it_was_told_what_the_event_did(self, ada):
        class Meanwhile(MiddlewareMixin):
            def process_request(self, request):
                if request.reflex_event.name.endswith("leave"):
                    request.reflex_event.connection.follow([("sessionid", session, "/")])

        with bridged(Meanwhile, handoff=handoff):
            bob = await User.objects.acreate(username="bob")
            async with EventClient(app, user=ada) as tab, tab.tab(user=bob) as other:
                session = other.cookies["sessionid"]
                fired = await tab.fire(Account.leave)
                assert fired.vars["inside"] == ""
                assert tab.cookies["sessionid"] == session
                for _ in range(3000):
                    if tab.connection.closed:
                        return
                    await asyncio.sleep(0.01)
        pytest.fail("its socket is still open")
