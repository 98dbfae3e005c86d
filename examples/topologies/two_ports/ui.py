"""The garden's app for `reflex run`, which serves it by itself: the bridge's parts go inside."""

from reflex.config import get_config
from rxbridge.asgi import OriginGuard

from garden.ui import app, connections


def guarded(reflex):
    """Keep each socket's cookies, and let in the pages of Vite's server."""
    return OriginGuard.from_settings(connections.wrap(reflex), allowed=[get_config().deploy_url])


app.api_transformer = guarded

__all__ = ["app"]
