"""The event tests' site behind a guard that knows no other origin than the site's own."""

from rxbridge.asgi import OriginGuard
from tests.events.site import application as site

application = OriginGuard.from_settings(site)
