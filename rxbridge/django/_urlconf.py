"""The URLconf as a flat list, in the order in which Django tries it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RegexPattern, RoutePattern

from rxbridge.django.views import SPAView

# No pattern matches it that does not match every path.
_NOBODYS_PATH = "~ , /~"
_REGEX_SPECIAL = re.compile(r"[\\.^$*+?{}\[\]|()]")


@dataclass(frozen=True, slots=True)
class Place:
    """One pattern with those it is included under."""

    text: str
    """As written, such as ``api/<int:pk>/``."""
    literal: str
    """What every path it matches begins with, without the first slash."""
    pattern: URLPattern

    @property
    def is_open(self) -> bool:
        """Whether something variable follows the literal part."""
        return self.text != self.literal

    @property
    def is_catch_all(self) -> bool:
        """Whether it matches every path."""
        leaf = self.pattern.pattern
        return str(leaf) == self.text and leaf.match(_NOBODYS_PATH) is not None

    @property
    def is_spa(self) -> bool:
        """Whether it is a catch-all that serves the SPA."""
        view: Any = getattr(self.pattern.callback, "view_class", None)
        return self.is_catch_all and isinstance(view, type) and issubclass(view, SPAView)


def places() -> list[Place]:
    """Return the patterns of ``ROOT_URLCONF``; none when that is not set."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return []
    return list(_walk(get_resolver().url_patterns, "", ""))


def first_segments(urlconf: Iterable[Place]) -> list[str]:
    """Return what the paths of ``urlconf`` begin with, such as ``/api``, but those of any path."""
    return sorted(
        {
            "/" + place.literal.partition("/")[0]
            for place in urlconf
            if not (place.is_catch_all or (place.is_open and not place.literal))
        }
    )


def _walk(patterns: list[Any], text: str, literal: str) -> Iterator[Place]:
    for entry in patterns:
        here = text + str(entry.pattern)
        # Only as long as all above is literal does what is below continue it.
        known = literal + _literal(entry.pattern) if literal == text else literal
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, here, known)
        else:
            yield Place(here, known, entry)


def _literal(pattern: Any) -> str:
    text = str(pattern)
    if isinstance(pattern, RoutePattern):
        return text.partition("<")[0]
    if isinstance(pattern, RegexPattern):
        return _REGEX_SPECIAL.split(text.removeprefix("^"), maxsplit=1)[0]
    return text
