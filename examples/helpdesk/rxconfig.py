"""Reflex's configuration: where the app is, and how it looks."""

import reflex as rx
from rxbridge.django import AdminColorMode

# White on Reflex's own blue is hard to read.
theme = rx.theme(accent_color="indigo")
plugins = [rx.plugins.SitemapPlugin(), rx.plugins.RadixThemesPlugin(theme=theme), AdminColorMode()]
config = rx.Config(
    app_name="helpdesk",
    app_module_import="helpdesk.ui",
    show_built_with_reflex=False,
    plugins=plugins,
)
