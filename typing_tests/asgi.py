"""The signatures of ``rxbridge.asgi``, as a type checker sees them."""

from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

from rxbridge.asgi import (
    REFLEX_PREFIXES,
    Connection,
    ConnectionRegistry,
    DevProxy,
    LifespanGroup,
    OriginGuard,
    PrefixRouter,
    SPAStaticApp,
    find_bundle,
    reflex_prefixes,
)
from rxbridge.asgi._types import ASGIApp, Receive, Scope, Send


async def app(scope: Scope, receive: Receive, send: Send) -> None: ...


class App:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


# Everything is an ASGI app, and takes any.
guard: ASGIApp = OriginGuard(App(), allowed=["https://example.com"], allow_missing=False)
group: ASGIApp = LifespanGroup(app, App(), guard)
pages: ASGIApp = SPAStaticApp(Path("client"), is_route=lambda path: path == "/")
through_vite: ASGIApp = DevProxy("http://127.0.0.1:5173", allow_remote=False).wrap(app)
router: ASGIApp = PrefixRouter({"/api": app}, default=pages, lifespan=group, strip_prefix=True)

assert_type(OriginGuard.from_settings(app), OriginGuard)
assert_type(REFLEX_PREFIXES, tuple[str, ...])
assert_type(reflex_prefixes("/backend"), tuple[str, ...])
assert_type(find_bundle("client", Path("staged")), Path)

connections = ConnectionRegistry(keep_cookies=False)
assert_type(connections.wrap(app), ASGIApp)
assert_type(connections.get("id"), Connection | None)
assert_type(connections.close(lambda connection: connection.closed, code=4000), int)
assert_type(next(iter(connections)), Connection)


def jar(connection: Connection) -> None:
    assert_type(connection.cookies, Mapping[str, str])
    assert_type(connection.client, tuple[str, int] | None)
    connection.set_cookie("name", "value")
    assert_type(connection.close(), bool)


# What must be refused: a checker that lets one pass finds the comment unused.
PrefixRouter({"/api": "not an app"})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
OriginGuard(app, ["https://example.com"])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
SPAStaticApp("dist", None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
