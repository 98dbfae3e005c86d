"""Ways out of the Reflex pages, to those Django serves."""

import json
from urllib.parse import urlencode

import reflex as rx
from django.conf import settings
from django.http import HttpRequest


def sign_in(request: HttpRequest) -> rx.event.EventSpec:
    """Go to the sign-in page, and come back to the page of ``request`` afterwards.

    ``rx.redirect`` moves between Reflex pages only; this one is Django's.
    """
    url = f"{settings.LOGIN_URL}?{urlencode({'next': request.get_full_path()})}"
    return rx.call_script(f"window.location.assign({json.dumps(url)})")
