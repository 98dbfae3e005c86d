"""Reflex's configuration: the pages and the events are below /garden."""

import reflex as rx

config = rx.Config(
    app_name="garden",
    app_module_import="garden.ui",
    frontend_path="/garden",
    backend_path="/garden",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    disable_plugins=[rx.plugins.SitemapPlugin],
)
