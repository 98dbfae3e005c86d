"""Reflex's configuration for `reflex run`: ports 3000 and 8000 unless it is told otherwise."""

import reflex as rx

config = rx.Config(
    app_name="garden",
    app_module_import="two_ports.ui",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    disable_plugins=[rx.plugins.SitemapPlugin],
)
