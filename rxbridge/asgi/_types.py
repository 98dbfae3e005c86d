"""The ASGI types shared by this package, as the ASGI 3.0 specification names them."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


def check_app(app: object, name: str) -> None:
    """Raise ``TypeError`` unless ``app`` can be called; ``name`` says which one it is."""
    if not callable(app):
        msg = f"{name} must be an ASGI app, a callable of scope, receive and send, not {app!r}."
        raise TypeError(msg)
