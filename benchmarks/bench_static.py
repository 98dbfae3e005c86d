"""Requests per second of ``SPAStaticApp`` against Starlette's ``StaticFiles``.

Run it with ``python benchmarks/bench_static.py [seconds per measurement]``. uvicorn serves
both from the same bundle, one after the other in turns, so that only their ratio matters. The
load comes from wrk when it is installed, else from a small client that is slower than the
servers and so understates the ratio.
"""

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import run_server

ASSET = "assets/app-BpZ3k9Qa.js"
ROUNDS = 3
CONNECTIONS = 16

SERVED = """
from starlette.staticfiles import StaticFiles
from rxbridge.asgi.spa import SPAStaticApp

ours = SPAStaticApp("bundle", is_route=lambda path: path.startswith("/post/"))
starlettes = StaticFiles(directory="bundle", html=True)
"""


def write_bundle(folder: Path) -> None:
    (folder / "assets").mkdir(parents=True)
    (folder / ASSET).write_bytes(os.urandom(20 * 1024))
    for page in ("index.html", "404.html", "__spa-fallback.html"):
        (folder / page).write_bytes(b"<!doctype html>" + b"x" * 5000)


def requests_per_second(url: str, headers: Mapping[str, str], seconds: float) -> float:
    if shutil.which("wrk") is None:
        return asyncio.run(_own_client(url, headers, seconds))
    options = [part for header in headers.items() for part in ("-H", ": ".join(header))]
    load = ["-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s"]
    report = subprocess.run(
        ["wrk", *load, *options, url], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"Requests/sec:\s*([\d.]+)", report)
    if found is None:
        msg = f"wrk reported no rate:\n{report}"
        raise RuntimeError(msg)
    return float(found[1])


async def _own_client(url: str, headers: Mapping[str, str], seconds: float) -> float:
    host, _, path = url.removeprefix("http://").partition("/")
    lines = [f"GET /{path} HTTP/1.1", f"host: {host}", *map(": ".join, headers.items())]
    request = "\r\n".join([*lines, "", ""]).encode()
    deadline = time.perf_counter() + seconds
    counts = await asyncio.gather(*(_ask(host, request, deadline) for _ in range(CONNECTIONS)))
    return sum(counts) / seconds


async def _ask(host: str, request: bytes, deadline: float) -> int:
    name, _, port = host.partition(":")
    reader, writer = await asyncio.open_connection(name, int(port))
    count = 0
    while time.perf_counter() < deadline:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if length := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
            await reader.readexactly(int(length[1]))
        count += 1
    writer.close()
    return count


def etag_of(url: str) -> str:
    with urllib.request.urlopen(url) as reply:
        return str(reply.headers["etag"])


def measure(folder: Path, name: str, seconds: float) -> dict[str, float]:
    with run_server(
        "uvicorn", f"served:{name}", cwd=folder, args=["--log-level", "info", "--no-access-log"]
    ) as server:
        asset = f"{server.url}/{ASSET}"
        cases = {
            "hashed asset, 20 KB": (asset, {}),
            "304 of the same": (asset, {"If-None-Match": etag_of(asset)}),
            # Starlette answers a deep link with its 404 page; it knows no routes.
            "deep link": (f"{server.url}/post/42", {"Accept": "text/html"}),
        }
        return {
            case: requests_per_second(url, headers, seconds)
            for case, (url, headers) in cases.items()
        }


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        write_bundle(folder / "bundle")
        (folder / "served.py").write_text(SERVED)
        rounds = [
            (measure(folder, "ours", seconds), measure(folder, "starlettes", seconds))
            for _ in range(ROUNDS)
        ]
    print(f"{'requests/s, median':24}{'SPAStaticApp':>14}{'StaticFiles':>14}{'ratio':>8}")
    for case in rounds[0][0]:
        ours = statistics.median(ours[case] for ours, _ in rounds)
        starlettes = statistics.median(theirs[case] for _, theirs in rounds)
        print(f"{case:24}{ours:14,.0f}{starlettes:14,.0f}{ours / starlettes:8.1f}")


if __name__ == "__main__":
    main()
