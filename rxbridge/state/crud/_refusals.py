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

_REFUSALS = (PermissionDenied, Http404, BadRequest, SuspiciousOperation)


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
        except _REFUSALS as refusal:
            user: Any = current_user()
            name = f"{type(self).__name__}.{handler.__name__}"
            logger.warning("%s refused to user %s: %s", name, user.pk, refusal)
            if isinstance(refusal, PermissionDenied) and current_request() is not None:
                login_required.check(current_request())
            raise

    return cast("F", checked)
