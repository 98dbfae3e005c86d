"""Tickets, and what is said about them."""

from django.conf import settings
from django.db import models

from accounts.models import Organisation
from accounts.tenants import TenantManager


class Ticket(models.Model):
    """Something that does not work, at one organisation."""

    organisation = models.ForeignKey(Organisation, models.CASCADE, related_name="tickets")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tickets")
    title = models.CharField(max_length=100)
    text = models.TextField(max_length=5_000)
    closed = models.BooleanField(default=False)
    changed = models.DateTimeField(auto_now=True)

    objects = TenantManager()

    class Meta:
        indexes = [models.Index(fields=["organisation", "-changed"], name="tickets_of_one")]

    def __str__(self) -> str:
        return self.title


class CommentManager(TenantManager):
    """The comments of the current organisation's tickets."""

    path = "ticket__organisation"


class Comment(models.Model):
    """What somebody said about a ticket, or a file that they added."""

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="comments")
    text = models.TextField(max_length=5_000)
    file = models.FileField(upload_to="attachments/%Y/%m/", blank=True)
    written = models.DateTimeField(auto_now_add=True)

    objects = CommentManager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text
