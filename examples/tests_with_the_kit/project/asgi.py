"""What a server runs, and what `RawClient` attacks."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

from django.core.asgi import get_asgi_application

django = get_asgi_application()

from rxbridge.asgi import REFLEX_PREFIXES, OriginGuard, PrefixRouter
from rxbridge.events import reflex_asgi

from notes.ui import app, connections, handoff

reflex = OriginGuard.from_settings(connections.wrap(reflex_asgi(app)))
application = PrefixRouter(
    {**dict.fromkeys(REFLEX_PREFIXES, reflex), handoff.path: handoff},
    default=django,
    lifespan=reflex,
)
