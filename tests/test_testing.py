"""rxbridge.testing: handlers and middleware under test, without a browser."""

import asyncio

import pytest
import reflex as rx
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.utils.deprecation import MiddlewareMixin

from rxbridge.events import SyntheticRequestFactory
from rxbridge.testing import EventClient, Fired, make_event, run_middleware
from tests.events.app import Counter, app, bridged, connections, journal, unbridged

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


class TestEventClient:
    async def test_state_is_this_tabs(self):
        async with EventClient(app) as tab, tab.tab() as other:
            await tab.fire(Counter.add(2))
            await other.fire(Counter.add(5))
            assert (await tab.state(Counter)).count == 2
            assert (await other.state(Counter)).count == 5

    async def test_tabs_are_who_they_are(self, ada):
        async with EventClient(app, user=ada) as tab, tab.tab() as other:
            both = await asyncio.gather(tab.fire(Counter.who), other.fire(Counter.who))
        assert both[0].vars["name"] == "ada"
        assert both[1].vars.get("name", "") == ""

    async def test_cookies_of_a_tab_may_be_anothers(self, ada):
        async with (
            EventClient(app, user=ada) as tab,
            tab.tab(cookies=dict(tab.cookies)) as other,
        ):
            assert (await other.fire(Counter.who)).vars["name"] == "ada"

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

    async def test_app_without_a_bridge(self):
        with unbridged():
            async with EventClient(app) as tab:
                assert (await tab.fire(Counter.add(1))).vars["count"] == 1

    async def test_dynamic_segments_are_route_arguments(self):
        async with EventClient(app) as tab:
            await tab.load("/product/mug", query="x=1")
            assert (await tab.state(Counter)).slug == "mug"

    async def test_unknown_page_loads_without_on_load(self):
        journal.clear()
        async with EventClient(app) as tab:
            assert (await tab.load("/nowhere")).vars["is_hydrated"] is True
        assert journal == []

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


class TestRunMiddleware:
    async def test_one_middleware_alone(self):
        class Banned(MiddlewareMixin):
            def process_request(self, request):
                if request.user.username == "eve":
                    return HttpResponse(status=403)
                return None

        run = await run_middleware(Banned, user=User(username="eve"))
        assert (run.reached, run.response.status_code) == (False, 403)
        run = await run_middleware(Banned, user=User(username="ada"))
        assert (run.reached, run.response.status_code) == (True, 200)

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
        assert not run.reached


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
