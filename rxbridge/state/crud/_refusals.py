"""How a handler refuses: told to the log and, by what it raises, to the bridge."""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404

from rxbridge.events.binder import current_request, current_user
from rxbridge.events.guards import login_required

logger = logging.getLogger("rxbridge")

F = TypeVar("F", bound="Callable[..., Awaitable[Any]]")


def refusing(handler: F) -> F:
    """Have a handler's refusals logged, and anything but its own arguments refused.

    A visitor is sent to the login page instead, as by a guard.
    """
    signature = inspect.signature(handler)

    @functools.wraps(handler)
    async def checked(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        try:
            try:
                signature.bind(self, *args, **kwargs)
            except TypeError as error:
                raise BadRequest(str(error)) from error
            return await handler(self, *args, **kwargs)
        except (PermissionDenied, Http404, BadRequest, SuspiciousOperation) as refusal:
            log(refusal)
            if isinstance(refusal, PermissionDenied) and current_request() is not None:
                login_required.check(current_request())
            raise

    return cast("F", checked)


def log(refusal: Exception) -> None:
    """Write who was refused what, and why."""
    event = getattr(current_request(), "reflex_event", None)
    name = None if event is None else event.handler_name
    logger.warning("%s refused to user %s: %s", name, current_user().pk, refusal)
