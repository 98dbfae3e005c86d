"""Revalidator: what a middleware decides in an event stands, whoever was known before."""

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model, logout
from django.http import HttpResponse
from django.test import Client
from django.utils.decorators import async_only_middleware
from django.utils.deprecation import MiddlewareMixin

from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import (
    MiddlewareRunner,
    ReflexEvent,
    Revalidator,
    SyntheticRequestFactory,
)
from rxbridge.events.chain.identity import known_user


class Decides(MiddlewareMixin):
    """What an idle logout and an impersonation do, when the event says so."""

    def process_request(self, request):
        match request.reflex_event.payload.get("decide"):
            case "sign_out":
                logout(request)
            case "impersonate":
                request.user = get_user_model()(username="bob")
            case "ask":
                assert request.user.is_authenticated

    def process_view(self, request, view, args, kwargs):
        if request.reflex_event.payload.get("decide") == "impersonate_late":
            request.user = get_user_model()(username="bob")


@async_only_middleware
def asks_async(get_response):
    """Finds the user in the session as an async middleware does, when the event says so."""

    async def middleware(request):
        if request.reflex_event.payload.get("decide") == "ask_async":
            assert (await request.auser()).is_authenticated
        return await get_response(request)

    return middleware


CHAIN = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    Decides,
]


@pytest.fixture
def site(transactional_db, request):
    ann = get_user_model().objects.create_user(username="ann")
    client = Client()
    client.force_login(ann)
    cookies = {settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value}
    connections, revalidator = ConnectionRegistry(), Revalidator()
    runner = MiddlewareRunner(getattr(request, "param", CHAIN), identity=revalidator, threads=None)
    factory = SyntheticRequestFactory(connections)
    with connections.open(cookies=cookies) as connection:

        async def user_of(decide="", then=lambda response: None):
            seen = []

            async def view(request, **kwargs):
                seen.append(request)
                return HttpResponse()

            payload = {"decide": decide}
            event = ReflexEvent(name="shop.buy", payload=payload, connection=connection)
            outcome = await runner.run(factory.build(event), view, kwargs=payload)
            assert outcome.exception is None
            then(outcome.response)
            return seen[0]

        yield user_of, revalidator, connection


@pytest.mark.parametrize(
    ("decide", "name"), [("sign_out", ""), ("impersonate", "bob"), ("impersonate_late", "bob")]
)
async def test_user_a_middleware_put_there_is_the_events(site, decide, name):
    fire, *_ = site
    assert (await fire()).user.get_username() == "ann"
    assert (await fire()).user.get_username() == "ann"
    assert (await fire(decide)).user.get_username() == name


@pytest.mark.parametrize("decide", ["impersonate", "impersonate_late"])
async def test_impersonation_ends_with_the_event_that_no_longer_asks_for_it(site, decide):
    fire, *_ = site
    assert (await fire(decide)).user.get_username() == "bob"
    assert (await fire()).user.get_username() == "ann"


async def test_decision_of_a_middleware_is_not_kept(site):
    fire, revalidator, _ = site
    await fire()
    await fire("impersonate")
    assert len(revalidator) == 0


@pytest.mark.parametrize(
    ("site", "ask"), [(CHAIN, "ask"), ([*CHAIN, asks_async], "ask_async")], indirect=["site"]
)
async def test_user_a_middleware_has_asked_for_is_not_overruled(site, ask):
    fire, *_ = site
    assert (await fire()).user.username == "ann"
    await get_user_model().objects.aupdate(username="anna")
    assert (await fire()).user.username == "ann"
    assert (await fire(ask)).user.username == "anna"
    assert (await fire()).user.username == "anna"


async def test_known_user_stands_where_django_keeps_its_own(site):
    fire, *_ = site
    first, second = await fire(), await fire()
    assert second.user is second._cached_user
    assert second._cached_user == first.user


async def test_session_saved_at_each_event_does_not_have_its_user_asked_for_again(site, settings):
    settings.SESSION_SAVE_EVERY_REQUEST = True
    fire, _, connection = site
    saved = []

    def keep(response):
        (cookie,) = response.cookies.values()
        connection.set_cookie(cookie.key, cookie.coded_value)
        connection.replace_cookies({cookie.key: cookie.coded_value})
        saved.append(cookie)

    users = [known_user(await fire(then=keep)) for _ in range(10)]
    assert len(saved) == 10
    assert len({id(user) for user in users}) == 1
