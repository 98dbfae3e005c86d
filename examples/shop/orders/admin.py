"""Carts and orders in the admin."""

from decimal import Decimal

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from catalogue.money import euros
from orders.models import Cart, CartItem, Order, OrderLine


class CartItemInline(admin.TabularInline):
    """What is in a cart."""

    model = CartItem
    extra = 0
    autocomplete_fields = ["product"]


@admin.register(Cart)
class CartAdmin(admin.ModelAdmin):
    """What customers have put aside."""

    list_display = ["user", "updated"]
    list_select_related = ["user"]
    search_fields = ["user__username"]
    autocomplete_fields = ["user"]
    inlines = [CartItemInline]


class OrderLineInline(admin.TabularInline):
    """What was bought, at the price of the day."""

    model = OrderLine
    extra = 0
    autocomplete_fields = ["product"]


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    """What customers bought."""

    list_display = ["number", "user", "status", "total", "placed"]
    list_editable = ["status"]
    list_filter = ["status", "placed"]
    list_select_related = ["user"]
    search_fields = ["=pk", "user__username", "lines__name"]
    date_hierarchy = "placed"
    autocomplete_fields = ["user"]
    readonly_fields = ["placed"]
    inlines = [OrderLineInline]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Order]:
        """Add up the lines in the same query."""
        return super().get_queryset(request).with_totals()

    @admin.display(ordering="amount")
    def total(self, order: Order) -> str:
        """Return what the order cost."""
        return euros(order.amount or Decimal(0))
