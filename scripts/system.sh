#!/usr/bin/env bash
# Install what tests need and PyPI does not have: Chromium, Redis, openssl and nginx, from Debian.
# Where that is not possible the tests that need them are skipped; with CI=true it is an error.
set -euo pipefail

missing=()
[[ -n ${CHROMIUM:-} ]] || command -v chromium-headless-shell >/dev/null ||
    missing+=(chromium-headless-shell)
command -v openssl >/dev/null || missing+=(openssl)
command -v redis-server >/dev/null || missing+=(redis-server)
# Debian has it where only root's PATH looks.
PATH=$PATH:/usr/sbin command -v nginx >/dev/null || missing+=(nginx)
[[ ${#missing[@]} -gt 0 ]] || exit 0

! "$(dirname "$0")/apt.sh" "${missing[@]}" || exit 0
if [[ ${missing[*]} == chromium-headless-shell ]] && command -v chromium >/dev/null; then
    echo "Going on with chromium, whose pages take about four times as long."
    exit 0
fi

echo "Not installed: ${missing[*]}. Install them as root: apt-get install ${missing[*]}" >&2
if [[ ${CI:-} == true ]]; then
    echo "In CI no test may be skipped for them." >&2
    exit 1
fi
echo "The tests that need them are skipped." >&2
