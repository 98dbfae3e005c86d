"""Reflex's configuration: the club's pages, and states in Redis, in memory or on disk."""

import os

import reflex as rx

redis_url = os.environ.get("CLUB_REDIS")
config = rx.Config(
    app_name="club",
    app_module_import="tests.browser.club.ui",
    state_manager_mode="redis" if redis_url else os.environ.get("CLUB_STATES", "memory"),
    redis_url=redis_url,
    telemetry_enabled=False,
    show_built_with_reflex=False,
    plugins=[rx.plugins.RadixThemesPlugin()],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
