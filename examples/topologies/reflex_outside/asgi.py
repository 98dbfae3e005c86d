"""Reflex's own ASGI application is the outermost, for any server."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "garden.settings")
django.setup()

from rxbridge.events import reflex_asgi

from reflex_outside.ui import app

application = reflex_asgi(app)
