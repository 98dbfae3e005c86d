"""The page of the trace: who is shown it, what it shows, and that it runs nobody's script."""

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
import uvicorn
from django.http import HttpResponse, HttpResponseRedirect
from playwright.sync_api import expect

from rxbridge.asgi import PrefixRouter
from rxbridge.events import SyntheticRequestFactory
from rxbridge.testing import EventClient, make_event
from rxbridge.trace import EventTrace, TracedRunner
from tests.browser.conftest import launched
from tests.trace.site import Orders, app

SCRIPT = "<script>window.hacked = true</script><img src=x onerror='window.hacked = true'>"


async def get(
    trace: EventTrace,
    query: str = "",
    *,
    client: str = "127.0.0.1",
    host: str = "localhost",
    method: str = "GET",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    router = PrefixRouter({"/_trace": trace}, default=EventTrace())
    transport = httpx.ASGITransport(app=router, client=(client, 1))
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as browser:
        return await browser.request(method, f"/_trace{query}", headers=headers or {})


async def record(trace: EventTrace, *middleware, handler=None, **event) -> None:
    async def view(request, **kwargs):
        return HttpResponse()

    described = make_event(**{"handler": handler} if handler else {})
    request = SyntheticRequestFactory().build(make_event())
    request.reflex_event = replace(described, **event)
    await TracedRunner(trace, middleware, threads=None).run(request, view)


class TestWhoIsShownIt:
    @pytest.mark.parametrize(
        ("debug", "request_of", "status"),
        [
            (True, {}, 200),
            (True, {"client": "::1"}, 200),
            (True, {"client": "127.8.8.8"}, 200),
            (True, {"method": "HEAD"}, 200),
            (True, {"method": "POST"}, 404),
            (True, {"client": "192.168.0.7"}, 404),
            (True, {"client": "203.0.113.9"}, 404),
            (True, {"client": "testclient"}, 404),
            (True, {"host": "rebound.example.org"}, 404),
            (False, {}, 404),
            (False, {"client": "::1"}, 404),
        ],
    )
    async def test_by_default_a_developer_on_this_machine(
        self, settings, debug, request_of, status
    ):
        settings.DEBUG = debug
        response = await get(EventTrace(), **request_of)
        assert response.status_code == status
        assert ("Event trace" in response.text) == (
            status == 200 and request_of.get("method") != "HEAD"
        )

    @pytest.mark.parametrize(
        "name",
        [
            "Forwarded",
            "Via",
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Port",
            "X-Forwarded-Proto",
            "X-Forwarded-Server",
            "X-Real-IP",
            "X-Client-IP",
            "CF-Connecting-IP",
            "True-Client-IP",
        ],
    )
    async def test_what_a_proxy_on_this_machine_forwarded_is_not_shown_it(self, settings, name):
        settings.DEBUG = True
        assert (await get(EventTrace(), headers={name: "127.0.0.1"})).status_code == 404

    async def test_debug_turned_on_later_opens_nothing(self, settings):
        trace = EventTrace()
        settings.DEBUG = True
        assert (await get(trace)).status_code == 404

    @pytest.mark.parametrize("query", ["?format=json", "?format=json&event=1"])
    async def test_json_is_kept_from_the_same_people(self, query):
        assert (await get(EventTrace(), query)).status_code == 404

    async def test_unix_socket_is_nobodys_address(self, settings):
        settings.DEBUG = True
        sent = []

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/_trace",
            "headers": [(b"host", b"localhost")],
            "client": None,
        }
        await EventTrace()(scope, None, send)
        assert sent[0]["status"] == 404

    @pytest.mark.parametrize(("host", "status"), [("localhost", 200), ("rebound.example.org", 404)])
    async def test_allow_replaces_the_rule_but_not_the_allowed_hosts(self, host, status):
        trace = EventTrace(allow=lambda scope: scope["client"][0] == "203.0.113.9")
        assert (await get(trace, client="203.0.113.9", host=host)).status_code == status
        assert (await get(trace, client="127.0.0.1", host=host)).status_code == 404

    @pytest.mark.parametrize(("answer", "status"), [(True, 200), (False, 404), (None, 404)])
    async def test_allow_may_be_async(self, answer, status):
        async def allow(scope):
            return answer

        assert (await get(EventTrace(allow=allow))).status_code == status

    async def test_nothing_is_shown_if_allow_fails(self):
        def allow(scope):
            raise LookupError

        with pytest.raises(LookupError):
            await get(EventTrace(allow=allow))

    async def test_refusal_of_a_developer_elsewhere_says_what_to_write(self, settings, caplog):
        settings.DEBUG = True
        await get(EventTrace(), client="172.17.0.1")
        assert "EventTrace(allow=" in caplog.text


