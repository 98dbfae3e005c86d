"""The Reflex app: its pages, and the bridge that runs Django's middleware around its events."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()  # `reflex export` imports this module on its own; states need the models.

import reflex as rx
from django.conf import settings
from rxbridge.events import EventBridge, MiddlewareRunner
from rxbridge.state import translated as _
from rxbridge.state.auth import add_auth_pages
from rxbridge.trace import TracedRunner

from accounts.state import AccountState, PersonalState
from catalogue.state import CatalogueState, ProductState
from notes.state import NotesState
from orders.staff import OrderTable
from orders.state import CartState, OrdersState
from shop.pages import auth
from shop.pages.cart import cart
from shop.pages.catalogue import catalogue
from shop.pages.missing import missing
from shop.pages.notes import notes
from shop.pages.order_table import order_table
from shop.pages.orders import orders
from shop.pages.product import product
from shop.pages.profile import profile
from shop.pages.staff import staff
from shop.sockets import connections, sessions, trace
from shop.staff import StaffState

app = rx.App(
    stylesheets=["/shop.css"],
    head_components=[rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml")],
)
app.add_middleware(
    EventBridge(
        connections,
        runner=TracedRunner(trace) if settings.DEBUG else MiddlewareRunner(),
        sessions=sessions,
    )
)


def add_page(page: rx.Component, route: str, title: rx.Var[str], *load: rx.event.EventType) -> None:
    """Add a page, which loads what it shows and then what its header does."""
    events = [PersonalState.follow_user, *load, AccountState.load, CartState.load]
    app.add_page(page, route, title=title, on_load=events)


add_page(catalogue, "/", "Kiln & Oak", CatalogueState.load)
add_page(product, "/product/[slug]", "Kiln & Oak", ProductState.load)
add_page(cart, "/cart", _("Your cart · Kiln & Oak"))
add_page(orders, "/orders", _("Your orders · Kiln & Oak"), OrdersState.load)
add_page(profile, "/profile", _("Your profile · Kiln & Oak"))
add_page(notes, "/notes", _("Your notes · Kiln & Oak"), NotesState.load, NotesState.follow)
add_page(staff, "/staff", _("Staff room · Kiln & Oak"), StaffState.load)
add_page(
    order_table, "/staff/orders", _("All orders · Kiln & Oak"), OrderTable.load, OrderTable.follow
)
app.add_page(missing, "/404", title=_("Not found · Kiln & Oak"))
add_auth_pages(app, auth.PAGES)
