"""The Reflex app and the bridge; its pages are declared by Django's apps, in their `pages.py`."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "garden.settings")
django.setup()

import reflex as rx
from django.utils.module_loading import autodiscover_modules
from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import EventBridge

connections = ConnectionRegistry()
app = rx.App(head_components=[rx.el.link(rel="icon", href="data:,")])
app.add_middleware(EventBridge(connections))

autodiscover_modules("pages")  # as the admin finds each app's `admin.py`
