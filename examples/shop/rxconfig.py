"""Reflex's configuration: where the app is, and how it looks."""

import reflex as rx

config = rx.Config(
    app_name="shop",
    app_module_import="shop.ui",
    state_manager_mode="memory",
    telemetry_enabled=False,
    show_built_with_reflex=False,
    plugins=[
        rx.plugins.RadixThemesPlugin(
            theme=rx.theme(
                accent_color="grass",
                gray_color="sand",
                radius="large",
                panel_background="solid",
            )
        ),
    ],
    disable_plugins=[rx.plugins.SitemapPlugin],
)
