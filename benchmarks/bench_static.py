"""Requests per second of ``SPAStaticApp`` beside other servers of the same bundle.

Run it with ``python benchmarks/bench_static.py [seconds per measurement]``. uvicorn serves each of
the Python contenders in a process of its own, nginx itself; all are up throughout and take turns,
so that only their ratios matter. What is not installed is left out: servestatic, nginx. The load
comes from wrk when it is installed, else from a small client that is slower than the servers and
so understates the ratios.
"""

import asyncio
import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.servers import run_server

ASSET = "assets/app-BpZ3k9Qa.js"
FILE = "assets/film-Ck29xQ4a.bin"
ROUNDS = 5
CONNECTIONS = 16
CONNECTIONS_OF_FILE = 4

SERVED = """
from functools import partial

def is_route(path):
    return path.startswith("/post/")

def ours():
    from rxbridge.asgi.spa import SPAStaticApp
    return SPAStaticApp("bundle", is_route=is_route)

def starlettes():
    from starlette.staticfiles import StaticFiles
    return StaticFiles(directory="bundle", html=True)

def reflexes():
    from reflex.utils.exec import _match_routable_page
    from reflex.utils.precompressed_staticfiles import PrecompressedStaticFiles
    from starlette.applications import Starlette
    from starlette.routing import Mount
    match = partial(_match_routable_page, is_route)
    pages = PrecompressedStaticFiles(directory="bundle", html=True, router=match)
    return Starlette(routes=[Mount("/", app=pages)])

def servestatics():
    from servestatic import ServeStaticASGI
    return ServeStaticASGI(None, root="bundle", index_file=True)
"""

NGINX = """
daemon off; worker_processes 1; error_log stderr; pid nginx.pid;
events {{ worker_connections 64; }}
http {{
    access_log off; sendfile on; types {{ text/html html; text/javascript js; }}
    client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp;
    uwsgi_temp_path tmp; scgi_temp_path tmp;
    server {{
        listen 127.0.0.1:{port}; root {folder}/bundle;
        location / {{ try_files $uri /__spa-fallback.html; }}
    }}
}}
"""

CONTENDERS = {
    "SPAStaticApp": "ours",
    "Starlette": "starlettes",
    "Reflex": "reflexes",
    "ServeStatic": "servestatics",
}


def write_bundle(folder: Path) -> None:
    (folder / "assets").mkdir(parents=True)
    (folder / ASSET).write_bytes(os.urandom(20 * 1024))
    (folder / FILE).write_bytes(os.urandom(20 * 1024 * 1024))
    for page in ("index.html", "404.html", "__spa-fallback.html"):
        (folder / page).write_bytes(b"<!doctype html>" + b"x" * 5000)


def requests_per_second(url: str, headers: Mapping[str, str], seconds: float) -> float:
    if shutil.which("wrk") is None:
        return asyncio.run(_own_client(url, headers, seconds))
    options = [part for header in headers.items() for part in ("-H", ": ".join(header))]
    connections = CONNECTIONS_OF_FILE if url.endswith(FILE) else CONNECTIONS
    load = ["-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s"]
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


def etag_of(url: str) -> str | None:
    with urllib.request.urlopen(url) as reply:
        return str(reply.headers["etag"]) if reply.headers["etag"] else None


def cases(base: str) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the requests of each case; a server without ETags has no 304 by one."""
    asset = f"{base}/{ASSET}"
    etag = etag_of(asset)
    found: dict[str, tuple[str, dict[str, str]]] = {"hashed asset, 20 KB": (asset, {})}
    if etag is not None:
        found["304 of the same"] = (asset, {"If-None-Match": etag})
    deep_link = (f"{base}/post/42", {"Accept": "text/html"})
    if answers(*deep_link):
        found["deep link"] = deep_link
    found["file of 20 MB"] = (f"{base}/{FILE}", {})
    return found


def answers(url: str, headers: Mapping[str, str]) -> bool:
    """Tell whether a deep link is the app's page; a server that knows no routes has a 404."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=dict(headers))):
            return True
    except urllib.error.HTTPError:
        return False


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[dict[str, str]]:
    """Serve the bundle by every contender there is; yield their addresses."""
    options = ["--log-level", "info", "--no-access-log", "--factory"]
    with contextlib.ExitStack() as servers:
        found = {}
        for contender, name in CONTENDERS.items():
            if contender == "ServeStatic" and find_spec("servestatic") is None:
                print("ServeStatic is left out: pip install servestatic")
                continue
            run = run_server("uvicorn", f"served:{name}", cwd=folder, args=options)
            found[contender] = servers.enter_context(run).url
        if shutil.which("nginx") is None:
            print("nginx is left out: it is not installed")
        else:
            found["nginx"] = servers.enter_context(nginx(folder))
        yield found


@contextlib.contextmanager
def nginx(folder: Path) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "nginx.conf").write_text(NGINX.format(port=port, folder=folder))
    os.chmod(folder, 0o755)  # its worker may be another user
    command = ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"]
    process = subprocess.Popen(command)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent)
        write_bundle(folder / "bundle")
        (folder / "served.py").write_text(SERVED)
        with serving(folder) as addresses:
            requests = {name: cases(base) for name, base in addresses.items()}
            rates: dict[tuple[str, str], list[float]] = {}
            for turn in range(ROUNDS):
                for case in requests["SPAStaticApp"]:
                    print(f"round {turn + 1} of {ROUNDS}: {case}", file=sys.stderr)
                    for name, theirs in requests.items():
                        if case in theirs:
                            rate = requests_per_second(*theirs[case], seconds)
                            rates.setdefault((case, name), []).append(rate)
    print(table(list(requests["SPAStaticApp"]), list(requests), rates))


def table(cases: list[str], names: list[str], rates: dict[tuple[str, str], list[float]]) -> str:
    """Return median rates, and in brackets how many times theirs ours is."""
    rows = [f"| requests/s | {' | '.join(names)} |", "|---|" + "---:|" * len(names)]
    for case in cases:
        ours = rates[case, "SPAStaticApp"]
        cells = []
        for name in names:
            theirs = rates.get((case, name))
            if theirs is None:
                cells.append("404" if case == "deep link" else "none")
                continue
            ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            shown = "" if name == "SPAStaticApp" else f" ({ratio:.2f} x)"
            cells.append(f"{statistics.median(theirs):,.0f}{shown}")
        rows.append(f"| {case} | {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
