"""A kept identity: what packages decide about the user in an event stands, as it does in a view."""

from datetime import timedelta

import pytest
import reflex as rx
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from django.utils import timezone

from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import EventBridge, MiddlewareRunner, Revalidator
from rxbridge.state import AppState
from rxbridge.testing import EventClient
from tests.ecosystem.site import _app
from tests.settings import MIDDLEWARE

pytestmark = pytest.mark.django_db(transaction=True)
USERS: list[str] = []


def note(request):
    """Note whose ``request`` it is, in each of the places where Django keeps that."""
    of_backend = getattr(request, "_cached_user", request.user)
    USERS.append(f"{request.user.username} {of_backend.username}")


def remember(session, pk):
    """Have the user from now on be the one with ``pk``; with 0, be themselves again."""
    if pk:
        session["_impersonate"] = pk
    else:
        del session["_impersonate"]


class Desk(AppState, rx.State):
    @rx.event
    def who(self):
        note(self.request)

    @rx.event
    def impersonate(self, pk: int):
        remember(self.session, pk)


def who(request):
    note(request)
    return HttpResponse()


def impersonate(request, pk):
    remember(request.session, pk)
    return HttpResponse()


urlpatterns = [path("who/", who), path("impersonate/<int:pk>/", impersonate)]


class Browser:
    """A user's browser, whose requests are views: the control."""

    def __init__(self, user: User) -> None:
        self._client = Client()
        self._client.force_login(user)

    async def who(self) -> None:
        await sync_to_async(self._client.get)("/who/")

    async def impersonate(self, pk: int) -> None:
        await sync_to_async(self._client.get)(f"/impersonate/{pk}/")


class Tab:
    """A user's tab, whose requests are events."""

    def __init__(self, tab: EventClient) -> None:
        self._tab = tab

    async def who(self) -> None:
        await self._tab.fire(Desk.who)

    async def impersonate(self, pk: int) -> None:
        await self._tab.fire(Desk.impersonate(pk))


async def seen(middleware: str, story) -> tuple[list[str], list[str]]:
    """Return whose requests the views and the events of ``story`` are."""
    root = await User.objects.acreate_superuser("root")
    with override_settings(MIDDLEWARE=[*MIDDLEWARE, middleware]):
        USERS.clear()
        await story(await sync_to_async(Browser)(root))
        of_views = USERS[:]
        USERS.clear()
        connections = ConnectionRegistry()
        runner = MiddlewareRunner(identity=Revalidator(interval=3600))
        _app._middlewares = [EventBridge(connections, runner=runner)]
        async with EventClient(_app, user=root) as tab:
            await story(Tab(tab))
        return of_views, USERS[:]


async def test_session_whose_time_is_over_is_nobodys_in_that_very_event():
    async def story(visitor):
        await User.objects.aupdate(last_login=timezone.now())
        await visitor.who()
        await visitor.who()
        await User.objects.aupdate(last_login=timezone.now() - timedelta(hours=2))
        await visitor.who()
        await visitor.who()

    of_views, of_events = await seen("django_auto_logout.middleware.auto_logout", story)
    assert of_events == of_views
    assert [each.split(" ")[0] for each in of_events] == ["root", "root", "", ""]


async def test_impersonation_starts_and_stops_with_the_next_event():
    ada = await User.objects.acreate_user("ada")

    async def story(visitor):
        await visitor.who()
        await visitor.impersonate(ada.pk)
        await visitor.who()
        await visitor.who()
        await visitor.impersonate(0)
        await visitor.who()

    of_views, of_events = await seen("impersonate.middleware.ImpersonateMiddleware", story)
    assert of_events == of_views
    assert [each.split(" ")[0] for each in of_events] == ["root", "ada", "ada", "root"]
