"""The test app as a server runs it: Reflex behind a registry of connections, and Django."""

import os
import pickle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")

from django.core.asgi import get_asgi_application

django = get_asgi_application()

from rxbridge.asgi import REFLEX_PREFIXES, PrefixRouter  # noqa: E402 - Django comes first
from rxbridge.events import reflex_asgi  # noqa: E402
from tests.events.app import app, connections  # noqa: E402

bound = int(os.environ.get("RXBRIDGE_TEST_MAX_UPLOAD", "0")) or None
reflex = connections.wrap(reflex_asgi(app, max_upload=bound))


async def pickled_states(scope, receive, send):
    """Answer with all there is of Reflex's state in this process, pickled as Redis would get it."""
    states = app.state_manager.states
    body = pickle.dumps([(token, state.router_data) for token, state in states.items()])
    body += b"".join(state._serialize() for state in states.values())
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


application = PrefixRouter(
    {**dict.fromkeys(REFLEX_PREFIXES, reflex), "/pickled": pickled_states},
    default=django,
    lifespan=reflex,
)
