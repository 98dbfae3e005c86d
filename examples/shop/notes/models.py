"""What customers write down."""

from django.conf import settings
from django.db import models

from catalogue.models import Product

MAX_TEXT = 2_000


class Note(models.Model):
    """A note of one customer, about a product or about anything."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notes"
    )
    title = models.CharField(max_length=80)
    text = models.TextField(max_length=MAX_TEXT, blank=True)
    product = models.ForeignKey(
        Product, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-changed", "-pk"]
        # A page of the list: one owner's notes, the newest first.
        indexes = [models.Index(fields=["owner", "-changed"], name="notes_of_owner")]

    def __str__(self) -> str:
        return self.title
