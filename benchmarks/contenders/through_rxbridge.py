"""rxbridge: the event bridge with its defaults, and with what the command line names.

    python -m benchmarks.contenders.through_rxbridge [revalidator] [opening] [plain] [unmirrored]

``revalidator`` checks the user once a minute instead of before each event; ``opening`` opens a
connection for each event; ``plain`` writes the handlers without ``async``, so that they run on
their event's thread.
"""

import itertools
import sys

from benchmarks.contenders.worker import serve


def contender():
    import reflex as rx

    from benchmarks.contenders.tabs import Tabs
    from rxbridge.asgi import ConnectionRegistry
    from rxbridge.asgi.connections import CONNECTION_HEADER, Connection
    from rxbridge.events import (
        EventBridge,
        MiddlewareRunner,
        SyntheticRequestFactory,
    )

    options = {}
    if "revalidator" in sys.argv:
        from rxbridge.events.sessions.revalidator import Revalidator

        options["identity"] = Revalidator(interval=60.0)
    if "opening" in sys.argv:
        from rxbridge.events import database_threads

        options["threads"] = database_threads(keep=0)
    connections = ConnectionRegistry()
    requests = SyntheticRequestFactory(connections)
    state = plain_state() if "plain" in sys.argv else async_state()
    shown = mirrored()  # Not in the page, which is never compiled.
    app = rx.App()
    app.add_page(lambda: rx.text(state.who, *shown), route="/")
    app.add_middleware(EventBridge(requests=requests, runner=MiddlewareRunner(**options)))

    def connect(visitor):
        # Not connections.open(), whose context manager would be weighed with the connection.
        headers = [(b"host", b"localhost"), (b"cookie", visitor.cookie.encode())]
        scope = {"type": "websocket", "path": "/_event/", "headers": headers}
        connection = Connection(scope)
        connections._open[connection.id] = connection
        return {CONNECTION_HEADER.decode(): connection.id}

    events = {
        "read": state.read,
        "session": state.session_write,
        "orm": state.orm,
        "wait": state.wait,
    }
    return Tabs(app, events, connect)


def mirrored():
    """Return what the page shows by mirrors: all of them are kept up to date for one."""
    if "unmirrored" in sys.argv:
        return []
    from rxbridge.state import DjangoUserState

    return [DjangoUserState.username]


def async_state():
    """Return a state with handlers as ``async def``."""
    import asyncio

    import reflex as rx
    from django.contrib.auth.models import User

    from rxbridge.state import AppState

    number = itertools.count()

    class Clicks(AppState, rx.State):
        clicks: int = 0
        who: str = ""

        @rx.event
        async def read(self):
            self.clicks += 1
            self.who = self.user.get_username()

        @rx.event
        async def session_write(self):
            self.clicks += 1
            await self.session.aset("clicks", next(number))
            self.who = self.user.get_username()

        @rx.event
        async def orm(self):
            self.clicks += 1
            await User.objects.filter(pk=self.user.pk).aupdate(first_name="clicked")
            self.who = self.user.get_username()

        @rx.event
        async def wait(self):
            self.clicks += 1
            await asyncio.sleep(0.02)

    return Clicks


def plain_state():
    """Return a state with the same handlers as ``def``."""
    import time

    import reflex as rx
    from django.contrib.auth.models import User

    from rxbridge.state import AppState

    number = itertools.count()

    class Clicks(AppState, rx.State):
        clicks: int = 0
        who: str = ""

        @rx.event
        def read(self):
            self.clicks += 1
            self.who = self.user.get_username()

        @rx.event
        def session_write(self):
            self.clicks += 1
            self.session["clicks"] = next(number)
            self.who = self.user.get_username()

        @rx.event
        def orm(self):
            self.clicks += 1
            User.objects.filter(pk=self.user.pk).update(first_name="clicked")
            self.who = self.user.get_username()

        @rx.event
        def wait(self):
            self.clicks += 1
            from django.db import connection

            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            time.sleep(0.02)

    return Clicks


if __name__ == "__main__":
    serve(contender)
