#!/usr/bin/env bash
# Run the tests with servers and browsers: those with the shop's and the club's pages, and beside them all
# others, whose output follows at the end. The two share no folder, no bundle and no browser.
#   scripts/test_servers.sh tests/asgi tests/events ...    leaves these out
set -uo pipefail
cd "$(dirname "$0")/.."

python=${VENV:-.venv}/bin/python
left_out=("${@/#/--ignore=}")

# A test that fails is shown, and runs once more by itself: that decides.
run() {
    local cache=(-o cache_dir=".pytest_cache/$1")
    shift
    "$python" -m pytest "${cache[@]}" "$@" ||
        "$python" -m pytest "${cache[@]}" --last-failed --last-failed-no-failures none "$@"
}

output=$(mktemp)
run others "${left_out[@]}" --ignore=tests/browser >"$output" 2>&1 &
others=$!
trap 'kill $others 2>/dev/null; rm -f "$output"' EXIT
run browsers tests/browser && scripts/test_shop.sh
status=$?
printf '\n\033[1m==> What ran beside them\033[0m\n'
wait $others || status=1
cat "$output"
exit $status
