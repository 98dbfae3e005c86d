"""The CRUD states as a server runs them, and those for signing in."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.state.crud.settings")

from django.core.asgi import get_asgi_application

django = get_asgi_application()

from rxbridge.asgi import REFLEX_PREFIXES, PrefixRouter  # noqa: E402 - Django comes first
from rxbridge.events import reflex_asgi  # noqa: E402
from tests.events.app import connections  # noqa: E402
from tests.state.auth.app import Auth as Auth  # noqa: E402
from tests.state.crud.app import app, live_notes  # noqa: E402

reflex = connections.wrap(reflex_asgi(app))


async def followers(scope, receive, send):
    """Answer with how many tabs follow the list."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(live_notes)).encode()})


application = PrefixRouter(
    {**dict.fromkeys(REFLEX_PREFIXES, reflex), "/followers": followers},
    default=django,
    lifespan=reflex,
)
