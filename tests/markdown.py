"""What the tests of the documentation read out of Markdown: code blocks, links, anchors."""

import re
from collections.abc import Iterator

_FENCE = re.compile(r"^```(.*)$")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$")


def python_blocks(text: str) -> Iterator[tuple[int, str]]:
    """Each block marked ``python`` alone, with the number of the line its fence is on."""
    for line, language, block in blocks(text):
        if language == "python":
            yield line, block


def links(text: str) -> list[str]:
    """The targets of all links and pictures outside of code."""
    return _LINK.findall(re.sub(r"`[^`\n]*`", "``", _prose(text)))


def anchors(text: str) -> set[str]:
    """The anchors of the headings, named as GitHub does."""
    found: set[str] = set()
    for heading in filter(None, map(_HEADING.match, _prose(text).splitlines())):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading[1])
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (anchor := f"{slug}-{number}" if number else slug) in found:
            number += 1
        found.add(anchor)
    return found


def blocks(text: str) -> Iterator[tuple[int, str, str]]:
    """Each block, with the number of the line its fence is on and what is behind the fence."""
    fence, language, block = 0, "", list[str]()
    for number, line in enumerate(text.splitlines(), start=1):
        match = _FENCE.match(line)
        if fence and match:
            yield fence, language, "\n".join(block)
            fence = 0
        elif match:
            fence, language, block = number, match[1].strip(), []
        elif fence:
            block.append(line)


def _prose(text: str) -> str:
    kept, inside = [], False
    for line in text.splitlines():
        if _FENCE.match(line):
            inside = not inside
        elif not inside:
            kept.append(line)
    return "\n".join(kept)
