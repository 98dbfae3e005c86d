"""The Reflex app: its pages, and the bridge that runs Django's middleware around its events."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()  # `reflex export` imports this module on its own; states need the models.

import reflex as rx
from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import ContextBinder, EventBridge, MiddlewareRunner, SyntheticRequestFactory

from catalogue.state import CatalogueState, ProductState
from orders.state import CartState, OrdersState
from shop.account import AccountState
from shop.pages.cart import cart
from shop.pages.catalogue import catalogue
from shop.pages.missing import missing
from shop.pages.orders import orders
from shop.pages.product import product

connections = ConnectionRegistry()
app = rx.App(
    stylesheets=["/shop.css"],
    head_components=[rx.el.link(rel="icon", href="/favicon.svg", type="image/svg+xml")],
)
app.add_middleware(
    EventBridge(SyntheticRequestFactory(connections), MiddlewareRunner(), ContextBinder())
)

EVERYWHERE = [AccountState.load, CartState.load]
app.add_page(catalogue, "/", title="Kiln & Oak", on_load=[CatalogueState.load, *EVERYWHERE])
app.add_page(
    product,
    "/product/[slug]",
    title="Kiln & Oak",
    on_load=[ProductState.load, *EVERYWHERE],
)
app.add_page(cart, "/cart", title="Your cart · Kiln & Oak", on_load=EVERYWHERE)
app.add_page(
    orders, "/orders", title="Your orders · Kiln & Oak", on_load=[OrdersState.load, *EVERYWHERE]
)
app.add_page(missing, "/404", title="Not found · Kiln & Oak")
