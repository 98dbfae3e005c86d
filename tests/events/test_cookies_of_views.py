"""What a view or a script of the server sets while a tab is open is what the tab's events have."""

import asyncio
import time

import httpx
import pytest
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

from rxbridge.asgi import ConnectionRegistry, CookieHandoff
from rxbridge.asgi.connections import BROWSER_COOKIE, parse_set_cookie
from rxbridge.asgi.cookies import TICKET_HEADER
from rxbridge.events import (
    MiddlewareRunner,
    ReflexEvent,
    SessionRevoker,
    SyntheticRequestFactory,
)
from rxbridge.events.bridge import keep_cookies

PAST = "Thu, 01 Jan 1970 00:00:00 GMT"
BROWSER = f"{BROWSER_COOKIE}0a={'a' * 32}"
OTHER = f"{BROWSER_COOKIE}0b={'b' * 32}"


def basket(request):
    request.session["basket"] = "lamp"
    return JsonResponse(dict(request.session))


def leave(request):
    request.session.flush()
    return HttpResponse()


urlpatterns = [path("basket/", basket), path("leave/", leave)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("a=1", ("a", "1", "/")),
        ('a="x y"; Path=/; HttpOnly', ("a", '"x y"', "/")),
        ("a=b=c; path=/shop/; SameSite=Lax", ("a", "b=c", "/shop/")),
        ("a=1; Path=shop", ("a", "1", "/")),
        ("a=1; Max-Age=0", ("a", None, "/")),
        ("a=1; Max-Age=-1", ("a", None, "/")),
        (f"a=; expires={PAST}", ("a", None, "/")),
        (f"a=1; expires={PAST}; Max-Age=60", ("a", "1", "/")),
        ("a=1; expires=soon; Max-Age=x", ("a", "1", "/")),
        ("", ("", "", "/")),
        ("a=1; expires=Fri, 31 Dec 10000 23:59:59 GMT", ("a", "1", "/")),
    ],
)
def test_set_cookie_is_read_as_a_browser_reads_it(header, expected):
    assert parse_set_cookie(header.encode()) == expected


def answering(*set_cookies: str):
    async def app(scope, receive, send):
        headers = [(b"Set-Cookie", each.encode()) for each in set_cookies]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return app


async def get(app, url="/", *, browser=BROWSER, accept="*/*"):
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        cookies = {"cookie": browser} if browser else {}
        answer = await client.get(url, headers={"accept": accept, **cookies})
    assert answer.status_code == 200
    return answer


@pytest.fixture
def connections():
    return ConnectionRegistry()


@pytest.fixture
def tab(connections):
    with connections.open(headers=[(b"cookie", f"{BROWSER}; kept=1; tz=UTC".encode())]) as tab:
        yield tab


async def comes_back(tab, seconds=5.0):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if tab.closed:
            return
        await asyncio.sleep(0.01)
    pytest.fail("the socket stays open")


async def test_what_an_answer_deletes_is_gone_at_once_and_for_what_it_sets_the_tab_comes_back(
    connections, tab
):
    app = answering("session=s1; Path=/; HttpOnly", f"tz=; expires={PAST}; Path=/")
    with connections.open(headers=[(b"cookie", OTHER.encode())]) as stranger:
        await get(connections.identify_browsers(app))
        assert tab.cookies == {"kept": "1"}
        assert not tab.closed
        await comes_back(tab)
        assert not stranger.closed
    assert tab.cookies == tab.held == {"kept": "1"}


async def test_a_tab_that_has_it_by_then_stays(connections, tab):
    with connections.open(headers=[(b"cookie", BROWSER.encode())]) as other:
        await get(connections.identify_browsers(answering("session=s1; Path=/")))
        tab.replace_cookies({"session": "s1"})
        await comes_back(other)
        assert not tab.closed


async def test_who_used_the_browser_before_is_not_given_the_next_ones_session(connections):
    noted = f"__Host-{BROWSER}"
    login = answering("session=next; Path=/; HttpOnly; Secure", "csrf=next; Path=/")
    # They may have left a session behind, too.
    with connections.open(headers=[(b"cookie", f"{noted}; session=left".encode())]) as former:
        await get(connections.identify_browsers(login), browser=f"{noted}; session=left")
        await comes_back(former)
    assert former.cookies == former.held == {"session": "left"}


