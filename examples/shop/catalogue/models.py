"""What the shop sells."""

from decimal import Decimal

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.templatetags.static import static


class Category(models.Model):
    """A shelf of the shop."""

    name = models.CharField(max_length=40, unique=True)
    slug = models.SlugField(unique=True)
    position = models.PositiveSmallIntegerField(default=0, help_text="Low numbers come first.")

    class Meta:
        ordering = ["position", "name"]
        verbose_name_plural = "categories"

    def __str__(self) -> str:
        return self.name


class ProductQuerySet(models.QuerySet["Product"]):
    """The questions the pages and the API ask."""

    def on_sale(self) -> "ProductQuerySet":
        """Return what customers may see."""
        return self.filter(is_listed=True).select_related("category")

    def matching(self, *, text: str = "", category: str = "") -> "ProductQuerySet":
        """Return what has every word of ``text`` and is in ``category``; empty means any."""
        found = self.filter(category__slug=category) if category else self
        for word in text.split():
            found = found.filter(
                Q(name__icontains=word)
                | Q(tagline__icontains=word)
                | Q(description__icontains=word)
                | Q(category__name__icontains=word)
            )
        return found


class Product(models.Model):
    """One thing on a shelf."""

    category = models.ForeignKey(Category, on_delete=models.PROTECT, related_name="products")
    name = models.CharField(max_length=80)
    slug = models.SlugField(unique=True)
    tagline = models.CharField(max_length=120)
    description = models.TextField()
    material = models.CharField(max_length=80)
    dimensions = models.CharField(max_length=80)
    price = models.DecimalField(
        max_digits=8, decimal_places=2, validators=[MinValueValidator(Decimal("0.01"))]
    )
    stock = models.PositiveIntegerField(default=0)
    picture = models.CharField(max_length=100, help_text="A path below the static files.")
    is_listed = models.BooleanField(default=True, help_text="Shown in the shop.")
    created = models.DateTimeField(auto_now_add=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        ordering = ["category__position", "name"]

    def __str__(self) -> str:
        return self.name

    @property
    def picture_url(self) -> str:
        """The address of the picture."""
        return static(self.picture)
