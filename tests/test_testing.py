"""rxbridge.testing: handlers and middleware under test, without a browser."""

import asyncio
import re

import pytest
import reflex as rx
from django.contrib.auth.models import User
from django.http import HttpResponse, HttpResponseRedirect
from django.test import AsyncClient
from django.utils.deprecation import MiddlewareMixin
from reflex_base.registry import RegistrationContext

from rxbridge.errors import RxBridgeError
from rxbridge.events import SyntheticRequestFactory, login_required
from rxbridge.state import login_required_page
from rxbridge.testing import EventClient, Fired, assert_refused, make_event, run_middleware
from tests.events.app import Counter, app, bridge, bridged, connections, unbridged

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ada():
    return User.objects.create_user("ada")


class Talk(rx.State):
    """Sends the page what a test reads."""

    @rx.event
    def toast(self):
        yield rx.toast('It\'s "plain" (1)')
        yield rx.toast.success("good")
        yield rx.toast.error("bad", id="x")

    @rx.event
    def go(self, where: str):
        return rx.redirect(where)

    @rx.event
    def load(self):
        return rx.call_script('window.location.assign("/admin/")')

    @rx.event
    @login_required
    def secret(self):
        return rx.toast("secret")

    @rx.event
    def chain_a_failure(self):
        return [Counter.fail, Counter.add(1)]


class TestFired:
    async def test_toasts_are_the_messages_in_order(self):
        async with EventClient(app) as tab:
            fired = await tab.fire(Talk.toast)
        assert fired.toasts == ['It\'s "plain" (1)', "good", "bad"]
        assert fired.redirect is None

    @pytest.mark.parametrize("where", ["/members", "https://example.com/x"])
    async def test_redirect_is_where_the_browser_goes(self, where):
        async with EventClient(app) as tab:
            assert (await tab.fire(Talk.go(where))).redirect == where

    async def test_load_of_an_address_is_a_redirect_too(self):
        async with EventClient(app) as tab:
            assert (await tab.fire(Talk.load)).redirect == "/admin/"

    def test_nothing_came_of_nothing(self):
        fired = Fired()
        assert (fired.vars, fired.toasts, fired.redirect, fired.exception) == ({}, [], None, None)

    async def test_exception_of_a_chained_handler_is_not_lost(self):
        async with EventClient(app) as tab:
            with pytest.raises(LookupError):
                await tab.fire(Talk.chain_a_failure)

    async def test_exceptions_may_be_looked_at_instead(self):
        async with EventClient(app, raise_exceptions=False) as tab:
            fired = await tab.fire(Talk.chain_a_failure)
        assert [type(error) for error in fired.exceptions] == [LookupError]
        assert isinstance(fired.exception, LookupError)
        assert fired.vars["count"] == 0


class TestDecoratedPages:
    """Nothing has compiled the app, so Reflex has not added them yet."""

    @pytest.fixture
    def decorated(self):
        with RegistrationContext.ensure_context().fork():

            @rx.page(route="/decorated/[slug]", on_load=Talk.secret)
            @login_required_page
            def page():
                return rx.text("a page")

            @rx.page(route="/decorated", on_load=Counter.on_load)
            @rx.page(route="/also", on_load=Counter.add(3))
            def other():
                return rx.text("another")

            decorated = rx.App()
            decorated.add_middleware(bridge())
            yield decorated

    async def test_on_load_and_route_parameters(self, decorated, ada):
        async with EventClient(decorated, user=ada) as tab:
            assert (await tab.load("/decorated")).vars["name"] == "loaded by ada"
            assert (await tab.load("/also")).vars["count"] == 3
            await tab.load("/decorated/mug")
            assert (await tab.state(Counter)).slug == "mug"

    async def test_guard_of_the_page_speaks_for_what_it_loads(self, decorated):
        async with EventClient(decorated) as tab:
            fired = await tab.load("/decorated/mug")
        assert [refusal.status for refusal in fired.refusals] == [302]
        assert fired.redirect is None

    async def test_each_is_added_once(self, decorated, caplog):
        for _ in range(2):
            async with EventClient(decorated) as tab, tab.tab() as other:
                await other.load("/also")
        assert not caplog.records
        assert len(decorated._unevaluated_pages) == 3


