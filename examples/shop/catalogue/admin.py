"""The catalogue in the admin."""

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from catalogue.models import Category, Product
from catalogue.money import euros


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    """Shelves, and how much is on them."""

    list_display = ["name", "slug", "position", "product_count"]
    list_editable = ["position"]
    prepopulated_fields = {"slug": ["name"]}
    search_fields = ["name"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Category]:
        """Count the products in the same query."""
        return super().get_queryset(request).annotate(products_on_shelf=Count("products"))

    @admin.display(description="products", ordering="products_on_shelf")
    def product_count(self, category: Category) -> int:
        """Return how many products the category has."""
        return category.products_on_shelf


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    """Products, with price and stock to be changed in the list."""

    list_display = ["thumbnail", "name", "category", "price", "stock", "is_listed"]
    list_display_links = ["thumbnail", "name"]
    list_editable = ["price", "stock", "is_listed"]
    list_filter = ["category", "is_listed"]
    list_select_related = ["category"]
    search_fields = ["name", "tagline", "description"]
    prepopulated_fields = {"slug": ["name"]}
    readonly_fields = ["preview", "created"]
    fieldsets = [
        (None, {"fields": [("name", "slug"), "category", "tagline", "description"]}),
        ("Selling", {"fields": [("price", "stock"), "is_listed"]}),
        ("Details", {"fields": ["material", "dimensions", "picture", "preview", "created"]}),
    ]

    @admin.display(description="")
    def thumbnail(self, product: Product) -> SafeString:
        """Return the picture, small enough for a row."""
        return _picture(product, size=40)

    @admin.display(description="preview")
    def preview(self, product: Product) -> SafeString | str:
        """Return the picture, and the price as customers read it."""
        if not product.pk:
            return "—"
        return format_html("{}<p>{}</p>", _picture(product, size=220), euros(product.price))


def _picture(product: Product, *, size: int) -> SafeString:
    return format_html(
        '<img src="{}" alt="" width="{}" height="{}" style="border-radius: 8px">',
        product.picture_url,
        size,
        size,
    )
