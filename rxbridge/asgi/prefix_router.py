"""One address, several ASGI apps: each gets the requests below its path prefixes."""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from rxbridge.asgi._refusal import refuse
from rxbridge.asgi._types import ASGIApp, Receive, Scope, Send, check_app
from rxbridge.asgi.lifespan import LifespanGroup

logger = logging.getLogger(__name__)

REFLEX_PREFIXES: tuple[str, ...] = (
    "/_event",
    "/_upload",
    "/_health",
    "/ping",
    "/_all_routes",
    "/auth-codespace",
)
"""The paths Reflex's backend answers, for an app that sets no ``backend_path``."""

# Characters no literal path has: an author who writes one means a pattern or a whole URL.
_NOT_IN_A_PATH = {
    "?": "the query string is not part of the path",
    "#": "a server never sees the fragment",
    "%": "paths arrive percent-decoded, so write the prefix decoded",
    "\\": "segments are separated by '/'",
    "*": "a prefix is literal, and everything below it matches anyway",
    "{": "a prefix is literal and takes no parameters",
    "<": "a prefix is literal and takes no parameters",
}


def reflex_prefixes(backend_path: str) -> tuple[str, ...]:
    """``REFLEX_PREFIXES`` below the ``backend_path`` of Reflex's configuration.

    Slashes around ``backend_path`` make no difference, as in Reflex; with an empty one these
    are ``REFLEX_PREFIXES`` themselves.
    """
    base = backend_path.strip("/")
    return tuple(f"/{base}{prefix}" for prefix in REFLEX_PREFIXES) if base else REFLEX_PREFIXES


class PrefixRouter:
    """Hand each connection to the app with the longest prefix its path lies under.

    ``/api`` is for ``/api`` and ``/api/x``, never ``/apix``. The path is matched as the server
    gives it, without normalisation; where ``root_path`` is set, by what follows it. HTTP that
    matches nothing goes to ``default``, or is a plain 404. A WebSocket that matches nothing is
    refused with HTTP 403: it never reaches ``default``. ``lifespan`` alone is started and
    stopped with the server; ``LifespanGroup`` joins several apps to one.

    With ``strip_prefix=True`` an app gets a copy of the scope whose ``root_path`` has grown by
    the prefix while ``path`` stays whole, which Django, Starlette and FastAPI understand as
    being mounted there. Without it an app gets the scope itself, unchanged.

    Raises ``ValueError`` for a prefix that could never match, ``TypeError`` for an app that
    cannot be called::

        application = PrefixRouter(
            {**dict.fromkeys(REFLEX_PREFIXES, reflex), "/admin": django},
            default=pages,
            lifespan=reflex,
        )

    Follows the HTTP and WebSocket message format of ASGI, version 2.5.
    """

    def __init__(
        self,
        routes: Mapping[str, ASGIApp],
        *,
        default: ASGIApp | None = None,
        lifespan: ASGIApp | None = None,
        strip_prefix: bool = False,
    ) -> None:
        self._told = False  # Reflex's client tries again and again.
        for prefix, app in routes.items():
            _check_prefix(prefix)
            check_app(app, f"the app of {prefix!r}")
        if default is not None:
            check_app(default, "default")
        if lifespan is not None:
            check_app(lifespan, "lifespan")
        self.routes = dict(routes)
        self.default = default
        self._lifespan = LifespanGroup() if lifespan is None else lifespan
        self._strip_prefix = strip_prefix
        # No request makes dispatch look at more of its path than the routes could match.
        self._deepest = max((prefix.count("/") for prefix in routes), default=0)
        self._longest = max(map(len, routes), default=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "lifespan":
            await self._lifespan(scope, receive, send)
        elif kind not in ("http", "websocket"):
            await self._pass_on(scope, receive, send)
        elif prefix := self._prefix_of(local_path(scope)):
            child = _mounted(scope, prefix) if self._strip_prefix else scope
            await self.routes[prefix](child, receive, send)
        elif kind == "websocket":
            self._told = self._told or _warn_of_lost_prefix(local_path(scope), self.routes)
            await refuse(scope, receive, send, HTTPStatus.FORBIDDEN)
        elif self.default is not None:
            await self.default(scope, receive, send)
        else:
            await refuse(scope, receive, send, HTTPStatus.NOT_FOUND)

    def _prefix_of(self, path: str) -> str:
        """The longest registered prefix ``path`` lies under, or an empty string."""
        routes = self.routes
        path = path[: self._longest + 1]
        found = ""
        end = 0
        for _ in range(self._deepest):
            end = path.find("/", end + 1)
            if end < 0:
                return path if path in routes else found
            if (candidate := path[:end]) in routes:
                found = candidate
        return found

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.default is None:
            # ASGI asks applications to reject a protocol they do not know by an exception.
            msg = f"No app for ASGI {scope['type']!r} scopes; pass one as PrefixRouter(default=…)."
            raise ValueError(msg)
        await self.default(scope, receive, send)


def _root_path(scope: Scope) -> str:
    return (scope.get("root_path") or "").rstrip("/")


def local_path(scope: Scope) -> str:
    """What follows ``root_path`` in the path; the whole path when it does not lie under it."""
    path: str = scope["path"]
    root_path = _root_path(scope)
    if not root_path or not f"{path}/".startswith(f"{root_path}/"):
        return path
    return path[len(root_path) :]


def _warn_of_lost_prefix(path: str, routes: Iterable[str]) -> bool:
    """Say why a socket found no route where only the front part of one is missing, if one is."""
    first = "/" + path[1:].partition("/")[0]
    route = next((each for each in routes if each.endswith(first)), None)
    if first == "/" or route is None:
        return False
    lost = route.removesuffix(first)
    logger.warning(
        "WebSocket %s refused: the route is %s, and the proxy or the server's root_path took "
        "%s off. Let the proxy keep it, and leave root_path out; or take backend_path out of "
        "rxconfig.py, let api_url there end with %s, and route %s.",
        *(first, route, lost, lost, first),
    )
    return True


def _mounted(scope: Scope, prefix: str) -> Scope:
    """A copy of ``scope`` for an app mounted at ``prefix``.

    A proxy may have cut ``root_path`` off the path; the copy has it whole again, as ASGI wants.
    Else an app below could not tell its own part of the path.
    """
    root_path = _root_path(scope)
    return {**scope, "root_path": root_path + prefix, "path": root_path + local_path(scope)}


def _check_prefix(prefix: object) -> None:
    if not isinstance(prefix, str):
        msg = f"A route prefix is a str such as '/api', not {prefix!r}."
        raise ValueError(msg)
    if problem := _problem_with(prefix):
        msg = f"{prefix!r} cannot be a route prefix: {problem}."
        raise ValueError(msg)


def _problem_with(prefix: str) -> str | None:
    if prefix in ("", "/"):
        return "pass the app for everything else as default=…"
    if not prefix.isprintable():
        return "it has a control character; remove it"
    for character, reason in _NOT_IN_A_PATH.items():
        if character in prefix:
            return f"leave out {character!r}, as {reason}"
    segments = [part for part in prefix.split("/") if part not in ("", ".", "..")]
    plain = "/" + "/".join(segments)
    if plain == "/":
        return "write a path such as '/api'"
    return None if prefix == plain else f"write {plain!r}"