class TestWhatItShows:
    async def test_nothing_yet(self):
        assert "No event yet" in (await get(EventTrace(allow=bool))).text

    @pytest.mark.django_db(transaction=True)
    async def test_page_and_json_tell_of_the_event(self, ada, traced):
        trace = traced()
        async with EventClient(app, user=ada) as tab:
            await tab.fire(Orders.one_by_one)
        page, answer = await get(trace), await get(trace, "?format=json")
        for shown in (
            "Orders.one_by_one",
            "SessionMiddleware",
            "session and user",
            "turnstile",
            "7 SQL",
            "\N{MULTIPLICATION SIGN}5",
            "basket",
            f"user {ada.pk}",
        ):
            assert shown in page.text
        [event] = answer.json()["events"]
        assert event == json.loads(json.dumps(trace.events()))[0]
        assert event["sql_count"] == 7

    async def test_choice(self):
        async def other(state):
            pass

        def refusing(get_response):
            return lambda request: HttpResponse(status=403)

        trace = EventTrace(allow=bool)
        await record(trace)
        await record(trace, handler=other)
        await record(trace, refusing)
        for query, numbers in {
            "": [3, 2, 1],
            "&result=refused": [3],
            f"&handler={other.__module__}.{other.__qualname__}": [2],
            "&user=nobody&result=done": [2, 1],
            "&user=7": [],
            "&before=3": [2, 1],
            "&before=x&refresh=-1&event=9999999999999": [3, 2, 1],
        }.items():
            answer = (await get(trace, f"?format=json{query}")).json()
            assert [event["number"] for event in answer["events"]] == numbers, query
            page = (await get(trace, f"?{query}")).text
            assert page.count("<details ") == len(numbers)
            assert page.count("did not run") == (3 in numbers), "of the refused one"

    async def test_older_events_are_on_further_pages(self):
        trace = EventTrace(allow=bool)
        for _ in range(60):
            await record(trace)
        first = await get(trace)
        assert first.text.count("<details ") == 50
        assert "before=11" in first.text
        assert (await get(trace, "?before=11")).text.count("<details ") == 10

    async def test_refresh_only_when_asked(self):
        trace = EventTrace(allow=bool)
        assert 'http-equiv="refresh"' not in (await get(trace)).text
        assert 'http-equiv="refresh" content="2"' in (await get(trace, "?refresh=2")).text
        assert 'content="60"' in (await get(trace, "?refresh=99999")).text

    async def test_numbers_are_those_of_svg_in_any_language(self, settings):
        settings.LANGUAGE_CODE, settings.USE_THOUSAND_SEPARATOR = "de", True
        trace = EventTrace(allow=bool)
        for _ in range(3):
            await record(trace, slow)
        text = (await get(trace)).text
        assert 'width="100.000%"' in text

    async def test_headers_let_nothing_in_and_nothing_stay(self):
        headers = (await get(EventTrace(allow=bool))).headers
        assert headers["cache-control"] == "no-store"
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; style-src 'sha256-"
        )
        assert headers["x-content-type-options"] == "nosniff"

    async def test_what_others_chose_is_escaped(self):
        trace = EventTrace(allow=bool)
        await record(
            trace,
            redirecting,
            name=SCRIPT,
            router_data={"pathname": f"/{SCRIPT}"},
        )
        page = await get(trace, f"?handler={SCRIPT}&result={SCRIPT}&user={SCRIPT}")
        assert SCRIPT not in page.text
        page = await get(trace)
        assert "&lt;script&gt;" in page.text
        for harmful in ("<script", "<img", "onerror='"):
            assert harmful not in page.text


def slow(get_response):
    def middleware(request):
        time.sleep(0.002)
        return get_response(request)

    return middleware


def redirecting(get_response):
    return lambda request: HttpResponseRedirect(f"/{SCRIPT}")


@contextlib.contextmanager
def served(trace: EventTrace) -> Iterator[str]:
    """Serve the trace on a real server, in a thread."""
    application = PrefixRouter({"/_trace": trace}, default=EventTrace())
    server = uvicorn.Server(uvicorn.Config(application, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/_trace"
    finally:
        server.should_exit = True
        thread.join()


# Django's error page under DEBUG shows the state, and has Reflex make the coroutines of its async
# vars: another module's, for all tests share one app.
@pytest.mark.filterwarnings("ignore:.*AsyncComputedVar")
@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_in_a_browser(ada, traced, settings, scheme):
    settings.DEBUG = True
    trace = traced(trace=EventTrace())

    async def events() -> None:
        async with EventClient(app, user=ada, raise_exceptions=False) as tab:
            await tab.load()
            for handler in (Orders.add, Orders.one_by_one, Orders.deny, Orders.fail):
                await tab.fire(handler)
        await record(trace, redirecting, name=SCRIPT, router_data={"pathname": f"/{SCRIPT}"})

    asyncio.run(events())
    with served(trace) as url, launched() as browser:
        page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type]
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        assert page.locator("details").count() == 6
        assert page.locator("details[open]").count() == 1
        assert page.evaluate("window.hacked") is None
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(246, 247, 249)" if scheme == "light" else "rgb(18, 21, 28)")

        page.select_option("select[name=result]", "failed")
        page.click("text=Show")  # which does not wait for what it loads
        expect(page.locator("details")).to_have_count(1)
        assert "LookupError" in page.inner_text("main")
        page.click("text=All")
        page.click("summary:has-text('Orders.one_by_one')")
        handler = page.locator("details:has-text('Orders.one_by_one') tr.view rect.handler")
        fall = page.locator("details:has-text('Orders.one_by_one') tr.view td svg")
        inner, outer = handler.bounding_box(), fall.bounding_box()
        assert inner is not None
        assert outer is not None
        assert 2 < inner["width"] < outer["width"]
        assert outer["x"] <= inner["x"]
        # The browser's own request for a favicon is none of the page's.
        assert [each for each in complaints if "404" not in each] == []
