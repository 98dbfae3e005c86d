#!/usr/bin/env bash
# Run the shop's own tests, as a project that uses rxbridge would: in its own directory.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${VENV:-.venv}/bin/python
[[ $python == /* ]] || python=$PWD/$python  # Python 3.15 warns of a relative way to itself.
cd examples/shop
printf '\n\033[1m==> Running the tests of the shop\033[0m\n'
exec "$python" -W error manage.py test
