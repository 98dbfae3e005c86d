"""Reflex's configuration: the club's pages, and states in memory or in Redis."""

import os

import reflex as rx

redis_url = os.environ.get("CLUB_REDIS")
config = rx.Config(
    app_name="club",
    app_module_import="tests.browser.club.ui",
    state_manager_mode="redis" if redis_url else "memory",
    redis_url=redis_url,
    telemetry_enabled=False,
    show_built_with_reflex=False,
    plugins=[rx.plugins.RadixThemesPlugin()],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
