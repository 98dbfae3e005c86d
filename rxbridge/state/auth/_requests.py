"""What the handlers do with the running event's request: sign in, go elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from django.contrib.auth import authenticate, login
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_variables

from rxbridge.events.reflex import frontend_path

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.http import HttpRequest

    from rxbridge.state.auth.config import PasswordResetConfig, RegistrationConfig


def page_path(url: str) -> str:
    """Return ``url`` as the app's own router has it, without the app's ``frontend_path``."""
    prefix = frontend_path().strip("/")
    if prefix and f"{url}/".startswith(f"/{prefix}/"):
        return url.removeprefix(f"/{prefix}") or "/"
    return url


@sensitive_variables("password")
def sign_in_with(
    config: RegistrationConfig | PasswordResetConfig,
    request: HttpRequest,
    user: Any,
    password: str | None,
) -> bool:
    """Sign ``user`` in as the backends do with ``password``; tell whether they did.

    So a backend that asks for more, or refuses accounts that are not yet confirmed, is heard.
    With ``config.backend`` none is asked, and without ``config.sign_in`` nobody is signed in.
    """
    if not config.sign_in:
        return False
    if config.backend is not None:
        known = user if user.is_active else None
    elif password:
        known = authenticate(request, username=user.get_username(), password=password)
    else:
        known = None
    if known is not None:
        login(request, known, config.backend)
    return known is not None


def next_url(
    request: HttpRequest, otherwise: str, *, named: str = "next", hosts: Collection[str] = ()
) -> str:
    """Return where the page's query says to go next, and ``otherwise`` unless that is safe.

    Safe is a page of this host, or of ``hosts``, under https if this page is. What is returned
    is the address as a browser resolves it, a path for this host. A path with two slashes in a
    row is refused: ``/..//evil.example`` becomes one that some routers take for a host.
    """
    target = request.GET.get(named, "")
    here = request.build_absolute_uri()
    own = request.get_host()
    if not url_has_allowed_host_and_scheme(
        target, allowed_hosts={own, *hosts}, require_https=request.is_secure()
    ):
        return otherwise
    url = urljoin(here, target)
    parts = urlsplit(url)
    if "//" in parts.path or "\\" in target or parts.path == request.path:
        return otherwise
    if parts.netloc.lower() != own.lower():
        return url
    return parts._replace(scheme="", netloc="").geturl() or "/"
