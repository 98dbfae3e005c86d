#!/usr/bin/env bash
# Print the newest Python, 3.11 to 3.15, that can make a virtual environment.
#   find_python.sh           the newest
#   find_python.sh 3.11      that one, or status 1
#   PYTHON=/usr/bin/python3 find_python.sh
set -euo pipefail

versions=("${1:-}")
[[ -n ${1:-} ]] || versions=(3.15 3.14 3.13 3.12 3.11)

# Whether "$1" runs (pyenv's shims need not), is at least 3.11 (or exactly $2) and has venv.
suits() {
    "$1" - "${2:-}" >/dev/null 2>&1 <<'PYTHON'
import ensurepip, sqlite3, ssl, sys, venv
found, wanted = sys.version_info[:2], sys.argv[1]
sys.exit(found < (3, 11) or (wanted != "" and wanted != "%d.%d" % found))
PYTHON
}

if [[ -n ${PYTHON:-} && -z ${1:-} ]]; then
    suits "$PYTHON" && exec printf '%s\n' "$PYTHON"
    echo "PYTHON=$PYTHON is not a Python 3.11 or newer with the modules venv and ensurepip." >&2
    exit 1
fi

shopt -s nullglob
here=$(cd "$(dirname "$0")/.." && pwd)
for version in "${versions[@]}"; do
    for candidate in "python$version" {/usr/local,/usr,/opt/homebrew}/bin/"python$version" \
        "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python \
        "$here/.python/usr/bin/python$version"; do
        if suits "$candidate" "$version"; then
            printf '%s\n' "$candidate"
            exit 0
        fi
    done
done
if [[ -z ${1:-} ]] && suits python3; then
    printf 'python3\n'
    exit 0
fi

[[ -n ${1:-} ]] || cat >&2 <<'MESSAGE'
No Python 3.11 or newer with the modules venv and ensurepip was found.
Install one (on Debian: apt-get install python3-venv), or name it: make PYTHON=/path/to/python
MESSAGE
exit 1
