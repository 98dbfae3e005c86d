"""reflex_asgi: what it serves, and what it refuses to."""

import pytest
from reflex_base.config import get_config

from rxbridge.events import reflex_asgi
from tests.events.app import app, bridge


def test_app_that_polls_is_not_served(monkeypatch):
    monkeypatch.setattr(app.sio.eio, "transports", ["websocket", "polling"])
    with pytest.raises(ValueError, match="Long polling is on"):
        reflex_asgi(app)


def test_bridge_is_not_made_where_reflex_is_to_poll(monkeypatch):
    monkeypatch.setattr(get_config(), "transport", "polling")
    with pytest.raises(ValueError, match=r"rx\.Config in rxconfig\.py"):
        bridge()
