"""What the catalogue's pages show, and what happens on them."""

from dataclasses import dataclass

import reflex as rx
from django.contrib.auth.decorators import login_not_required
from django.utils.translation import gettext, ngettext
from rxbridge.state import AppState

from catalogue.models import Category, Product
from catalogue.money import euros

FEW = 3


@dataclass
class Shelf:
    """A category, as the filter shows it."""

    slug: str
    name: str


@dataclass
class ProductCard:
    """A product, as a card shows it: plain values, never a model instance."""

    id: int = 0
    slug: str = ""
    name: str = ""
    category: str = ""
    tagline: str = ""
    price: str = ""
    picture: str = ""
    in_stock: bool = True
    note: str = ""


@dataclass
class ProductDetail(ProductCard):
    """A product, as its own page shows it."""

    category_slug: str = ""
    description: str = ""
    material: str = ""
    dimensions: str = ""
    stock: int = 0


class CatalogueState(AppState, rx.State):
    """The products a visitor asked for."""

    shelves: list[Shelf] = []
    products: list[ProductCard] = []
    category: str = ""
    text: str = ""
    loaded: bool = False

    @rx.event
    @login_not_required
    def load(self) -> None:
        """Show what the page's address asks for."""
        self.category = self.request.GET.get("category", "")
        self.text = self.request.GET.get("q", "")
        shelves = Category.objects.filter(products__is_listed=True).distinct()
        self.shelves = [Shelf(shelf.slug, gettext(shelf.name)) for shelf in shelves]
        self._find()

    @rx.event
    @login_not_required
    def search(self, text: str) -> None:
        """Show what has the words of ``text``."""
        self.text = text[:80]
        self._find()

    @rx.event
    @login_not_required
    def clear(self) -> rx.event.EventSpec:
        """Show everything again."""
        self.text = self.category = ""
        self._find()
        return rx.redirect("/")

    def _find(self) -> None:
        found = Product.objects.on_sale().matching(text=self.text, category=self.category)
        self.products = [ProductCard(**card_fields(product)) for product in found]
        self.loaded = True


class ProductState(AppState, rx.State):
    """The product whose page is open."""

    product: ProductDetail = ProductDetail()
    related: list[ProductCard] = []
    quantity: int = 1
    is_loading: bool = True

    @rx.event
    @login_not_required
    def load(self):
        """Show the product the address names; none if there is no such product."""
        self.is_loading = True
        yield
        self.quantity = 1
        on_sale = Product.objects.on_sale()
        product = on_sale.filter(slug=self.slug).first()
        self.product = detail(product) if product else ProductDetail()
        others = on_sale.filter(category=product.category).exclude(pk=product.pk) if product else []
        self.related = [ProductCard(**card_fields(other)) for other in others[:3]]
        self.is_loading = False

    @rx.event
    @login_not_required
    def change_quantity(self, by: int) -> None:
        """Ask for more or for fewer, as far as there is stock."""
        self.quantity = min(max(self.quantity + by, 1), max(self.product.stock, 1))


def card_fields(product: Product) -> dict[str, int | str | bool]:
    """Return the fields of a ``ProductCard``.

    What the seed wrote is in the catalogue of translations; other goods read as typed in.
    """
    return {
        "id": product.pk,
        "slug": product.slug,
        "name": product.name,
        "category": gettext(product.category.name),
        "tagline": gettext(product.tagline),
        "price": euros(product.price),
        "picture": product.picture_url,
        "in_stock": product.stock > 0,
        "note": stock_note(product.stock),
    }


def detail(product: Product) -> ProductDetail:
    """Return everything a customer may know about ``product``."""
    return ProductDetail(
        **card_fields(product),
        category_slug=product.category.slug,
        description=gettext(product.description),
        material=gettext(product.material),
        dimensions=gettext(product.dimensions),
        stock=product.stock,
    )


def stock_note(stock: int) -> str:
    """Return what a customer should know about the stock, or nothing."""
    if stock == 0:
        return gettext("Sold out")
    if stock > FEW:
        return ""
    return ngettext("Only {stock} left", "Only {stock} left", stock).format(stock=stock)
