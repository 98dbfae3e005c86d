"""Cookies as tests have them: text by name, or those of Django's test client."""

from __future__ import annotations

from collections.abc import Mapping
from http.cookies import Morsel
from typing import TypeAlias

__all__ = ["Cookies", "cookie_header", "plain"]

Cookies: TypeAlias = Mapping[str, str] | Mapping[str, Morsel[str]]


def plain(cookies: Cookies | None) -> dict[str, str]:
    """Return the values by name, as a browser would send them."""
    return {
        name: value.coded_value if isinstance(value, Morsel) else value
        for name, value in (cookies or {}).items()
    }


def cookie_header(cookies: Cookies | None) -> dict[str, str]:
    """Return the header of these cookies; none where there are no cookies."""
    pairs = [f"{name}={value}" for name, value in plain(cookies).items()]
    return {"cookie": "; ".join(pairs)} if pairs else {}
