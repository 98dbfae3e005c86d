"""Reflex's configuration."""

import reflex as rx

config = rx.Config(
    app_name="notes",
    app_module_import="notes.ui",
    state_manager_mode="memory",
    telemetry_enabled=False,
    disable_plugins=[rx.plugins.SitemapPlugin],
)
