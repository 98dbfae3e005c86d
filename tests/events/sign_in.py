"""States whose handlers sign users in and out, on an app of which cookies are handed off."""

import reflex as rx
from django.contrib.auth.models import User

from rxbridge.asgi import CookieHandoff
from rxbridge.state import AppState
from tests.events.app import connections

handoff = CookieHandoff(connections)


class Account(AppState, rx.State):
    """Sign in, sign out, and keep something in the session."""

    name: str = ""
    inside: str = ""

    @rx.event
    async def enter(self, name: str, then: str = ""):
        await self.login(await User.objects.aget(username=name))
        self.inside = self.user.get_username()
        if then:
            self.navigate(then)

    @rx.event
    async def leave(self):
        await self.logout()
        self.inside = self.user.get_username()

    @rx.event
    def who(self):
        self.name = self.user.get_username()

    @rx.event
    def go(self, url: str):
        self.navigate(url)

    @rx.event
    def go_and_open(self, url: str, beside: str):
        self.navigate(url)
        return rx.redirect(beside, is_external=True)

    @rx.event
    def remember(self, value: str):
        self.session["value"] = value

    @rx.event
    def recall(self):
        self.name = self.session.get("value", "")
