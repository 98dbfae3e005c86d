"""The Reflex app of these tests: one page, and a bridge with the project's own middleware."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import reflex as rx

from rxbridge.asgi import ConnectionRegistry
from rxbridge.events import (
    DEFAULT_SKIP,
    EventBridge,
    MiddlewareRunner,
    SyntheticRequestFactory,
    database_threads,
)
from tests.markdown import blocks

_app = rx.App()  # Reflex allows one to a process.
_app.add_page(rx.fragment, route="/")


as_gets = partial(SyntheticRequestFactory, method="GET")
as_posts = partial(SyntheticRequestFactory, method="POST")


def bridged_app(
    requests: Callable[[ConnectionRegistry], Any] = SyntheticRequestFactory,
    *,
    skip: Mapping[str, str] = DEFAULT_SKIP,
    threads: int = 16,
    release: bool = False,
    around: Iterable[Any] = (),
) -> rx.App:
    """Return the app, its events going through ``settings.MIDDLEWARE`` in this way from now on."""
    bridge = EventBridge(
        requests=requests(ConnectionRegistry()),
        runner=MiddlewareRunner(
            skip=skip,
            threads=database_threads(core=min(2, threads), limit=threads, release=release),
            around=around,
        ),
    )
    _app._middlewares = [bridge]
    return _app


def not_skipped(path: str) -> dict[str, str]:
    """Return ``DEFAULT_SKIP`` without the middleware at ``path``, which must be in it."""
    skip = dict(DEFAULT_SKIP)
    del skip[path]
    return skip


def recipe(*wanted: str, page: str = "middleware-runner.md") -> Any:
    """Return what a page of the docs defines in one of its blocks, by the names that are wanted."""
    text = (Path(__file__).parents[2] / "docs" / page).read_text()
    [code] = [block for _, _, block in blocks(text) if re.search(rf"\b{wanted[0]}\(", block)]
    names: dict[str, Any] = {"__name__": f"{__name__}.recipes"}
    exec(code, names)
    found = [names[each] for each in wanted]
    return found if len(found) > 1 else found[0]
