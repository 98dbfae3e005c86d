"""A page of a bundle, cut once so that each request only joins the pieces."""

from __future__ import annotations

import secrets
from collections import defaultdict
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import pairwise

from django.utils.safestring import SafeString, mark_safe

# What a Content-Security-Policy may want a nonce on.
_WITH_NONCE = ("script", "style", "link")

NONCE_MARK = secrets.token_hex(16)
"""Stands for the nonce in what is cut once; no bundle can have it in its text."""


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
        html, head, body = (tags.at(name) for name in ("html", "head", "body"))
        return cls(
            html_attributes=_attributes(page, html),
            head=_safe(page[head[1] : tags.at("/head")[0]]),
            body_attributes=_attributes(page, body),
            body=_safe(page[body[1] : tags.at("/body", -1)[0]]),
        )


def cut_at_head(page: str) -> tuple[str, str]:
    """Return a page in two, cut where its head ends; ``ValueError`` if it has none.

    React skips what it did not render there, but not at the beginning.
    """
    end = _Tags(page).at("/head")[0]
    return page[:end], page[end:]


def with_nonce_mark(page: str) -> str:
    """Return a page whose own tags have ``NONCE_MARK`` as their nonce."""
    tags = _Tags(page)
    places = sorted(
        start + 1 + len(name) for name in _WITH_NONCE for start, _ in tags.found.get(name, ())
    )
    pieces = (page[start:end] for start, end in pairwise([0, *places, len(page)]))
    return f' nonce="{NONCE_MARK}"'.join(pieces)


class _Tags(HTMLParser):
    """The places of all tags, by name; an end tag's begins with a slash."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=False)
        self.found: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
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
        self.found[tag].append((start, start + len(self.get_starttag_text() or "")))

    def handle_endtag(self, tag: str) -> None:
        """Note an end tag."""
        start = self._offset()
        end = self._page.find(">", start) + 1
        self.found[f"/{tag}"].append((start, end))

    def at(self, name: str, index: int = 0) -> tuple[int, int]:
        """Return where a tag of this name begins and ends; ``ValueError`` when there is none."""
        if not self.found[name]:
            msg = f"The page has no <{name}> tag, so it is none that Reflex has built; rebuild it."
            raise ValueError(msg)
        return self.found[name][index]

    def _offset(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column


def _attributes(page: str, tag: tuple[int, int]) -> str:
    text = page[slice(*tag)]
    name = text[1:].split(None, 1)[0].rstrip(">")
    return _safe(text[1 + len(name) : -1].rstrip("/").strip())


def _safe(text: str) -> SafeString:
    return mark_safe(text)  # noqa: S308  # It is of the bundle, which is code.
