"""The contenders of ``bench_sockets.py``: each an ASGI app on a real server.

    python -m benchmarks.contenders.sites rxbridge 8000

Each tab's socket belongs to a signed-in user, has a counter, and three events: ``read`` counts and
names the user, ``session`` also writes the session, ``orm`` also makes one ORM write.
"""

import itertools
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.contenders.settings")

number = itertools.count()


def tell(handlers):
    """Write what Reflex calls its handlers, which no page is there to say."""
    from reflex_base.event import Event

    names = {name: Event.from_event_type(each)[0].name for name, each in handlers.items()}
    Path("events.json").write_text(json.dumps(names))


def rxbridge(*options):
    """Return a Reflex app behind the bridge, as in the README; ``plain`` and ``revalidator``."""
    import reflex as rx

    from benchmarks.contenders.through_rxbridge import async_state, plain_state
    from rxbridge.asgi import ConnectionRegistry, LifespanGroup, OriginGuard, PrefixRouter
    from rxbridge.events import EventBridge, Sessions, reflex_asgi
    from rxbridge.state import DjangoUserState

    connections = ConnectionRegistry()
    sessions = Sessions(connections, check_every=60.0 if "revalidator" in options else None)
    state = plain_state() if "plain" in options else async_state()
    tell({"read": state.read, "session": state.session_write, "orm": state.orm})
    app = rx.App()
    app.add_page(lambda: rx.text(state.who, DjangoUserState.username), route="/")
    app.add_middleware(EventBridge(connections, sessions=sessions))
    served = reflex_asgi(app)
    guarded = OriginGuard.from_settings(connections.wrap(served))
    return PrefixRouter(
        {"/_event": guarded, sessions.path: sessions}, lifespan=LifespanGroup(sessions, served)
    )


def bare_reflex():
    """Return a Reflex app, with no Django at all."""
    import reflex as rx
    from reflex_base.environment import environment

    class Clicks(rx.State):
        clicks: int = 0

        @rx.event
        async def read(self):
            self.clicks += 1

    tell({"read": Clicks.read})
    app = rx.App()
    app.add_page(lambda: rx.text(Clicks.clicks), route="/")
    environment.REFLEX_SKIP_COMPILE.set(True)
    return app()


def reflex_django():
    """Return the app that reflex-django makes of its project, see ``through_reflex_django.py``."""
    from reflex_base.environment import environment

    from benchmarks.contenders.through_reflex_django import contender

    tabs = contender()
    Path("../events.json").write_text(json.dumps(tabs._events))
    app = tabs._app
    environment.REFLEX_SKIP_COMPILE.set(True)
    return app()


def channels(*options):
    """Return a consumer written by hand; ``asking`` loads session and user for each event."""
    from channels.auth import AuthMiddlewareStack, get_user
    from channels.db import database_sync_to_async
    from channels.generic.websocket import AsyncJsonWebsocketConsumer
    from channels.routing import URLRouter
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.urls import path
    from django.utils.module_loading import import_string

    session_store = import_string(settings.SESSION_ENGINE + ".SessionStore")

    class Clicks(AsyncJsonWebsocketConsumer):
        async def connect(self):
            self.clicks = 0
            self.user = self.scope["user"]
            # Resolve what is lazy; without it the user is asked for on the event loop.
            await get_user(self.scope)
            await self.accept()

        async def receive_json(self, content):
            if "asking" in options:
                key = self.scope["session"].session_key
                self.scope["session"] = session_store(key)
                self.user = await get_user(self.scope)
            self.clicks += 1
            if content["event"] == "session":
                self.scope["session"]["clicks"] = next(number)
                await database_sync_to_async(self.scope["session"].save)()
            elif content["event"] == "orm":
                await User.objects.filter(pk=self.user.pk).aupdate(first_name="clicked")
            await self.send_json({"clicks": self.clicks, "who": self.user.get_username()})

    return AuthMiddlewareStack(URLRouter([path("_event/", Clicks.as_asgi())]))


def djust():
    """Return djust's consumer with a view that asks for a login."""
    from channels.auth import AuthMiddlewareStack
    from channels.routing import URLRouter
    from django.urls import path
    from djust.websocket import LiveViewConsumer

    return AuthMiddlewareStack(URLRouter([path("_event/", LiveViewConsumer.as_asgi())]))


SITES = {each.__name__: each for each in (rxbridge, bare_reflex, reflex_django, channels, djust)}


def main(name, port, *options):
    import django
    import uvicorn

    if name == "reflex_django":  # It looks for its project before anything else.
        from benchmarks.contenders.through_reflex_django import write_project

        write_project()
    django.setup()
    uvicorn.run(SITES[name](*options), port=int(port), log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
