#!/bin/sh
# Django 6.1.3 told by its server that it is served below /shop. uvicorn 0.54.0 puts /shop before the path that
# comes, so it is for a proxy that takes it off; granian 2.8.7, hypercorn 0.18.0 and gunicorn 27.0.1 (worker class
# asgi) leave the path alone, so theirs is for a proxy that leaves it. Behind the other kind of proxy
# reverse() is right and request.path, so the redirect that adds a slash, is wrong. Needs Python 3.12 or newer.
#
# Guess before the run: --root-path means the same everywhere, as ASGI says what root_path is.
#
# Since ASGI 2.3 the path contains the root path. uvicorn makes it so (uvicorn/protocols/http); the others
# take the option for scope["root_path"] alone.
#
# Seen, where a redirect to the page's address with a slash goes:
#   uvicorn --root-path: GET /page goes to /shop/page/, GET /shop/page to /shop/shop/page/
#   granian --url-path-prefix: GET /page goes to /page/, GET /shop/page to /shop/page/
#   hypercorn --root-path: GET /page goes to /page/, GET /shop/page to /shop/page/
#   gunicorn --root-path: GET /page goes to /page/, GET /shop/page to /shop/page/
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path, re_path

settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF="finding",
    SECRET_KEY="of no site",
)
django.setup()

from django.core.asgi import get_asgi_application


def page(request):
    return HttpResponse("page")


urlpatterns = [path("page/", page), re_path("shop/page/$", page)]
application = get_asgi_application()


def redirected_to(port, address):
    for _ in range(150):
        connection = HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request("GET", address)
            return connection.getresponse().headers["Location"]
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def seen(*command):
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", *[part.replace("PORT", port) for part in command], "finding:application"],
        cwd=Path(__file__).parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return redirected_to(port, "/page"), redirected_to(port, "/shop/page")
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    apart, twice = ("/page/", "/shop/page/"), ("/shop/page/", "/shop/shop/page/")
    for server, option, command, expected in [
        ("uvicorn", "--root-path", ["--port", "PORT"], twice),
        (
            "granian",
            "--url-path-prefix",
            ["--interface", "asgi", "--port", "PORT"],
            apart,
        ),
        ("hypercorn", "--root-path", ["--bind", "127.0.0.1:PORT"], apart),
        (
            "gunicorn",
            "--root-path",
            ["--worker-class", "asgi", "--bind", "127.0.0.1:PORT"],
            apart,
        ),
    ]:
        result = seen(server, *command, option, "/shop")
        print(f"{server} {option}: GET /page goes to {result[0]}, GET /shop/page to {result[1]}")
        if result != expected:
            raise SystemExit(f"CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Django==6.1.3 \
    uvicorn==0.54.0 granian==2.8.7 gunicorn==27.0.1 hypercorn==0.18.0
"$folder/venv/bin/python" "$folder/finding.py"
