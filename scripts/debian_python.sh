#!/usr/bin/env bash
# Bring Pythons that this machine does not have from Debian sid, once, into the folder .python, where
# find_python.sh finds them. Nothing is installed: the folder can be deleted.
#   debian_python.sh 3.14 3.15
# Needs root on Debian or a relative of it; debootstrap's default mirror is used.
set -euo pipefail
cd "$(dirname "$0")/.."

root=$PWD/.python
wanted="$* $root"
[[ $(cat "$root/.set-up" 2>/dev/null) != "$wanted" ]] || exit 0

say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }

if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "Python $* can be brought from Debian by root only, with apt-get there." >&2
    exit 1
fi
command -v debootstrap >/dev/null && command -v patchelf >/dev/null || scripts/apt.sh debootstrap patchelf

say "Bringing Python $* from Debian sid into $root (350 MB; about a minute)"
rm -rf "$root"
packages=$(printf ',python%s-venv' "$@")
debootstrap --variant=minbase --include="${packages:1}" sid "$root"

# They run outside the folder, with its C library, so that they can start this machine's programs.
for version in "$@"; do
    python=$root/usr/bin/python$version
    loader=$(realpath "$root$(patchelf --print-interpreter "$python")")
    patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$(dirname "$loader")" "$python"
    # Where ensurepip finds pip.
    sed -i "s#'/usr/share/python-wheels#'$root/usr/share/python-wheels#" \
        "$root/usr/lib/python$version"/_sysconfigdata_*.py
    "$python" --version
done
printf '%s\n' "$wanted" >"$root/.set-up"