@pytest.mark.parametrize("own", ["", f"__Host-{OTHER}; "])
async def test_who_plants_a_cookie_from_a_subdomain_is_not_known_by_it_over_tls(connections, own):
    login = connections.identify_browsers(answering("session=s1; Path=/; HttpOnly; Secure"))
    with (
        connections.open(headers=[(b"cookie", BROWSER.encode())], scheme="wss") as thief,
        connections.open(headers=[(b"cookie", f"{own}{BROWSER}".encode())], scheme="wss") as tab,
    ):
        await get(login, "https://testserver/", browser=f"{own}{BROWSER}")
        if own:
            await comes_back(tab)
        assert BROWSER not in (thief.browser, tab.browser)
        assert not thief.closed
        assert thief.cookies == {}


@pytest.mark.parametrize(
    "set_cookie",
    [
        "a=1; Path=/admin",
        "a=1; Path=/_eve",
        "=1; Path=/",
        "kept=1; Path=/",
        f"{BROWSER_COOKIE}ff={'f' * 32}; Path=/admin",
    ],
)
async def test_jar_is_left_alone_by_what_the_browser_sends_no_socket(connections, tab, set_cookie):
    before = tab.cookies
    await get(connections.identify_browsers(answering(set_cookie)))
    assert tab.cookies is before


@pytest.mark.parametrize("browser", [None, OTHER, BROWSER[:-1], f"{BROWSER_COOKIE}0a=short"])
async def test_jar_is_left_alone_by_answers_to_others(connections, tab, browser):
    before = tab.cookies
    await get(connections.identify_browsers(answering("session=stolen; Path=/")), browser=browser)
    assert tab.cookies is before


async def test_cookie_a_browser_is_known_by_stays_out_of_the_jar(connections, tab):
    await get(connections.identify_browsers(answering(f"{BROWSER_COOKIE}ff={'f' * 32}; Path=/")))
    assert tab.cookies == {"kept": "1", "tz": "UTC"}


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
@pytest.mark.parametrize(("known", "surplus"), [(1, 0), (2, 0), (3, 1), (12, 10), (99, 48)])
async def test_surplus_cookies_to_know_a_browser_by_are_taken_back(
    connections, known, surplus, accept
):
    names = [f"{BROWSER_COOKIE}{n:02}" for n in range(known - 1)]
    shown = [f"{name}={'v' * 32}" for name in [*names, f"__Host-{BROWSER_COOKIE}9"]]
    app = connections.identify_browsers(answering())
    answer = await get(app, browser="; ".join(shown), accept=accept)
    # A __Host- one comes first: nobody but this very host can have set it.
    gone = [f"{name}=; Path=/; Max-Age=0; SameSite=Lax" for name in sorted(names)[1:49]]
    assert answer.headers.get_list("set-cookie") == gone
    assert len(gone) == surplus


async def test_surplus_cookie_of_any_name_is_taken_back(connections):
    names = [f"{BROWSER_COOKIE}{each}" for each in ("0", "1", "\xe4\xf6")]
    planted = "; ".join(f"{name}={'v' * 32}" for name in names)
    answer = await get(connections.identify_browsers(answering()), browser=planted.encode())
    [gone] = [value for name, value in answer.headers.raw if name == b"set-cookie"]
    assert gone.startswith(f"{names[-1]}=; Path=/; Max-Age=0".encode())


async def test_cookie_of_an_open_tab_is_not_taken_back(connections):
    shown = [f"{BROWSER_COOKIE}{n:02}={'v' * 32}" for n in range(4)]
    app = connections.identify_browsers(answering())
    with connections.open(headers=[(b"cookie", shown[-1].encode())]):
        answer = await get(app, browser="; ".join(shown), accept="text/html")
    gone = [f"{BROWSER_COOKIE}02=; Path=/; Max-Age=0; SameSite=Lax"]
    assert answer.headers.get_list("set-cookie") == gone


