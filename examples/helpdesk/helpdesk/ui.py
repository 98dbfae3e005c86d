"""The Reflex app: its pages, and the bridge that runs Django's middleware around its events."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "helpdesk.settings")
django.setup()

import reflex as rx
from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import EventBridge, Sessions
from rxbridge.state import translated as _
from rxbridge.state.auth import AuthPages, AuthTexts, add_auth_pages

from accounts.state import Auth
from helpdesk.layout import page
from tickets.pages import all_tickets, one_ticket
from tickets.state import Tickets, TicketState

connections = ConnectionRegistry()
sessions = Sessions(connections)
app = rx.App()
app.add_middleware(EventBridge(connections, sessions=sessions))
app.add_page(all_tickets, "/", title=_("Tickets"), on_load=[Tickets.load, Tickets.follow])
app.add_page(
    one_ticket,
    "/ticket/[number]",
    title=_("Ticket"),
    on_load=[TicketState.load, TicketState.follow],
)
texts = AuthTexts(
    to_registration=_("Start an organisation"),
    registration=_("Start an organisation"),
    registration_submit=_("Start"),
)
add_auth_pages(app, AuthPages(Auth, texts=texts, layout=page))
