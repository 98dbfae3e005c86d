"""The contenders of ``bench_sockets.py``: each an ASGI app on a real server.

    python -m benchmarks.contenders.sites rxbridge 8000

Each tab's socket belongs to a signed-in user, has a counter, and three events: ``read`` counts and
names the user, ``session`` also writes the session, ``orm`` also makes one ORM write.
"""

import asyncio
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
    """Return a Reflex app behind the bridge, as in the README.

    ``plain`` has ``def`` handlers, ``revalidator`` is checked each minute, and the page of
    ``named`` has one mirror, where the others have all of ``DjangoUserState``.
    """
    import reflex as rx

    import rxbridge.events as events
    from benchmarks.contenders.through_rxbridge import async_state, plain_state
    from rxbridge.asgi import ConnectionRegistry, LifespanGroup, OriginGuard, PrefixRouter

    connections = ConnectionRegistry()
    check_every = 60.0 if "revalidator" in options else None
    state = plain_state() if "plain" in options else async_state()
    mirror = username_state() if "named" in options else all_mirrors()
    tell({"read": state.read, "session": state.session_write, "orm": state.orm})
    app = rx.App()
    app.add_page(lambda: rx.text(state.who, mirror.username), route="/")
    if hasattr(events, "Sessions"):
        sessions = lifespan = events.Sessions(
            connections, check_every=check_every, **of_several_workers()
        )
        bridge = events.EventBridge(connections, sessions=sessions)
    else:
        bridge, sessions, lifespan = bridge_of_november(connections, check_every)
    app.add_middleware(bridge)
    served = events.reflex_asgi(app)
    guarded = OriginGuard.from_settings(connections.wrap(served))
    return PrefixRouter(
        {"/_event": guarded, sessions.path: sessions}, lifespan=LifespanGroup(lifespan, served)
    )


def of_several_workers():
    """Return what workers tell each other by, where Reflex's states are in Redis."""
    url = os.environ.get("REFLEX_REDIS_URL")
    if url is None:
        return {}
    from django.core.cache import cache

    from rxbridge.asgi import CacheTickets
    from rxbridge.events import RedisBroadcast

    return {"broadcast": RedisBroadcast(url), "tickets": CacheTickets(cache)}


def bridge_of_november(connections, check_every):
    """Join the parts as they were before there was ``Sessions``, for ``--beside``."""
    import rxbridge.events as events
    from rxbridge.asgi import CookieHandoff

    shared = of_several_workers()
    identity = events.Revalidator(interval=check_every) if check_every else None
    handoff = CookieHandoff(connections, tickets=shared.get("tickets"))
    revoker = events.SessionRevoker(
        connections, broadcast=shared.get("broadcast"), revalidator=identity
    )
    bridge = events.EventBridge(
        events.SyntheticRequestFactory(connections),
        events.MiddlewareRunner(identity=identity),
        events.ContextBinder(),
        handoff=handoff,
        revoker=revoker,
    )
    return bridge, handoff, revoker.lifespan


def all_mirrors():
    from rxbridge.state import DjangoUserState

    return DjangoUserState


def username_state():
    import reflex as rx

    from rxbridge.state.mirrors import mirrors

    class Me(mirrors("username"), rx.State):
        pass

    return Me


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

    if name == "reflex_django":  # It looks for its project before anything else.
        from benchmarks.contenders.through_reflex_django import write_project

        write_project()
    django.setup()
    serve(os.environ.get("BENCH_SERVER", "uvicorn"), SITES[name](*options), int(port))


def serve(server, app, port):
    """Serve on uvicorn, with its defaults or a set-up that ``--idle`` weighs, or on granian."""
    if server == "granian":
        from granian.constants import Interfaces
        from granian.server.embed import Server

        asyncio.run(Server(app, port=port, interface=Interfaces.ASGI).serve())
        return
    import uvicorn

    _, _, kind = server.partition("-")
    uvicorn.run(
        app,
        port=port,
        log_level="warning",
        ws="wsproto" if kind == "wsproto" else "auto",
        ws_per_message_deflate=kind != "plain",
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
