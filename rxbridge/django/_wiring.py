"""How an ASGI application is put together, as far as its parts show it."""

import inspect
from collections.abc import Iterator
from typing import Any

from rxbridge.asgi import PrefixRouter

# Where ASGI middleware keeps what it wraps: Starlette's, Django's, ours.
_INNER = ("app", "application", "_app", "_application")


def wrapped(app: Any) -> list[Any]:
    """Return ``app`` and what it wraps, from the outside in; the last wraps nothing we can see."""
    layers = [app]
    while (inner := _inner(layers[-1])) is not None and inner not in layers:
        layers.append(inner)
    return layers


def layers(application: Any) -> Iterator[Any]:
    """Yield each app there is in ``application``, below its prefixes too."""
    for app in (application, *routes(application).values()):
        yield from wrapped(app)


def routes(application: Any) -> dict[str, Any]:
    """Return the apps by prefix of the routers in ``application``; the default's is ``""``.

    Empty when there is no ``PrefixRouter``.
    """
    router = next((each for each in wrapped(application) if isinstance(each, PrefixRouter)), None)
    if router is None:
        return {}
    if router.default is None:
        return dict(router.routes)
    return {**(routes(router.default) or {"": router.default}), **router.routes}


def _inner(app: Any) -> Any:
    if inspect.isfunction(app):
        nonlocals = inspect.getclosurevars(app).nonlocals
        return next((nonlocals[name] for name in _INNER if name in nonlocals), None)
    attributes = getattr(app, "__dict__", {})
    return next((attributes[name] for name in _INNER if callable(attributes.get(name))), None)
