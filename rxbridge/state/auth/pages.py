"""Ready pages for the auth mixins, added to an app by one call."""

# ruff: noqa: S105 - what is named after passwords here are the words of pages
from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from typing import Any, TypeAlias

import reflex as rx

from rxbridge.state.auth._forms import load_form, registration_form
from rxbridge.state.auth._requests import page_path
from rxbridge.state.auth._reset_email import reset_form
from rxbridge.state.auth.look import (
    FormView,
    card_layout,
    note,
    stacked_form,
    text_link,
    view_fields,
)
from rxbridge.state.auth.password_change import PasswordChange
from rxbridge.state.auth.password_reset import PasswordReset
from rxbridge.state.auth.registration import Registration
from rxbridge.state.auth.session import SessionAuth
from rxbridge.state.texts import Text, translated

__all__ = ["AuthPages", "AuthTexts", "add_auth_pages"]

Layout: TypeAlias = Callable[..., rx.Component]
"""Called with a page's title and its content, returns the page."""

PAGES = {
    "login": SessionAuth,
    "logout": SessionAuth,
    "register": Registration,
    "password_change": PasswordChange,
    "password_reset": PasswordReset,
    "password_reset_confirm": PasswordReset,
}
"""The pages there are, with the mixin that each needs."""

# The link to set a password is in this page's address until its first event.
_PRIVATE = [
    {"name": "referrer", "content": "same-origin"},
    {"name": "robots", "content": "noindex"},
]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthTexts:
    """The words of the ready pages. Labels, help and errors of the fields are the forms' own.

    Each is shown in the visitor's language where a catalogue has it. The defaults are Django's
    own words, which it has translated where its admin is installed; for ``registration``,
    ``registration_submit``, ``to_registration`` and ``logout_question`` it is up to the
    project's catalogue. A var is shown as it is.
    """

    login: Text = "Log in"
    login_submit: Text = "Log in"
    to_password_reset: Text = "Forgotten your login credentials?"
    to_registration: Text = "Create an account"
    logout: Text = "Log out"
    logout_question: Text = "Do you want to log out?"
    logout_submit: Text = "Log out"
    registration: Text = "Create an account"
    registration_submit: Text = "Create account"
    to_login: Text = "Log in"
    password_change: Text = "Password change"
    password_change_submit: Text = "Change my password"
    password_changed: Text = "Your password was changed."
    password_reset: Text = "Password reset"
    password_reset_intro: Text = (
        "Forgotten your password? Enter your email address below, and we\u2019ll email "
        "instructions for setting a new one."
    )
    password_reset_submit: Text = "Reset my password"
    password_reset_sent: Text = (
        "We\u2019ve emailed you instructions for setting your password, if an account exists with "
        "the email you entered. You should receive them shortly."
    )
    reset_confirm: Text = "Enter new password"
    reset_confirm_submit: Text = "Set password"
    reset_confirm_done: Text = "Your password has been set.  You may go ahead and log in now."
    reset_link_invalid: Text = (
        "The password reset link was invalid, possibly because it has already been used.  Please "
        "request a new password reset."
    )
    to_new_link: Text = "Password reset"

    def spoken(self) -> AuthTexts:
        """Return them as a compiled page can show them."""
        shown = {each.name: translated(getattr(self, each.name)) for each in fields(self)}
        return replace(self, **shown)


@dataclass(frozen=True, slots=True)
class AuthPages:
    """The ready pages of ``state``: one for each mixin it has, at the address its config names.

    ``omit`` names pages to leave out, such as ``"logout"``. ``labels`` replaces fields' labels
    by name. ``on_load`` is what each page loads after what it loads by itself. ``layout`` is
    called with a page's title and its content, ``form`` with a ``FormView``; each returns a
    component.
    """

    state: Any
    _: KW_ONLY
    on_load: Any = ()
    texts: AuthTexts = field(default_factory=AuthTexts)
    labels: Mapping[str, Text] = field(default_factory=dict)
    layout: Layout = card_layout
    form: Callable[[FormView], rx.Component] = stacked_form
    omit: Collection[str] = ()

    def __post_init__(self) -> None:
        if not any(issubclass(self.state, mixin) for mixin in PAGES.values()):
            msg = f"{self.state.__name__} has none of the auth mixins; add session_auth_mixin()."
            raise ValueError(msg)
        if unknown := sorted(set(self.omit).difference(PAGES)):
            msg = f"omit={unknown[0]!r} is no page; the pages are {', '.join(PAGES)}."
            raise ValueError(msg)

    def has(self, page: str) -> bool:
        """Tell whether ``page`` is among the pages."""
        return page not in self.omit and issubclass(self.state, PAGES[page])


def add_auth_pages(app: rx.App, pages: AuthPages) -> None:
    """Add the ready pages to an app.

    ::

        add_auth_pages(app, AuthPages(Auth))

    Call it after ``django.setup()``. A page that needs changing beyond words and look is left
    out and written by hand on the mixin's vars and handlers.
    """
    adders = {
        "login": _add_login,
        "logout": _add_logout,
        "register": _add_registration,
        "password_change": _add_password_change,
        "password_reset": _add_password_reset,
        "password_reset_confirm": _add_reset_confirm,
    }
    pages = replace(pages, texts=pages.texts.spoken())
    for name, add in adders.items():
        if pages.has(name):
            add(app, pages)


