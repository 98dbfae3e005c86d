"""Test handlers and middleware without a browser.

``EventClient`` fires handlers through the real middleware chain and Reflex's real event
processor. ``run_middleware`` runs middleware alone around one event. ``RawClient`` sends whatever
an attacker would to the whole ASGI application. ``assert_refused`` says what happened instead.

Fixtures for pytest are in ``rxbridge.testing.pytest_plugin``, which nothing loads by itself.
"""

from rxbridge.testing.client import EventClient, SyncEventClient
from rxbridge.testing.fired import Fired, assert_refused
from rxbridge.testing.middleware import MiddlewareRun, make_event, run_middleware
from rxbridge.testing.raw import RawClient, RawSocket

__all__ = [
    "EventClient",
    "Fired",
    "MiddlewareRun",
    "RawClient",
    "RawSocket",
    "SyncEventClient",
    "assert_refused",
    "make_event",
    "run_middleware",
]
