"""The text of an SQL statement with every literal taken out."""

from __future__ import annotations

import re
from functools import cache, lru_cache

from django.apps import apps

READ = 2_000
"""Characters of a statement that are looked at."""

KEPT = 300
"""Characters of it that are kept."""

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<mark>%s|%\(\w+\)s|(?!--|/\*)[][(),.;=<>!+*/|&^~@:?%-])
  | (?P<literal>[eEnNxXbB]?'(?:[^'\\]|'')*'(?!')|\d[\w.]*)
  | (?P<quoted>"[^"\\]*"|`[^`\\]*`)
  | (?P<word>[^\W\d]\w*(?!['\w]))
    """,
    re.VERBOSE,
)
_ALIAS = re.compile(r"[T-Z]\d+|subquery|__count|(?:__(?:orderby)?)?col\d+")
_LIST = re.compile(r"(%s|\?)(?:, (?:%s|\?)){2,}")
_COLUMNS = re.compile(r"^(SELECT (?:DISTINCT )?).{30,}? FROM ")


@lru_cache(maxsize=256)
def without_literals(sql: str) -> str:
    """Return a statement to be shown: its words, ``?`` for what could be a value, shortened.

    What is no word, no operator and no name of a model's table or column does not stay. Where
    two databases could read the text differently (a backslash in a string, a dollar quote, a
    comment), the rest is dropped.
    """
    shown: list[str] = []
    at, text = 0, sql[:READ]
    while at < len(text) and (token := _TOKEN.match(text, at)) is not None:
        shown.append(_shown(token))
        at = token.end()
    cut = "…" if at < len(text) or len(sql) > READ else ""
    clean = _COLUMNS.sub(r"\1… FROM ", _LIST.sub(r"\1, …", "".join(shown).strip()) + cut)
    return clean if len(clean) <= KEPT else f"{clean[: KEPT - 1]}…"


def _shown(token: re.Match[str]) -> str:
    match token.lastgroup:
        case "space":
            return " "
        case "literal":
            return "?"
        case "quoted":
            # MySQL and SQLite take some of what stands in double quotes for a string.
            name = token[0][1:-1]
            return name if name in _names() or _ALIAS.fullmatch(name) else "?"
        case _:
            return token[0]


@cache
def _names() -> frozenset[str]:
    """Return the names of the tables and columns of all models."""
    names: set[str] = set()
    for model in apps.get_models(include_auto_created=True):
        names.update(model._meta.db_table.replace('"', "").split("."))  # noqa: SLF001
        names.update(str(field.column) for field in model._meta.concrete_fields)  # noqa: SLF001
    return frozenset(names)