class TestEventClient:
    async def test_state_is_this_tabs(self):
        async with EventClient(app) as tab, tab.tab() as other:
            await tab.fire(Counter.add(2))
            await other.fire(Counter.add(5))
            assert (await tab.state(Counter)).count == 2
            assert (await other.state(Counter)).count == 5

    async def test_tabs_are_who_they_are(self, ada):
        async with EventClient(app, user=ada) as tab, tab.tab(cookies={}) as other:
            both = await asyncio.gather(tab.fire(Counter.who), other.fire(Counter.who))
        assert both[0].vars["name"] == "ada"
        assert both[1].vars.get("name", "") == ""

    async def test_cookies_of_a_tab_may_be_anothers(self, ada):
        async with (
            EventClient(app, user=ada) as tab,
            tab.tab(cookies=dict(tab.cookies)) as other,
        ):
            assert (await other.fire(Counter.who)).vars["name"] == "ada"

    async def test_tabs_of_a_browser_share_its_cookies(self, ada):
        async with EventClient(app, user=ada, language="de") as tab:
            await tab.fire(Counter.set_cookie("theme", "dark"))
            async with tab.tab() as other:
                assert (await other.fire(Counter.who)).vars["name"] == "ada"
                assert (await other.fire(Counter.look)).vars["seen"][2] == "de"
                assert other.cookies["theme"] == "dark"
                assert other.connection.browser == tab.connection.browser

    async def test_login_of_a_tab_is_another_tabs_when_it_loads_a_page(self, ada):
        async with EventClient(app) as tab, tab.tab() as other:
            await tab.fire(Counter.sign_in("ada"))
            assert (await other.fire(Counter.who)).vars.get("name", "") == ""
            await other.load()
            assert (await other.fire(Counter.who)).vars["name"] == "ada"

    async def test_logout_of_a_tab_is_another_tabs_too(self, ada):
        async with EventClient(app, user=ada) as tab, tab.tab() as other:
            await tab.fire(Counter.sign_out)
            await other.load()
            assert "sessionid" not in other.cookies

    async def test_cookies_that_an_event_changes_are_in_what_was_fired(self):
        async with EventClient(app, cookies={"old": "1"}) as tab:
            assert (await tab.fire(Counter.set_cookie("new", "2"))).cookies == {"new": "2"}
            assert (await tab.fire(Counter.delete_cookie("old"))).cookies == {"old": None}
            assert (await tab.fire(Counter.add(1))).cookies == {}
            assert tab.cookies == {"new": "2"}

    async def test_messages_are_those_that_are_new(self, ada):
        async with EventClient(app, user=ada) as tab:
            assert (await tab.fire(Counter.add_message("one"))).messages == ["one"]
            assert (await tab.fire(Counter.add_message("two"))).messages == ["two"]
            assert (await tab.fire(Counter.add(1))).messages == []

    @pytest.mark.parametrize("registry", [connections, None])
    async def test_works_with_and_without_a_registry(self, ada, registry):
        seen = []

        class Look(MiddlewareMixin):
            def process_request(self, request):
                seen.append(request)

        with bridged(Look, requests=SyntheticRequestFactory(registry)):
            async with EventClient(
                app,
                user=ada,
                host="shop.example.com",
                secure=True,
                headers={"Accept-Language": "de", "X-Tenant": "acme"},
                client="203.0.113.7",
                cookies={"theme": "dark"},
            ) as tab:
                await tab.fire(Counter.who)
        request = seen[0]
        assert request.build_absolute_uri() == "https://shop.example.com/"
        assert request.headers["X-Tenant"] == "acme"
        assert request.META["REMOTE_ADDR"] == "203.0.113.7"
        assert request.COOKIES["theme"] == "dark"
        assert request.user.get_username() == "ada"

    async def test_cookies_may_be_those_of_djangos_test_client(self, ada):
        client = AsyncClient()
        await client.aforce_login(ada)
        client.cookies["note"] = "a b"
        async with EventClient(app, cookies=client.cookies) as tab:
            assert (await tab.fire(Counter.who)).vars["name"] == "ada"
            assert tab.cookies["note"] == '"a b"'

    async def test_tab_comes_back_when_the_server_closes_its_socket(self, ada):
        async with EventClient(app, user=ada) as tab:
            first = tab.connection
            await tab.fire(Counter.set_cookie("theme", "dark"))
            assert connections.close(lambda connection: connection is first) == 1
            assert (await tab.fire(Counter.who)).vars["name"] == "ada"
            assert (tab.connection is first, tab.cookies["theme"]) == (False, "dark")

    async def test_app_without_a_bridge(self):
        with unbridged():
            async with EventClient(app) as tab:
                assert (await tab.fire(Counter.add(1))).vars["count"] == 1

    async def test_dynamic_segments_are_route_arguments(self):
        async with EventClient(app) as tab:
            await tab.load("/product/mug", query="x=1")
            assert (await tab.state(Counter)).slug == "mug"

    @pytest.mark.parametrize("method", ["load", "navigate"])
    async def test_path_without_a_page_is_an_error_that_names_the_pages(self, method: str):
        async with EventClient(app) as tab:
            with pytest.raises(RxBridgeError, match=r"no page at '/nowhere'; it has .*/members"):
                await getattr(tab, method)("/nowhere")
            assert (await tab.fire(Counter.add(1))).vars["count"] == 1

    async def test_endless_background_task_does_not_hold_up_the_test(self):
        async with EventClient(app) as tab:
            await asyncio.wait_for(tab.fire(Counter.background_forever), 5)
            with pytest.raises(TimeoutError):
                await tab.background(timeout=0.05)
            # It is waited for again, not forgotten.
            with pytest.raises(TimeoutError):
                await tab.background(timeout=0.05)

    async def test_background_waits_for_tasks_that_a_chain_started_too(self, ada):
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Counter.start_background)
            assert (await tab.background()).vars["name"] == "ada"

    async def test_background_returns_at_once_when_there_is_none(self):
        async with EventClient(app) as tab:
            assert (await tab.background()).deltas == []

    async def test_client_leaves_nothing_open(self):
        before = len(connections)
        async with EventClient(app) as tab, tab.tab():
            assert len(connections) == before + 2
        assert len(connections) == before


