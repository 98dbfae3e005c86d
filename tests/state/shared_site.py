"""The test app as one of several workers runs it: its states are in the Redis that all share."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from django.core.asgi import get_asgi_application

django = get_asgi_application()

import reflex as rx  # noqa: E402 - Django comes first

from rxbridge.asgi import REFLEX_PREFIXES, PrefixRouter  # noqa: E402
from rxbridge.events import reflex_asgi  # noqa: E402
from rxbridge.state import AppState, DjangoUserState, PicklingStripper  # noqa: E402
from tests.events.app import app, connections  # noqa: E402

reflex = connections.wrap(reflex_asgi(app))


class Clicks(AppState, PicklingStripper, rx.State):
    """Counts clicks, each of which has a number, so that one sent again is known."""

    count: int = 0
    clicks: list[int] = []
    _request: object = None

    @rx.event
    def click(self, number: int):
        self._request = self.request
        if number not in self.clicks:
            self.clicks = [*self.clicks, number]
            self.count += 1


app.add_page(lambda: rx.text(Clicks.count, DjangoUserState.username), route="/clicks")

application = PrefixRouter(dict.fromkeys(REFLEX_PREFIXES, reflex), default=django, lifespan=reflex)
