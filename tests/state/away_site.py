"""The test app with its states, cache, sessions and broadcast in Redis, and a database."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.state.away_settings")

from django.core.asgi import get_asgi_application

django = get_asgi_application()

import reflex as rx  # noqa: E402 - Django comes first
from django.contrib.auth.models import User  # noqa: E402
from django.core.cache import cache  # noqa: E402

from rxbridge.asgi import REFLEX_PREFIXES, ConnectionRegistry, LifespanGroup, PrefixRouter  # noqa: E402
from rxbridge.events import (  # noqa: E402
    EventBridge,
    RedisBroadcast,
    SessionRevoker,
    reflex_asgi,
)
from rxbridge.state import AppState, DjangoUserState  # noqa: E402

connections = ConnectionRegistry()
revoker = SessionRevoker(connections, broadcast=RedisBroadcast(os.environ["AWAY_BROADCAST"]))
app = rx.App()
app.add_middleware(EventBridge(connections, revoker=revoker))


class Away(AppState, rx.State):
    """Handlers that need one thing or the other."""

    count: int = 0
    note: str = ""

    @rx.event
    def click(self):
        self.count += 1

    @rx.event
    def click_in_session(self):
        self.session["clicks"] = self.session.get("clicks", 0) + 1
        self.count += 1

    @rx.event
    def click_in_cache(self):
        cache.set("clicks", cache.get("clicks", 0) + 1)
        self.count += 1

    @rx.event
    def click_in_database(self):
        User.objects.filter(username="ada").update(first_name=str(self.count + 1))
        self.count += 1

    @rx.event
    def click_in_steps(self):
        self.note = "begun"
        yield
        self.count += 1
        self.note = "done"


app.add_page(lambda: rx.text(Away.count, DjangoUserState.username), route="/")
reflex = connections.wrap(reflex_asgi(app))
application = PrefixRouter(
    dict.fromkeys(REFLEX_PREFIXES, reflex),
    default=django,
    lifespan=LifespanGroup(revoker.lifespan, reflex),
)