def _add(
    app: rx.App,
    pages: AuthPages,
    url: str,
    title: Any,
    *content: Any,
    on_load: Any = None,
    **options: Any,
) -> None:
    own = [] if on_load is None else [on_load]
    more = pages.on_load if isinstance(pages.on_load, list | tuple) else [pages.on_load]
    app.add_page(
        pages.layout(title, *(each for each in content if each is not None)),
        route=page_path(url),
        title=title,
        on_load=[*own, *more] or None,
        **options,
    )


def _add_login(app: rx.App, pages: AuthPages) -> None:
    state, texts, config = pages.state, pages.texts, pages.state.session_auth_config
    form = FormView(
        name="login",
        fields=view_fields(load_form(config.form), pages.labels),
        submit=state.login,
        submit_text=texts.login_submit,
        errors=state.login_errors,
        pending=state.login_pending,
    )
    links = _links(
        pages,
        password_reset=texts.to_password_reset,
        register=texts.to_registration,
    )
    content = [pages.form(form), links]
    _add(app, pages, config.login_url, texts.login, *content, on_load=state.open_login)


def _add_logout(app: rx.App, pages: AuthPages) -> None:
    state, texts = pages.state, pages.texts
    button = rx.button(texts.logout_submit, on_click=state.logout, size="3", width="100%")
    content = [rx.text(texts.logout_question), button]
    _add(app, pages, state.session_auth_config.logout_url, texts.logout, *content)


def _add_registration(app: rx.App, pages: AuthPages) -> None:
    state, texts, config = pages.state, pages.texts, pages.state.registration_config
    form = FormView(
        name="registration",
        fields=view_fields(registration_form(config), pages.labels),
        submit=state.register,
        submit_text=texts.registration_submit,
        errors=state.registration_errors,
        pending=state.registration_pending,
    )
    content = [pages.form(form), _links(pages, login=texts.to_login)]
    _add(app, pages, config.url, texts.registration, *content, on_load=state.open_registration)


def _add_password_change(app: rx.App, pages: AuthPages) -> None:
    state, texts, config = pages.state, pages.texts, pages.state.password_change_config
    form = FormView(
        name="password-change",
        fields=view_fields(lambda: load_form(config.form)(None), pages.labels),
        submit=state.change_password,
        submit_text=texts.password_change_submit,
        errors=state.password_change_errors,
        pending=state.password_change_pending,
    )
    content = _once(state.password_changed, texts.password_changed, pages.form(form))
    _add(app, pages, config.url, texts.password_change, content, on_load=state.open_password_change)


def _add_password_reset(app: rx.App, pages: AuthPages) -> None:
    state, texts, config = pages.state, pages.texts, pages.state.password_reset_config
    form = FormView(
        name="password-reset",
        fields=view_fields(reset_form(config), pages.labels),
        submit=state.request_password_reset,
        submit_text=texts.password_reset_submit,
        errors=state.password_reset_errors,
    )
    ask = rx.fragment(rx.text(texts.password_reset_intro, size="2"), pages.form(form))
    content = [
        _once(state.password_reset_sent, texts.password_reset_sent, ask),
        _links(pages, login=texts.to_login),
    ]
    _add(app, pages, config.url, texts.password_reset, *content, on_load=state.open_password_reset)


def _add_reset_confirm(app: rx.App, pages: AuthPages) -> None:
    state, texts, config = pages.state, pages.texts, pages.state.password_reset_config
    form = FormView(
        name="reset-confirm",
        fields=view_fields(lambda: load_form(config.confirm_form)(None), pages.labels),
        submit=state.confirm_password_reset,
        submit_text=texts.reset_confirm_submit,
        errors=state.reset_confirm_errors,
        pending=state.reset_confirm_pending,
    )
    new_link = _links(pages, password_reset=texts.to_new_link)
    content = rx.match(
        state.reset_link,
        ("valid", pages.form(form)),
        ("invalid", _stacked(_failed(texts.reset_link_invalid), new_link)),
        ("done", _stacked(_done(texts.reset_confirm_done), _links(pages, login=texts.to_login))),
        rx.spinner(),
    )
    options = {"on_load": state.open_reset_confirm, "meta": _PRIVATE}
    _add(app, pages, config.confirm_url, texts.reset_confirm, content, **options)


def _links(pages: AuthPages, **texts: Text) -> Any:
    """Return links to those of the named pages that there are."""
    links = [text_link(text, _url(pages, page)) for page, text in texts.items() if pages.has(page)]
    return rx.flex(*links, justify="between", wrap="wrap", spacing="2") if links else None


def _url(pages: AuthPages, page: str) -> str:
    if page == "login":
        return page_path(pages.state.session_auth_config.login_url)
    if page == "register":
        return page_path(pages.state.registration_config.url)
    return page_path(pages.state.password_reset_config.url)


def _stacked(*content: Any) -> Any:
    shown = [each for each in content if each is not None]
    return rx.flex(*shown, direction="column", spacing="4")


def _once(done: Any, text: Text, form: Any) -> Any:
    """Return ``form``, and ``text`` in its place once what it is for is done.

    A page that is loaded again has the vars of the last time until its ``on_load`` has run. The
    form stays meanwhile, with what has been typed into it.
    """
    return rx.cond(rx.State.is_hydrated & done, _done(text), form)


def _done(text: Text) -> Any:
    return note(text, icon="circle_check", color="green")


def _failed(text: Text) -> Any:
    return note(text, icon="circle_alert", color="red", role="alert")
