#!/bin/sh
# hypercorn 0.18.0: an application that cannot start, and says so by lifespan.startup.failed, ends the server
# with exit code 0, as if it had been stopped. So systemd's Restart=on-failure does not start it again, and a
# container counts as completed. uvicorn 0.54.0 ends with 3, granian 2.8.7 with 1, gunicorn 27.0.1 (worker
# class asgi) with 3. Needs Python 3.10 or newer.
#
# Guess before the run: another code than 0 from each.
#
# hypercorn's worker ends with 1. run() in hypercorn/run.py takes that, then asks anew of the workers that are left,
# which with one worker are none, and answers with what it hears of those. So it is for whatever ends a worker
# while it starts, an error of the import as well.
#
# Seen:
#   uvicorn: exit code 3
#   granian: exit code 1
#   gunicorn: exit code 3
#   hypercorn: exit code 0
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/finding.py" <<'PYTHON'
import socket
import subprocess
import sys
from pathlib import Path


async def application(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def exit_code(*command):
    port = free_port()
    return subprocess.run(
        [sys.executable, "-m", *[part.replace("PORT", port) for part in command], "finding:application"],
        cwd=Path(__file__).parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=50,
    ).returncode


if __name__ == "__main__":
    for server, command, expected in [
        ("uvicorn", ["uvicorn", "--port", "PORT"], 3),
        ("granian", ["granian", "--interface", "asgi", "--port", "PORT"], 1),
        ("gunicorn", ["gunicorn", "--worker-class", "asgi", "--bind", "127.0.0.1:PORT"], 3),
        ("hypercorn", ["hypercorn", "--bind", "127.0.0.1:PORT"], 0),
    ]:
        code = exit_code(*command)
        print(f"{server}: exit code {code}")
        if code != expected:
            raise SystemExit(f"CHANGED: it was {expected}.")
PYTHON

"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    uvicorn==0.54.0 granian==2.8.7 gunicorn==27.0.1 hypercorn==0.18.0
"$folder/venv/bin/python" "$folder/finding.py"
