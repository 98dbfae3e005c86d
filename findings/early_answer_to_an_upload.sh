#!/bin/sh
# An application that answers an upload at once, with 413, 401 or a redirect, without reading its body. uvicorn 0.54.0 takes
# the rest of the body and lets it fall. granian 2.8.7, hypercorn 0.18.0 and gunicorn 27.0.1 (worker class asgi) close the
# connection as the answer has gone, and a client that is still sending gets an error of its socket. Needs Python 3.10
# or newer.
#
# Guess before the run: the client sends the rest or stops as it likes, and then reads the answer.
#
# uvicorn's on_body() (uvicorn/protocols/http/httptools_impl.py) passes over what comes after the answer. hypercorn's
# H11Protocol._maybe_recycle() (hypercorn/protocol/h11.py) closes unless both sides are done. RFC 9112, 9.6, has a server
# read on for a while, so that a reset does not take the answer with it.
#
# Seen, of 20 MB to an application that answers 413 at once:
#   uvicorn: took all of it, 413
#   granian: closed before the end
#   hypercorn: closed before the end
#   gunicorn: closed before the end
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import socket
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

SIZE = 20_000_000


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


def upload(port):
    for _ in range(150):
        try:
            connection = socket.create_connection(("127.0.0.1", port), timeout=20)
            break
        except OSError:
            time.sleep(0.1)
    head = f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {SIZE}\r\n\r\n"
    with connection:
        try:
            connection.sendall(head.encode() + bytes(SIZE))
        except ConnectionError:
            return "closed before the end"
        return f"took all of it, {connection.recv(12).decode().split()[1]}"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def seen(name, *options):
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", name, *(option.replace("PORT", str(port)) for option in options)]
        + ["finding:application"],
        cwd=Path(__file__).parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return upload(port)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    for name, options, expected in [
        ("uvicorn", ["--port", "PORT"], "took all of it, 413"),
        ("granian", ["--interface", "asgi", "--port", "PORT"], "closed before the end"),
        ("hypercorn", ["--bind", "127.0.0.1:PORT"], "closed before the end"),
        ("gunicorn", ["-k", "asgi", "-b", "127.0.0.1:PORT"], "closed before the end"),
    ]:
        result = seen(name, *options)
        print(f"  {name} {version(name)}: {result}")
        if result != expected:
            raise SystemExit(f"  CHANGED: it {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 httptools==0.9.0 granian==2.8.7 hypercorn==0.18.0 gunicorn==27.0.1
"$folder/venv/bin/python" "$folder/finding.py"
