#!/usr/bin/env bash
# Make the virtual environment $VENV with the versions of $CONSTRAINTS, once.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VENV:-.venv}
constraints=${CONSTRAINTS:-constraints/newest.txt}
stamp=$venv/.set-up
# Where a virtual environment is written into its scripts, so a moved one is made anew.
key=$(cat pyproject.toml "$constraints" scripts/setup.sh scripts/install.sh <(pwd) <(echo "${PYTHON:-}") | cksum)

if [[ -x $venv/bin/python && -f $stamp && $(<"$stamp") == "$key" ]]; then
    exit 0
fi

say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }

if [[ -x $venv/bin/python && -f $stamp ]] && [[ $("$venv/bin/python" -c 'import sys; print(sys.prefix)') == "$PWD/$venv" ]]; then
    say "Updating $venv"
    rm -f "$stamp"
else
    python=$(scripts/find_python.sh)
    say "Making $venv with $("$python" --version) ($python)"
    "$python" -m venv --clear "$venv"
fi

say "Installing rxbridge and what it needs, pinned by $constraints"
scripts/install.sh "$venv" --constraint "$constraints" --editable . --group dev
printf '%s\n' "$key" >"$stamp"
say "$venv is set up"
