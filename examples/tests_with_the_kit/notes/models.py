"""Notes, each of one tenant."""

from django.conf import settings
from django.db import models


class Tenant(models.Model):
    """A customer, who has a host name of their own."""

    host = models.CharField(max_length=100, unique=True)
    name = models.CharField(max_length=100)

    def __str__(self) -> str:
        return self.name


class Note(models.Model):
    """A note, seen by everyone at its tenant."""

    tenant = models.ForeignKey(Tenant, models.CASCADE)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    text = models.TextField()

    def __str__(self) -> str:
        return self.text
