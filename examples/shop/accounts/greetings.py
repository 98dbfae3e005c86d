"""What users are told as they come and go, by a view of Django and by an event alike."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.translation import gettext as _


# Silently: a command or a test may sign in without the middleware that keeps messages.
@receiver(user_logged_in)
def welcome(request: HttpRequest, user: AbstractUser, **_kwargs: Any) -> None:
    """Greet who has signed in."""
    name = user.first_name or user.get_username()
    messages.success(request, _("Welcome, {name}.").format(name=name), fail_silently=True)


@receiver(user_logged_out)
def farewell(request: HttpRequest, **_kwargs: Any) -> None:
    """Say that nobody is signed in any more."""
    messages.info(request, _("You are signed out. See you soon."), fail_silently=True)
