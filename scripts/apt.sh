#!/usr/bin/env bash
# Install packages of Debian's as root; who calls this while another does waits.
#   apt.sh nginx openssl
set -euo pipefail

[[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null || exit 1
printf '\n\033[1m==> Installing %s with apt-get\033[0m\n' "$*"
exec 8<"$0"
flock 8
export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install --yes --no-install-recommends "$@"