async def test_a_socket_is_known_by_the_oldest_cookie_and_the_oldest_are_not_taken_back(
    connections, monkeypatch
):
    app, shown = connections.identify_browsers(answering()), []
    for moment in (2, 1, 10**18, 0):  # nanoseconds: three of them are of one second
        now = 18 * 10**17 + moment
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        (given,) = (await get(app, browser=None, accept="text/html")).headers.get_list("set-cookie")
        shown.append(given.partition(";")[0])
    answer = await get(app, browser="; ".join(shown), accept="text/html")
    gone = [each.partition("=")[0] for each in answer.headers.get_list("set-cookie")]
    assert gone == [each.partition("=")[0] for each in (shown[0], shown[2])]
    with connections.open(headers=[(b"cookie", "; ".join(shown).encode())]) as tab:
        assert tab.browser == shown[3]


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_open_sockets_are_looked_through_only_for_an_answer_that_sets_cookies(accept):
    class Looked(ConnectionRegistry):
        def __iter__(self):
            looked.append(True)
            return super().__iter__()

    looked, connections = [], Looked()
    await get(connections.identify_browsers(answering()), accept=accept)
    assert looked == []
    await get(connections.identify_browsers(answering("a=1")), accept=accept)
    assert looked == [True]


async def test_held_is_what_the_browser_has_and_not_what_events_have_set(connections, tab):
    tab.set_cookie("session", "of-an-event")
    tab.delete_cookie("kept")
    assert tab.held == {"kept": "1", "tz": "UTC"}
    app = answering("session=of-a-view; Path=/", "tz=Asia/Tokyo", f"kept=; expires={PAST}")
    await get(connections.identify_browsers(app))
    assert tab.held == {"tz": "UTC"}
    assert tab.cookies == {"session": "of-an-event", "tz": "UTC"}
    tab.replace_cookies({"a": "1"})
    assert tab.held == {"a": "1"}


async def test_followers_are_told_what_an_answer_changes(connections, tab):
    class Follower:
        def on_set_cookies(self, browsers, set_cookies):
            told.append((browsers, set_cookies))

    told, follower = [], Follower()
    connections.followers.add(follower)
    app = connections.identify_browsers(
        answering("a=1", "b=2; Path=/x", "gone=; Max-Age=0", f"{BROWSER_COOKIE}ff={'f' * 32}")
    )
    await get(app, browser=None)
    await get(app, browser=f"{BROWSER}; a=1; b=2")
    assert told == []
    await get(app, browser=f"{BROWSER}; a=1; b=1; gone=1")
    assert told == [({BROWSER}, [("b", "2", "/x"), ("gone", None, "/")])]


async def hand_over(handoff, ticket, cookies):
    """Do what the page of a browser does with a ticket; return what it was given."""
    transport = httpx.ASGITransport(handoff)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        said = {"origin": "http://testserver", TICKET_HEADER: ticket, "cookie": cookies}
        redeemed = await client.post(handoff.path, headers=said)
        assert redeemed.status_code == 204
        assert (await client.put(handoff.path, headers=said)).status_code == 204
    return redeemed.headers.get_list("set-cookie")


