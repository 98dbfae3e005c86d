"""Two ordinary middleware; they run around a page of the admin and a click on a page alike."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from accounts.access import is_open, is_own
from accounts.models import Ban, EventCount

GetResponse = Callable[[HttpRequest], HttpResponse]


class BannedUserMiddleware:
    """Answer 403 to a banned user, except for what is open to them.

    A handler is to its event what a view is to its request, so one ``process_view`` does for both.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Pass the request on."""
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *_args: Any
    ) -> HttpResponse | None:
        """Refuse a banned user before the view, or the handler, runs."""
        if is_open(view) or not is_banned(request.user):
            return None
        return render(request, "403.html", status=403)


class EventCountMiddleware:
    """Count the Reflex events of each signed-in user, by handler; only the shop's own count."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Count the event once it has run."""
        response = self.get_response(request)
        if request.user.is_authenticated and (handler := shop_handler(request)):
            count_event(request.user, handler)
        return response


def shop_handler(request: HttpRequest) -> str | None:
    """Return the name of the handler ``request`` runs, if it is one of the shop's."""
    event = getattr(request, "reflex_event", None)
    if event is None or not is_own(event.handler):
        return None
    return event.handler.__qualname__


def is_banned(user: AbstractBaseUser) -> bool:
    """Return whether ``user`` has an account and is banned."""
    return user.is_authenticated and Ban.objects.filter(user_id=user.pk).exists()


def count_event(user: AbstractBaseUser, handler: str) -> None:
    """Add one to what ``user`` did with ``handler``, safely while others do the same."""
    EventCount.objects.update_or_create(
        user_id=user.pk,
        handler=handler,
        defaults={"count": F("count") + 1, "last_at": timezone.now()},
        create_defaults={"count": 1},
    )
