"""Reflex's configuration: a browser finds all below /garden, the server nothing of that path."""

import reflex as rx

config = rx.Config(
    app_name="garden",
    app_module_import="garden.ui",
    frontend_path="/garden",
    api_url="http://localhost:8000/garden",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    disable_plugins=[rx.plugins.SitemapPlugin],
)
