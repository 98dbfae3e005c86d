"""Carts and orders."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    """What customers put aside and buy."""

    name = "orders"
