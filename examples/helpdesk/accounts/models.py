"""Organisations, and the people who work there."""

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.utils.translation import gettext_lazy as _


class Organisation(models.Model):
    """A customer of the help desk; what is in it is for its own people."""

    name = models.CharField(max_length=80, unique=True)

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    """Make and find people by their e-mail address, in whichever case it is written."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Return the address as it is kept."""
        return (email or "").lower()

    def get_by_natural_key(self, email: str | None) -> "User":
        """Return who signs in with an address."""
        return self.get(email=self.normalize_email(email))

    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        """Make a user; without a password nobody can sign in as them."""
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        """Make a user who may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractUser):
    """Somebody who signs in with their e-mail address, and works at one organisation."""

    username = None
    email = models.EmailField(_("email address"), unique=True)
    organisation = models.ForeignKey(
        Organisation, models.CASCADE, null=True, blank=True, related_name="people"
    )

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []
    objects = UserManager()

    def __str__(self) -> str:
        return self.email
