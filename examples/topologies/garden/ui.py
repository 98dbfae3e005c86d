"""The Reflex app and the bridge; its pages are declared by Django's apps, in their `pages.py`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "garden.settings")
django.setup()

import reflex as rx
from django.utils.module_loading import autodiscover_modules
from reflex.config import get_config
from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import ContextBinder, EventBridge, MiddlewareRunner, SyntheticRequestFactory

connections = ConnectionRegistry()
app = rx.App(head_components=[rx.el.link(rel="icon", href="data:,")])
app.add_middleware(
    EventBridge(
        # Nothing, but where the pages are below a path: so `request.path` has it.
        SyntheticRequestFactory(connections, frontend_path=get_config().frontend_path),
        MiddlewareRunner(),
        ContextBinder(),
    )
)

autodiscover_modules("pages")  # as the admin finds each app's `admin.py`
