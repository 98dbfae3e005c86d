"""The models of the CRUD tests; their tables are made by ``conftest``."""

from django.conf import settings
from django.db import models


class Folder(models.Model):
    name = models.CharField(max_length=50)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)

    class Meta:
        app_label = "crud"

    def __str__(self) -> str:
        return self.name


class Label(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "crud"

    def __str__(self) -> str:
        return self.name


class Note(models.Model):
    title = models.CharField(max_length=50)
    text = models.TextField(blank=True)
    secret = models.CharField(max_length=50, default="of the server")
    price = models.DecimalField(max_digits=6, decimal_places=2, default="1.10")
    due = models.DateField(null=True, blank=True)
    done = models.BooleanField(default=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, null=True)
    folder = models.ForeignKey(Folder, models.PROTECT, null=True, blank=True)
    labels = models.ManyToManyField(Label, blank=True)
    changed = models.DateTimeField(auto_now=True)

    class Meta:
        app_label = "crud"
        constraints = [
            models.UniqueConstraint(fields=["owner", "title"], name="one_title_per_owner")
        ]

    def __str__(self) -> str:
        return self.title
