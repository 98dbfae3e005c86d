"""The Reflex app."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

import reflex as rx
from rxbridge.asgi import ConnectionRegistry, CookieHandoff
from rxbridge.events import EventBridge
from rxbridge.state import DjangoUserState

from notes.state import Auth, NotesState

connections = ConnectionRegistry()
handoff = CookieHandoff(connections)


def index() -> rx.Component:
    """Return the page with the notes."""
    return rx.vstack(
        rx.heading(NotesState.heading),
        rx.foreach(DjangoUserState.messages, lambda message: rx.callout(message["text"])),
        rx.foreach(NotesState.notes, rx.text),
        rx.input(placeholder="A note", on_blur=NotesState.add),
        rx.upload(rx.text("Drop a file"), id="file"),
        rx.button("Take in", on_click=NotesState.take_in(rx.upload_files("file"))),
        rx.button("Tidy", on_click=NotesState.tidy),
    )


def login() -> rx.Component:
    """Return the page to sign in at."""
    return rx.form(
        rx.foreach(Auth.login_errors["form"], rx.text),
        rx.input(name="username"),
        rx.input(name="password", type="password"),
        rx.button("Sign in", type="submit"),
        on_submit=Auth.login,
    )


app = rx.App()
app.add_middleware(EventBridge(connections, handoff=handoff))
app.add_page(index, route="/", on_load=NotesState.load)
app.add_page(login, route="/login", on_load=Auth.open_login)
