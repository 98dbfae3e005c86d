"""A site whose database may go away: handlers that write to it, and what its threads do."""

from django.core.asgi import get_asgi_application

django = get_asgi_application()

import json  # noqa: E402 - Django comes first

import reflex as rx  # noqa: E402
from django.conf import settings  # noqa: E402
from django.db import connection  # noqa: E402

from rxbridge.asgi import REFLEX_PREFIXES, ConnectionRegistry, PrefixRouter  # noqa: E402
from rxbridge.events import (  # noqa: E402
    EventBridge,
    MiddlewareRunner,
    Revalidator,
    database_threads,
    reflex_asgi,
)
from rxbridge.state import AppState, DjangoUserState  # noqa: E402
from tests.ecosystem.notes.models import Note  # noqa: E402

connections = ConnectionRegistry()
threads = database_threads(keep=60 if settings.KEEP == "kept" else None)
# Where connections are kept, the user is too, so both ways to know who it is are run.
runner = MiddlewareRunner(
    threads=threads, identity=Revalidator() if settings.KEEP == "kept" else None
)
app = rx.App()
app.add_middleware(EventBridge(connections, runner=runner))


class Away(AppState, rx.State):
    """Counts what is written to the database, by itself."""

    count: int = 0
    name: str = ""

    def _write(self):
        Note.objects.create(text=self.router.session.client_token)
        self.count += 1
        self.name = self.user.username or "nobody"

    @rx.event
    def click(self):
        self._write()

    @rx.event
    async def click_async(self):
        await Note.objects.acreate(text=self.router.session.client_token)
        self.count += 1
        self.name = (await self.request.auser()).username or "nobody"

    @rx.event
    def who(self):
        self.name = f"{self.user.username or 'nobody'} at {self.count}"

    @rx.event
    def click_slowly(self, seconds: float):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(%s)", [seconds])
        self._write()


app.add_page(lambda: rx.text(Away.count, Away.name, DjangoUserState.username), route="/")
reflex = connections.wrap(reflex_asgi(app))


async def report(scope, receive, send):
    """Answer with how many threads there are, and how many are free."""
    body = json.dumps([threads.size, threads.free]).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


application = PrefixRouter(
    {**dict.fromkeys(REFLEX_PREFIXES, reflex), "/threads": report},
    default=django,
    lifespan=reflex,
)
