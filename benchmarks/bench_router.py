"""What one dispatch of ``PrefixRouter`` costs with few and with many prefixes.

Run it with ``python benchmarks/bench_router.py``. The same scopes go through Starlette's
``Router`` of ``Mount`` routes for comparison. Best of several runs, in one process.
"""

import asyncio
import time
from collections.abc import Sequence

from starlette.routing import Mount, Router

from rxbridge.asgi._types import ASGIApp, Message, Receive, Scope, Send
from rxbridge.asgi.prefix_router import PrefixRouter

MANY = 500
RUNS = 7


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer nothing: only the way here is measured."""


async def receive() -> Message:
    raise NotImplementedError


async def send(message: Message) -> None:
    raise NotImplementedError


def prefixes(count: int) -> list[str]:
    return [f"/part{number:03}" for number in range(count)]


def scope_for(path: str) -> Scope:
    return {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []}


async def nanoseconds(target: ASGIApp, paths: Sequence[str], calls: int) -> float:
    """The best mean of several runs over ``paths``; each call has a scope of its own."""
    best = float("inf")
    for _ in range(RUNS):
        scopes = [scope_for(paths[call % len(paths)]) for call in range(calls)]
        begin = time.perf_counter_ns()
        for scope in scopes:
            await target(scope, receive, send)
        best = min(best, (time.perf_counter_ns() - begin) / calls)
    return best


async def measure(count: int) -> tuple[float, float, float]:
    """Nanoseconds of a bare call, of ``PrefixRouter`` and of Starlette's router."""
    routes = prefixes(count)
    paths = [f"{prefix}/some/page" for prefix in routes]
    ours = PrefixRouter(dict.fromkeys(routes, app))
    starlettes = Router([Mount(prefix, app=app) for prefix in routes])
    return (
        await nanoseconds(app, paths, 20_000),
        await nanoseconds(ours, paths, 20_000),
        await nanoseconds(starlettes, paths, 2_000),
    )


async def main() -> None:
    await measure(1)  # Warm up.
    results = {count: await measure(count) for count in (1, MANY)}
    print(f"{'prefixes':>8} {'bare call':>12} {'PrefixRouter':>14} {'Starlette':>14}")
    for count, (bare, ours, starlettes) in results.items():
        print(f"{count:>8} {bare:>9.0f} ns {ours:>11.0f} ns {starlettes:>11.0f} ns")
    ratios = [many / one for one, many in zip(results[1], results[MANY], strict=True)]
    print(f"{'ratio':>8} {ratios[0]:>12.2f} {ratios[1]:>14.2f} {ratios[2]:>14.2f}")
    attack = PrefixRouter(dict.fromkeys(prefixes(MANY), app), default=app)
    for path in ("/" * 10_000, "/a" * 5_000, "/" + "a" * 10_000):
        cost = await nanoseconds(attack, [path], 20_000)
        print(f"{path[:4]}… of {len(path)} characters, {MANY} prefixes, no match: {cost:.0f} ns")


if __name__ == "__main__":
    asyncio.run(main())
