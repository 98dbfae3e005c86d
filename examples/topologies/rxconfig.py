"""Reflex's configuration, for all but `sub_path` and `two_ports`, which have their own."""

import reflex as rx

config = rx.Config(
    app_name="garden",
    app_module_import="garden.ui",
    # Where Reflex is outside, its CORS headers are on Django's answers too: for no other origin.
    cors_allowed_origins=[],
    telemetry_enabled=False,
    show_built_with_reflex=False,
    disable_plugins=[rx.plugins.SitemapPlugin],
)
