"""What the shop knows about its users besides their account."""

from django.conf import settings
from django.db import models


class Profile(models.Model):
    """What a user shows of themselves."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="profile"
    )
    picture = models.FileField(upload_to="pictures/", blank=True)

    def __str__(self) -> str:
        return f"profile of {self.user}"

    @property
    def picture_url(self) -> str:
        """The address of the picture; empty without one."""
        return self.picture.url if self.picture else ""


class Ban(models.Model):
    """A user who may look around the shop, and no more."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="ban"
    )
    reason = models.CharField(max_length=200, blank=True)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-since"]

    def __str__(self) -> str:
        return f"{self.user} is banned"


class EventCount(models.Model):
    """How often a user fired one event handler."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="event_counts"
    )
    handler = models.CharField(max_length=200)
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["-count", "handler"]
        constraints = [
            models.UniqueConstraint(fields=["user", "handler"], name="one_count_per_handler")
        ]

    def __str__(self) -> str:
        return f"{self.handler} by {self.user}: {self.count}"
