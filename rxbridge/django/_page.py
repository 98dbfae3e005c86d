"""A page of a bundle, cut once so that each request only joins the pieces."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

from django.utils.safestring import SafeString, mark_safe

if TYPE_CHECKING:
    from collections.abc import Iterable

# What a Content-Security-Policy may want a nonce on.
_WITH_NONCE = ("script", "style", "link")

NONCE_MARK = secrets.token_hex(16)
"""Stands for the nonce in parts that are cut once; no bundle can have it in its text."""


@dataclass(frozen=True, slots=True)
class PageParts:
    """The pieces of a page that a template puts together; all are safe to output as they are."""

    html_attributes: str
    head: str
    body_attributes: str
    body: str

    @classmethod
    def of(cls, page: str) -> PageParts:
        """Cut a page at its ``html``, ``head`` and ``body`` tags; ``ValueError`` if one is missing.

        These are the tags a browser sees, not text in a script or a comment that looks so.
        """
        tags = _Tags(page)
        html, head, body = (tags.first(name) for name in ("html", "head", "body"))
        return cls(
            html_attributes=_attributes(page, html),
            head=_safe(page[head[1] : tags.first("/head")[0]]),
            body_attributes=_attributes(page, body),
            body=_safe(page[body[1] : tags.last("/body")[0]]),
        )

    def with_nonce(self, nonce: str) -> PageParts:
        """Return the parts with ``nonce`` in the place of ``NONCE_MARK``."""
        head, body = (_safe(part.replace(NONCE_MARK, nonce)) for part in (self.head, self.body))
        return replace(self, head=head, body=body)


@dataclass(frozen=True, slots=True)
class Page:
    """A page with the places where something can be put in."""

    text: str
    head: int
    """Where ``head`` ends: React skips what it did not render there, but not at the beginning."""
    nonces: tuple[int, ...]
    """Where a tag's name ends that may need a nonce."""

    @classmethod
    def of(cls, text: str) -> Page:
        """Find the places in a page."""
        tags = _Tags(text)
        nonces = sorted(
            start + 1 + len(name) for name in _WITH_NONCE for start, _ in tags.all(name)
        )
        return cls(text, tags.first("/head")[0], tuple(nonces))

    def with_head(self, fragment: str, nonce: str = "") -> str:
        """Return the page with ``fragment`` last in its head, and ``nonce`` on its own tags."""
        attribute = f' nonce="{nonce}"' if nonce else ""
        insertions = [(place, attribute) for place in self.nonces] if nonce else []
        return _insert(self.text, sorted([(self.head, fragment), *insertions]))


class _Tags(HTMLParser):
    """The places of all tags, by name; an end tag's begins with a slash."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        self._found: dict[str, list[tuple[int, int]]] = {}
        # HTMLParser counts lines by "\n" alone.
        self._lines = [0]
        for line in page.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self._page = page
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        """Note a start tag."""
        start = self._offset()
        self._found.setdefault(tag, []).append((start, start + len(self.get_starttag_text() or "")))

    def handle_endtag(self, tag: str) -> None:
        """Note an end tag."""
        start = self._offset()
        end = self._page.find(">", start) + 1
        self._found.setdefault(f"/{tag}", []).append((start, end))

    def all(self, name: str) -> list[tuple[int, int]]:
        """Return where the tags of this name begin and end."""
        return self._found.get(name, [])

    def first(self, name: str) -> tuple[int, int]:
        """Return where the first tag of this name is; ``ValueError`` when there is none."""
        return self._present(name)[0]

    def last(self, name: str) -> tuple[int, int]:
        """Return where the last tag of this name is; ``ValueError`` when there is none."""
        return self._present(name)[-1]

    def _present(self, name: str) -> list[tuple[int, int]]:
        if not self.all(name):
            msg = f"The page has no <{name}> tag, so it is none that Reflex has built; rebuild it."
            raise ValueError(msg)
        return self.all(name)

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column


def _attributes(page: str, tag: tuple[int, int]) -> str:
    text = page[slice(*tag)]
    name = text[1:].split(None, 1)[0].rstrip(">")
    return _safe(text[1 + len(name) : -1].rstrip("/").strip())


def _insert(text: str, insertions: Iterable[tuple[int, str]]) -> str:
    pieces: list[str] = []
    end = 0
    for place, inserted in insertions:
        pieces += [text[end:place], inserted]
        end = place
    return "".join([*pieces, text[end:]])


def _safe(text: str) -> SafeString:
    return mark_safe(text)  # noqa: S308  # It is of the bundle, which is code.
