"""What the handlers do with the running event's request: sign in, sign out, go elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from django.contrib.auth import alogin, alogout, authenticate
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.debug import sensitive_variables

from rxbridge.events.binder import unanswered
from rxbridge.events.reflex import frontend_path

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.http import HttpRequest

    from rxbridge.state.auth.config import PasswordResetConfig, RegistrationConfig


async def sign_in(user: Any, backend: str | None = None) -> None:
    """Sign ``user`` in, as Django does: the session gets a new key and keeps its data."""
    await alogin(unanswered("login").request, user, backend)


async def sign_out() -> None:
    """Sign the user out, as Django does: the session is gone."""
    await alogout(unanswered("logout").request)


def page_path(url: str) -> str:
    """Return ``url`` as the app's own router has it, without the app's ``frontend_path``."""
    prefix = frontend_path().strip("/")
    if prefix and f"{url}/".startswith(f"/{prefix}/"):
        return url.removeprefix(f"/{prefix}") or "/"
    return url


@sensitive_variables("password")
def user_to_sign_in(
    config: RegistrationConfig | PasswordResetConfig,
    request: HttpRequest,
    user: Any,
    password: str | None,
) -> Any:
    """Return ``user`` as the backends sign them in with ``password``; ``None`` if they do not.

    So a backend that asks for more, or refuses accounts that are not yet confirmed, is heard.
    With ``config.backend`` none is asked, and without ``config.sign_in`` nobody is signed in.
    """
    if not config.sign_in:
        return None
    if config.backend is not None:
        return user if user.is_active else None
    if not password:
        return None
    return authenticate(request, username=user.get_username(), password=password)


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
