#!/bin/sh
# granian 2.8.7 and hypercorn 0.18.0 over HTTP/2, with Django 5.2.19 and 6.1.3: a browser sends each cookie as a field
# of its own there. On granian Django 5.2 takes all of them for one cookie, so the session of whoever has two
# is not found; on hypercorn, and with 6.1, all is well. Needs Python 3.12 or newer.
#
# Guess before the run: both cookies in each of the four.
#
# RFC 9113, 8.2.3, has the fields joined by "; " before they reach an application that knows nothing of HTTP/2. The
# h2 package does so for hypercorn; granian gives them on as they came. ASGIRequest of 5.2
# (django/core/handlers/asgi.py) joins repeated headers by a comma, 6.1's joins these by a semicolon.
#
# Seen:
#   Django 5.2.19: granian {'sessionid': 'abc,theme=dark'}, hypercorn {'sessionid': 'abc', 'theme': 'dark'}
#   Django 6.1.3: granian {'sessionid': 'abc', 'theme': 'dark'}, hypercorn {'sessionid': 'abc', 'theme': 'dark'}
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import socket
import subprocess
import sys
import time
from pathlib import Path

import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path
from h2.connection import H2Connection
from h2.events import DataReceived, StreamEnded

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF="finding", SECRET_KEY="of no site")
django.setup()

from django.core.asgi import get_asgi_application


def cookies(request):
    return HttpResponse(str(request.COOKIES))


urlpatterns = [path("", cookies)]
application = get_asgi_application()
HEADERS = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "localhost"),
    (":path", "/"),
    ("cookie", "sessionid=abc"),
    ("cookie", "theme=dark"),
]


def connected(port):
    for _ in range(150):
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except OSError:
            time.sleep(0.1)


def answer(port):
    http, text, ended = H2Connection(), b"", False
    http.initiate_connection()
    http.send_headers(1, HEADERS, end_stream=True)
    with connected(port) as connection:
        while not ended:
            connection.sendall(http.data_to_send())
            for event in http.receive_data(connection.recv(65536)):
                text += event.data if isinstance(event, DataReceived) else b""
                ended = ended or isinstance(event, StreamEnded)
    return text.decode()


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
        return answer(port)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    granian = seen("granian", "--interface", "asgi", "--http", "2", "--port", "PORT")
    hypercorn = seen("hypercorn", "--bind", "127.0.0.1:PORT")
    print(f"Django {django.__version__}: granian {granian}, hypercorn {hypercorn}")
    apart = "{'sessionid': 'abc', 'theme': 'dark'}"
    expected = "{'sessionid': 'abc,theme=dark'}" if django.VERSION < (6,) else apart
    if (granian, hypercorn) != (expected, apart):
        raise SystemExit(f"CHANGED: it was {expected} and {apart}.")
PYTHON

for version in 5.2.19 6.1.3; do
    "${PYTHON:-python3}" -m venv "$folder/$version"
    "$folder/$version/bin/pip" install --quiet --disable-pip-version-check \
        "Django==$version" granian==2.8.7 hypercorn==0.18.0 h2==4.4.1
    "$folder/$version/bin/python" "$folder/finding.py"
done