class TestSessionOfAView:
    """A real view and the real chain of an event, with one session between them."""

    @pytest.fixture
    def django(self, settings, transactional_db, connections):
        settings.ROOT_URLCONF = __name__
        return connections.identify_browsers(get_asgi_application())

    @pytest.fixture
    def count(self, connections):
        runner = MiddlewareRunner(
            ["django.contrib.sessions.middleware.SessionMiddleware"], threads=None
        )
        factory = SyntheticRequestFactory(connections)

        async def count(tab, meanwhile=None):
            async def view(request):
                if meanwhile is not None:
                    await meanwhile
                request.session["n"] = request.session.get("n", 0) + 1
                return JsonResponse(dict(request.session))

            event = ReflexEvent(name="shop.count", connection=tab)
            outcome = await runner.run(factory.build(event), view)
            assert outcome.exception is None
            return outcome.response

        return count

    async def test_the_tab_comes_back_with_it_and_begins_no_other(
        self, django, count, connections, tab
    ):
        shown = (await get(django, "/basket/")).cookies
        session = shown[settings.SESSION_COOKIE_NAME]
        await comes_back(tab)
        cookie = f"{BROWSER}; {settings.SESSION_COOKIE_NAME}={session}"
        with connections.open(headers=[(b"cookie", cookie.encode())]) as back:
            answer = await count(back)
        assert answer.content == b'{"basket": "lamp", "n": 1}'
        assert await Session.objects.acount() == 1

    async def test_one_that_a_view_ended_is_gone_from_the_next_event(self, django, count, tab):
        session = (await get(django, "/basket/")).cookies[settings.SESSION_COOKIE_NAME]
        tab.replace_cookies({settings.SESSION_COOKIE_NAME: session})
        shown = f"{BROWSER}; {settings.SESSION_COOKIE_NAME}={session}"
        await get(django, "/leave/", browser=shown)
        assert settings.SESSION_COOKIE_NAME not in tab.cookies
        assert (await count(tab)).content == b'{"n": 1}'

    async def test_one_of_another_worker_is_not_replaced_and_the_tab_has_it_next(
        self, django, count, connections, tab, caplog
    ):
        handoff = CookieHandoff(connections)
        elsewhere = ConnectionRegistry().identify_browsers(get_asgi_application())
        answer = await get(elsewhere, "/basket/")
        name, session = settings.SESSION_COOKIE_NAME, answer.cookies[settings.SESSION_COOKIE_NAME]
        jars = (tab.held, tab.cookies)
        response = await count(tab)
        before = keep_cookies(tab, response, jars)
        issued = {name: response.cookies[name].OutputString(), "seen": "seen=1"}
        ticket = await handoff.issue(tab, issued, before)
        assert await hand_over(handoff, ticket, f"{BROWSER}; {name}={session}") == ["seen=1"]
        assert "sessionid" in caplog.text
        assert session not in caplog.text
        assert tab.cookies[name] == session
        assert tab.closed
        assert (await count(tab)).content == b'{"basket": "lamp", "n": 1}'

    @pytest.mark.parametrize("where", ["here", "at another worker"])
    async def test_one_begun_while_an_event_ran_stays_and_has_what_the_event_wrote(
        self, django, count, connections, tab, caplog, where
    ):
        revoker = SessionRevoker(connections)
        handoff = CookieHandoff(connections, on_conflict=revoker.reunite)
        name, jars = settings.SESSION_COOKIE_NAME, (tab.held, tab.cookies)
        elsewhere = ConnectionRegistry().identify_browsers(get_asgi_application())
        answers = []

        async def meanwhile():
            answers.append(await get(django if where == "here" else elsewhere, "/basket/"))

        response = await count(tab, meanwhile=meanwhile())
        session = answers[0].cookies[name]
        before = keep_cookies(tab, response, jars)
        cookies = {name: response.cookies[name].OutputString()}
        ticket = await handoff.issue(tab, cookies, before)
        assert await hand_over(handoff, ticket, f"{BROWSER}; {name}={session}") == []
        assert "sessionid" in caplog.text
        assert (await count(tab)).content == b'{"basket": "lamp", "n": 2}'
        assert await Session.objects.acount() == 1
        revoker.close()

    @pytest.mark.parametrize(
        ("begun", "kept", "together", "is_all"),
        [
            ({"n": 1, "basket": "cup"}, {"basket": "lamp"}, {"basket": "lamp", "n": 1}, True),
            ({"n": 1, SESSION_KEY: "1"}, {"basket": "lamp"}, {"basket": "lamp"}, False),
            (None, {"basket": "lamp"}, {"basket": "lamp"}, True),
            ({"n": 1}, None, None, False),
        ],
    )
    async def test_what_an_event_wrote_is_taken_along_only_where_nobody_signed_in(
        self, transactional_db, connections, begun, kept, together, is_all
    ):
        async def key_of(content):
            store = SessionStore(None if content is not None else "m" * 32)
            if content is not None:
                await store.aupdate(content)
                await store.asave()
            return store.session_key

        keys = [await key_of(content) for content in (begun, kept)]
        revoker = SessionRevoker(connections)
        await revoker.reunite("another", *keys)
        assert dict(await SessionStore(keys[1]).aitems()) == (kept or {})
        assert await revoker.reunite(settings.SESSION_COOKIE_NAME, *keys) is is_all
        assert dict(await SessionStore(keys[1]).aitems()) == (together or {})
        left = {keys[0]} if begun and together != {"basket": "lamp", "n": 1} else set()
        rows = {row.pk async for row in Session.objects.all()}
        assert rows == left | ({keys[1]} if kept else set())
        revoker.close()
