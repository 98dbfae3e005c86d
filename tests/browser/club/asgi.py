"""One port: Django's admin, Reflex's events, the pages, and a door for administrators."""

import os

from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.browser.club.settings")
django = ASGIStaticFilesHandler(get_asgi_application())

from pathlib import Path  # noqa: E402 - Django comes first
from urllib.parse import parse_qs  # noqa: E402

from rxbridge.asgi import (  # noqa: E402
    REFLEX_PREFIXES,
    LifespanGroup,
    OriginGuard,
    PrefixRouter,
    SPAStaticApp,
)
from rxbridge.events import reflex_asgi  # noqa: E402
from tests.browser.club.ui import app, connections, handoff, revoker  # noqa: E402

BUNDLE = Path(__file__).parent / ".web" / "build" / "client"


async def disconnect(scope, receive, send):
    """Sign a user out everywhere, as an administrator's view would."""
    (user,) = parse_qs(scope["query_string"].decode())["user"]
    await revoker.disconnect(user=user)
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
sockets = dict.fromkeys(REFLEX_PREFIXES, reflex) | {handoff.path: handoff}
application = PrefixRouter(
    sockets | dict.fromkeys(["/admin", "/basket", "/static"], django) | {"/disconnect": disconnect},
    default=connections.identify_browsers(SPAStaticApp(BUNDLE, is_route=app.router)),
    lifespan=LifespanGroup(revoker.lifespan, reflex),
)
