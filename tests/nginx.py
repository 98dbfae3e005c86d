"""A real nginx for tests: ``run_nginx`` starts one, ``documented`` is the docs' configuration."""

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.servers import REPOSITORY

# Debian has it where only root's PATH looks.
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")

# One process, of the user that runs the tests, which writes into its own folder only.
_AROUND = """\
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{config}
}}
"""


def require_nginx() -> None:
    """Skip the test where there is no nginx; in CI there has to be one."""
    if NGINX is None:
        if os.environ.get("CI"):
            pytest.fail("CI has no nginx; scripts/system.sh is to install it.")
        pytest.skip("no nginx on this machine: apt-get install nginx")


def documented(
    port: int, upstream: str, changes: Mapping[str, str] | None = None, *, said: str = "https"
) -> str:
    """Return the configuration in ``docs/deployment.md``, for a port and a server behind it.

    It listens without TLS; ``said`` is what its ``X-Forwarded-Proto`` says all the same.
    ``changes`` are texts that take the place of others, each of which the page must have once.
    """
    config = (REPOSITORY / "docs" / "deployment.md").read_text()
    config = config.partition("```nginx\n")[2].partition("```")[0]
    usual = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "server 127.0.0.1:8000;": f"server {upstream};",
        "X-Forwarded-Proto $scheme;": f"X-Forwarded-Proto {said};",
    }
    for there, here in {**usual, **(changes or {})}.items():
        assert config.count(there) == 1, f"{there!r} in docs/deployment.md"
        config = config.replace(there, here)
    return config


@contextlib.contextmanager
def run_nginx(config: str, port: int, folder: Path) -> Iterator[None]:
    """Serve the contents of an ``http`` block, which listens on ``port``, until the block ends."""
    (folder / "nginx.conf").write_text(_AROUND.format(config=config))
    log = folder / "nginx.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(NGINX), "-p", str(folder), "-c", "nginx.conf"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 30
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text(errors="replace"))
            time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
    except OSError:
        return False
    return True
