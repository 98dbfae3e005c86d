#!/usr/bin/env python
"""Run the shop: build its pages if they changed, prepare the database, serve both on one port.

    python examples/shop/run_demo.py

HOST and PORT choose the address; it is http://127.0.0.1:8000 without them.
"""

import os
import socket
import sys
from hashlib import sha256
from io import StringIO
from pathlib import Path

import django
import rxbridge
import uvicorn
from django.core.management import CommandError, call_command
from rxbridge.django.management.commands.export_reflex import Command as ExportReflex

SHOP = Path(__file__).resolve().parent
STAMP = SHOP / ".web" / "rxbridge.sha256"

WELCOME = """
  ┌────────────────────────────────────────────────────────────┐
  │  Kiln & Oak is open.                                       │
  │                                                            │
  │  Shop    {shop:<50}│
  │  Admin   {admin:<50}│
  │  Trace   {trace:<50}│
  │                                                            │
  │  demo    demo-pass      a customer with a past             │
  │  staff   staff-pass     runs the shop, and the admin       │
  │  banned  banned-pass    may look; a middleware says no     │
  │                                                            │
  │  E-mails are printed here. Ctrl-C closes the shop.         │
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


def is_built() -> bool:
    """Tell whether there is a bundle, built from the sources as they are."""
    if not STAMP.is_file() or STAMP.read_text() != digest_of_states():
        return False
    try:
        call_command(ExportReflex(), check=True, stdout=StringIO())
    except CommandError:
        return False
    return True


def build() -> None:
    """Build the pages."""
    try:
        call_command(ExportReflex())
    except CommandError as error:
        sys.exit(str(error))
    STAMP.write_text(digest_of_states())


def digest_of_states() -> str:
    """Return a digest of rxbridge's states, which pages name; they are no sources of the shop."""
    sources = sorted(Path(rxbridge.__file__).parent.rglob("state/**/*.py"))
    return sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()


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
            addresses = {"shop": root, "admin": f"{root}admin/", "trace": f"{root}_trace"}
            print(WELCOME.format(**addresses), flush=True)


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
