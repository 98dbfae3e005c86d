"""Signing in and what belongs to it: rxbridge's ready pages, in the look and words of the shop."""

from dataclasses import replace

import reflex as rx
from rxbridge.state import translated as _
from rxbridge.state.auth import AuthPages, AuthTexts
from rxbridge.state.auth.look import FormView, stacked_form

from accounts.state import AccountState, Auth
from orders.state import CartState
from shop.pages.layout import page

TEXTS = AuthTexts(
    login=_("Welcome back"),
    login_submit=_("Sign in"),
    to_password_reset=_("Forgot your password?"),
    to_registration=_("Create an account"),
    registration=_("Nice to meet you"),
    registration_submit=_("Create an account"),
    to_login=_("I have an account"),
    password_change=_("A new password"),
    password_change_submit=_("Change it"),
    password_changed=_("Your password was changed. Other devices are signed out."),
    password_reset=_("Forgot your password?"),
    password_reset_intro=_("Tell us your e-mail address, and we send you a link to a new one."),
    password_reset_submit=_("Send the link"),
    password_reset_sent=_(
        "If an account has that address, an e-mail with a link is on its way. "
        "If none arrives, look in the spam folder."
    ),
    reset_confirm=_("A new password"),
    reset_confirm_submit=_("Set it"),
    reset_confirm_done=_("Your password was set. You can sign in with it now."),
    reset_link_invalid=_("This link was used already, or it is too old. Ask for a new one."),
    to_new_link=_("Send me a new link"),
)

LABELS = {
    "username": _("Name"),
    "email": _("E-mail address"),
    "password": _("Password"),
    "password1": _("Password"),
    "password2": _("The same again"),
    "old_password": _("Your password until now"),
    "new_password1": _("New password"),
    "new_password2": _("The same again"),
}

# In place of Django's help texts, which know one language only.
HELP = {
    "password1": [_("At least eight characters, and nothing that others would guess.")],
    "new_password1": [_("At least eight characters, and nothing that others would guess.")],
}


def card(title: rx.Var[str], *content: rx.Component) -> rx.Component:
    """One of the pages: a card below the header."""
    return page(
        rx.el.section(
            rx.image(src="/favicon.svg", alt="", width="40px", height="40px"),
            rx.heading(title, as_="h1", size="7", weight="medium", class_name="serif"),
            *content,
            class_name="panel auth-card",
        ),
        on_mount=[AccountState.load, CartState.load],
    )


def form(view: FormView) -> rx.Component:
    """One of the forms; below that for signing in, the accounts of the demo."""
    fields = [replace(field, help_texts=HELP.get(field.name, [])) for field in view.fields]
    shown = stacked_form(replace(view, fields=fields))
    return rx.fragment(shown, demo_accounts()) if view.name == "login" else shown


def demo_accounts() -> rx.Component:
    """Who there is to be."""
    return rx.el.div(
        rx.text(_("For this demo:"), size="2"),
        rx.el.table(
            rx.el.tbody(
                account("demo", _("a customer")),
                account("staff", _("runs the shop")),
                account("banned", _("may look, not buy")),
            )
        ),
        class_name="accounts",
    )


def account(name: str, what: rx.Var[str]) -> rx.Component:
    """One account of the seed."""
    return rx.el.tr(
        rx.el.td(rx.el.code(name)), rx.el.td(rx.el.code(f"{name}-pass")), rx.el.td(what)
    )


PAGES = AuthPages(Auth, texts=TEXTS, labels=LABELS, layout=card, form=form, omit=["logout"])
