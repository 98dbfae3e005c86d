"""The catalogue: categories and the products in them."""

from django.apps import AppConfig


class CatalogueConfig(AppConfig):
    """What the shop sells."""

    name = "catalogue"
