"""The ASGI app of a Reflex app, and where it serves."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from typing import TYPE_CHECKING

from reflex_base.config import get_config
from reflex_base.environment import environment

from rxbridge.events.reflex.handover import keeping_tabs

if TYPE_CHECKING:
    import reflex as rx

    from rxbridge.asgi._types import ASGIApp


def reflex_asgi(app: rx.App) -> ASGIApp:
    """Return the ASGI app of a Reflex app without compiling it, so without Node.

    The bundle is compiled beforehand, by ``reflex export --frontend-only --no-zip``; serve it
    with ``SPAStaticApp``. With states in Redis, a tab whose worker was killed keeps its state at
    another. Reflex decides by an environment variable whether calling the app
    compiles; it is set for the length of that call and then as it was.
    """
    variable = environment.REFLEX_SKIP_COMPILE
    before = variable.getenv()
    variable.set(True)
    try:
        return keeping_tabs(app, app())
    finally:
        variable.set(before)


def frontend_path() -> str:
    """Return the prefix of the app's pages as Reflex is configured, without a slash at its end."""
    return get_config().frontend_path.rstrip("/")
