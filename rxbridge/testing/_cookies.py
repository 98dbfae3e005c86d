"""What a test's browser sends: its headers, and cookies as text or of Django's test client."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import Morsel
from typing import TypeAlias

Cookies: TypeAlias = Mapping[str, str] | Mapping[str, Morsel[str]]


def plain(cookies: Cookies | None) -> dict[str, str]:
    """Return the values by name, as a browser would send them."""
    return {
        name: value.coded_value if isinstance(value, Morsel) else value
        for name, value in (cookies or {}).items()
    }


def sent_headers(
    host: str,
    secure: bool,
    *,
    origin: str | None = "own",
    cookies: Cookies | None = None,
    headers: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the headers by which a request says whose it is, and ``headers``.

    ``origin`` is of the page that makes it: the host itself, by default; ``None`` sends none.
    """
    own = {"host": host}
    if origin is not None:
        own["origin"] = f"{'https' if secure else 'http'}://{host}" if origin == "own" else origin
    if cookies:
        own["cookie"] = "; ".join(f"{name}={value}" for name, value in plain(cookies).items())
    return own | {name.lower(): value for name, value in (headers or {}).items()}