class Gate(MiddlewareMixin):
    """Refuses by the page it is asked for."""

    def process_view(self, request, view, args, kwargs):
        if request.path == "/closed":
            return HttpResponse(status=503)
        return HttpResponseRedirect("/members?next=/") if request.path == "/moved" else None


class TestAssertRefused:
    @pytest.fixture(autouse=True)
    def gate(self):
        with bridged(Gate):
            yield

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("/closed", {}),
            ("/closed", {"status": 503}),
            ("/moved", {"status": 302}),
            ("/moved", {"redirect_to": "/members?next=/"}),
        ],
    )
    async def test_refusal_is_returned(self, path, expected):
        async with EventClient(app, path=path) as tab:
            refusal = assert_refused(await tab.fire(Counter.add(1)), **expected)
        assert refusal.event.handler_name == "tests.events.app.Counter.add"

    @pytest.mark.parametrize(
        ("path", "handler", "expected", "message"),
        [
            ("/", Counter.add(1), {}, "No event was refused; vars: {'count': 1"),
            ("/", Talk.toast, {}, "toasts: ['It\\'s"),
            ("/", Talk.go("/upload"), {}, "taken to: /upload"),
            ("/", Counter.fail, {}, "raised: [\"LookupError('the secret"),
            (
                "/closed",
                Counter.add(1),
                {"status": 403},
                (
                    "No event was refused with 403 before the handler ran; "
                    "refused: ['tests.events.app.Counter.add with 503']"
                ),
            ),
            (
                "/moved",
                Counter.add(1),
                {"redirect_to": "/"},
                (
                    "No event was refused to / before the handler ran; "
                    "refused: ['tests.events.app.Counter.add with 302 to /members?next=/']"
                ),
            ),
            (
                "/",
                Counter.deny,
                {"status": 403},
                "refused: ['tests.events.app.Counter.deny with 403, after the handler ran']",
            ),
        ],
    )
    async def test_failure_tells_what_happened_instead(self, path, handler, expected, message):
        async with EventClient(app, path=path, raise_exceptions=False) as tab:
            await tab.fire(Counter.add(0))
            fired = await tab.fire(handler)
            with pytest.raises(AssertionError, match=re.escape(message)):
                assert_refused(fired, **expected)

    async def test_handler_that_refused_itself_has_run(self):
        async with EventClient(app) as tab:
            assert_refused(await tab.fire(Counter.deny), status=403, handler_ran=True)

    async def test_refusals_are_each_tabs_own(self):
        async with EventClient(app, path="/closed") as tab, tab.tab(path="/") as other:
            fired, others = await asyncio.gather(
                tab.fire(Counter.add(1)), other.fire(Counter.add(1))
            )
        assert (len(fired.refusals), others.refusals) == (1, [])

    async def test_upload_and_background_task_are_refused(self):
        async with EventClient(app, path="/closed") as tab:
            await tab.fire(Counter.add(1))
            assert_refused(await tab.upload(Counter.upload, ("a.txt", b"1")), status=503)
            await tab.fire(Counter.background)
            assert_refused(await tab.background(), status=503)


