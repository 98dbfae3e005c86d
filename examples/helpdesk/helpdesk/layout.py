"""What all pages share."""

import reflex as rx
from django.conf import settings
from rxbridge.state import DjangoI18nState, DjangoUserState
from rxbridge.state import translated as _

from accounts.state import Auth


def page(title: str | rx.Var[str], *content: rx.Component) -> rx.Component:
    """Return a page with its title, below the header."""
    return rx.el.div(
        header(),
        rx.el.main(
            rx.container(
                rx.flex(
                    rx.heading(title, as_="h1", size="7"), *content, direction="column", spacing="5"
                ),
                size="2",
            )
        ),
        lang=DjangoI18nState.language,
    )


def header() -> rx.Component:
    """Return the way home, the language, the colours, and who is signed in."""
    return rx.el.header(
        rx.flex(
            rx.link(_("Help desk"), href="/", weight="bold"),
            rx.spacer(),
            rx.el.select(
                *[rx.el.option(name, value=code) for code, name in settings.LANGUAGES],
                value=DjangoI18nState.language,
                on_change=DjangoI18nState.set_language,
                aria_label=_("Language"),
            ),
            rx.color_mode.button(aria_label=_("Light or dark")),
            rx.cond(
                DjangoUserState.is_authenticated,
                rx.flex(
                    rx.text(DjangoUserState.email, size="2"),
                    rx.button(_("Sign out"), on_click=Auth.logout, variant="outline"),
                    align="center",
                    spacing="3",
                    margin_left="auto",
                ),
            ),
            align="center",
            spacing="3",
            wrap="wrap",
            padding="var(--space-3)",
        )
    )
