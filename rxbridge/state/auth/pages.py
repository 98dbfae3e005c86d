"""Ready pages for the auth mixins, added to an app by one call."""

# ruff: noqa: S105 - what is named after passwords here are the words of pages
from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import reflex as rx

from rxbridge.state.auth._forms import load_form, registration_form
from rxbridge.state.auth._requests import page_path
from rxbridge.state.auth._reset_email import reset_form
from rxbridge.state.auth.look import (
    FormView,
    card_layout,
    done,
    failed,
    stacked_form,
    view_fields,
)
from rxbridge.state.auth.password import PasswordChange, PasswordReset
from rxbridge.state.auth.session import Registration, SessionAuth
from rxbridge.state.texts import Text, translated

if TYPE_CHECKING:
    from django.forms import BaseForm

Layout: TypeAlias = Callable[..., rx.Component]
"""Called with a page's title and its content, returns the page."""

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
        if not any(issubclass(self.state, page.mixin) for page in PAGES.values()):
            msg = f"{self.state.__name__} has none of the auth mixins; add session_auth_mixin()."
            raise ValueError(msg)
        if unknown := sorted(set(self.omit).difference(PAGES)):
            msg = f"omit={unknown[0]!r} is no page; the pages are {', '.join(PAGES)}."
            raise ValueError(msg)

    def has(self, page: str) -> bool:
        """Tell whether ``page`` is among the pages."""
        return page not in self.omit and issubclass(self.state, PAGES[page].mixin)

    def url(self, page: str) -> str:
        """Return the address of ``page`` as the app's router has it."""
        config, option = PAGES[page].url.split(".")
        return page_path(getattr(getattr(self.state, config), option))


def add_auth_pages(app: rx.App, pages: AuthPages) -> None:
    """Add the ready pages to an app.

    ::

        add_auth_pages(app, AuthPages(Auth))

    Call it after ``django.setup()``. A page that needs changing beyond words and look is left
    out and written by hand on the mixin's vars and handlers.
    """
    pages = replace(pages, texts=pages.texts.spoken())
    more = pages.on_load if isinstance(pages.on_load, list | tuple) else [pages.on_load]
    for name, page in PAGES.items():
        if pages.has(name):
            title = getattr(pages.texts, page.name)
            opens = f"open_{page.name}"
            own = [getattr(pages.state, opens)] if hasattr(page.mixin, opens) else []
            app.add_page(
                pages.layout(title, *filter(None, page.content(pages))),
                route=pages.url(name),
                title=title,
                on_load=[*own, *more] or None,
                meta=list(page.meta),
            )


def _login(pages: AuthPages) -> Iterator[Any]:
    texts = pages.texts
    yield _form(pages, "login", load_form(pages.state.session_auth_config.form), pages.state.login)
    yield _links(pages, password_reset=texts.to_password_reset, register=texts.to_registration)


def _logout(pages: AuthPages) -> Iterator[Any]:
    yield rx.text(pages.texts.logout_question)
    on_click, text = pages.state.logout, pages.texts.logout_submit
    yield rx.button(text, on_click=on_click, size="3", width="100%")


def _registration(pages: AuthPages) -> Iterator[Any]:
    form = registration_form(pages.state.registration_config)
    yield _form(pages, "registration", form, pages.state.register)
    yield _links(pages, login=pages.texts.to_login)


def _password_change(pages: AuthPages) -> Iterator[Any]:
    state, form = pages.state, load_form(pages.state.password_change_config.form)
    shown = _form(pages, "password_change", partial(form, None), state.change_password)
    yield _once(state.password_changed, pages.texts.password_changed, shown)


def _password_reset(pages: AuthPages) -> Iterator[Any]:
    state, texts, form = pages.state, pages.texts, reset_form(pages.state.password_reset_config)
    shown = _form(pages, "password_reset", form, state.request_password_reset)
    ask = rx.fragment(rx.text(texts.password_reset_intro, size="2"), shown)
    yield _once(state.password_reset_sent, texts.password_reset_sent, ask)
    yield _links(pages, login=texts.to_login)


def _confirm(pages: AuthPages) -> Iterator[Any]:
    state, texts = pages.state, pages.texts
    form = partial(load_form(state.password_reset_config.confirm_form), None)
    shown = _form(pages, "reset_confirm", form, state.confirm_password_reset)
    new_link = _links(pages, password_reset=texts.to_new_link)
    yield rx.match(
        state.reset_link,
        ("valid", shown),
        ("invalid", _stacked(failed(texts.reset_link_invalid), new_link)),
        ("done", _stacked(done(texts.reset_confirm_done), _links(pages, login=texts.to_login))),
        rx.spinner(),
    )


def _form(pages: AuthPages, name: str, form: Callable[[], BaseForm], submit: Any) -> rx.Component:
    """Return a form; its vars and words are those of its name."""
    view = FormView(
        name=name.replace("_", "-"),
        fields=view_fields(form, pages.labels),
        submit=submit,
        submit_text=getattr(pages.texts, f"{name}_submit"),
        errors=getattr(pages.state, f"{name}_errors"),
        pending=getattr(pages.state, f"{name}_pending", False),
    )
    return pages.form(view)


def _links(pages: AuthPages, **texts: Text) -> Any:
    """Return links to those of the named pages that there are."""
    there = [(text, pages.url(page)) for page, text in texts.items() if pages.has(page)]
    links = [rx.link(text, href=url, size="2") for text, url in there]
    return rx.flex(*links, justify="between", wrap="wrap", spacing="2") if links else None


def _stacked(*content: Any) -> Any:
    return rx.flex(*content, direction="column", spacing="4")


def _once(is_done: Any, text: Text, form: Any) -> Any:
    """Return ``form``, and ``text`` in its place once what it is for is done.

    A page that is loaded again has the vars of the last time until its ``on_load`` has run. The
    form stays meanwhile, with what has been typed into it.
    """
    return rx.cond(rx.State.is_hydrated & is_done, done(text), form)


class _Page(NamedTuple):
    """A ready page. ``name`` begins the names of its words, and of its handler and vars."""

    mixin: type[rx.State]
    url: str
    name: str
    content: Callable[[AuthPages], Iterator[Any]]
    meta: Sequence[Mapping[str, str]] = ()


PAGES = {
    "login": _Page(SessionAuth, "session_auth_config.login_url", "login", _login),
    "logout": _Page(SessionAuth, "session_auth_config.logout_url", "logout", _logout),
    "register": _Page(Registration, "registration_config.url", "registration", _registration),
    "password_change": _Page(
        PasswordChange, "password_change_config.url", "password_change", _password_change
    ),
    "password_reset": _Page(
        PasswordReset, "password_reset_config.url", "password_reset", _password_reset
    ),
    "password_reset_confirm": _Page(
        PasswordReset, "password_reset_config.confirm_url", "reset_confirm", _confirm, _PRIVATE
    ),
}
"""The pages there are."""