class TestRunMiddleware:
    async def test_one_middleware_alone(self):
        class Banned(MiddlewareMixin):
            def process_request(self, request):
                if request.user.username == "eve":
                    return HttpResponse(status=403)
                return None

        run = await run_middleware(Banned, user=User(username="eve"))
        assert (run.view_called, run.response.status_code) == (False, 403)
        run = await run_middleware(Banned, user=User(username="ada"))
        assert (run.view_called, run.response.status_code) == (True, 200)

    async def test_view_and_event_may_be_given(self):
        seen = []

        async def view(request, /, **payload):
            seen.append((request.path, payload))

        run = await run_middleware(
            "django.middleware.common.CommonMiddleware",
            event=make_event(path="/cart", payload={"number": 1}, host="localhost"),
            view=view,
        )
        assert seen == [("/cart", {"number": 1})]
        assert run.exception is None

    async def test_exception_is_returned(self):
        class Failing(MiddlewareMixin):
            def process_request(self, request):
                raise LookupError

        run = await run_middleware(Failing)
        assert isinstance(run.exception, LookupError)
        assert not run.view_called


class TestMakeEvent:
    def test_is_what_a_browser_on_a_page_sends(self):
        event = make_event(
            "shop.cart.add",
            handler=Counter.add.fn,
            payload={"number": 1},
            path="/ä b",
            query="q=1",
            host="shop.example.com",
            secure=True,
            cookies={"a": "1", "b": "2"},
            headers={"X-Tenant": "acme"},
        )
        request = SyntheticRequestFactory().build(event)
        assert request.build_absolute_uri() == "https://shop.example.com/%C3%A4%20b?q=1"
        assert request.COOKIES == {"a": "1", "b": "2"}
        assert request.headers["X-Tenant"] == "acme"
        assert event.handler_name == "tests.events.app.Counter.add"

    def test_without_arguments_it_is_a_click_on_the_index_page(self):
        event = make_event()
        assert (event.name, event.payload) == ("event", {})
        assert SyntheticRequestFactory().build(event).path == "/"
