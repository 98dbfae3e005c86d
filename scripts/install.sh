#!/usr/bin/env bash
# Install into the virtual environment $1 what the other arguments say, as `pip install` would.
# uv takes a third of pip's time; pip reads more settings, such as a mirror in pip.conf, so it is asked
# where uv fails.
set -euo pipefail

venv=$1
pip=("$venv/bin/python" -m pip install --quiet --constraint constraints/newest.txt)
if ! "${pip[@]}" uv || ! "$venv/bin/uv" pip install --python "$venv/bin/python" "${@:2}"; then
    "${pip[@]}" --upgrade pip
    "$venv/bin/python" -m pip install "${@:2}"
fi
