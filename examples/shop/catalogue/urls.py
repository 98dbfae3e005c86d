"""The URLs of the JSON API."""

from django.urls import path

from catalogue import api

urlpatterns = [
    path("products/", api.product_list, name="api-product-list"),
    path("products/<slug:slug>/", api.product_detail, name="api-product-detail"),
]
