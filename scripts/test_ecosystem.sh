#!/usr/bin/env bash
# Run other people's middleware around Reflex events: real packages, each with settings and a
# process of its own; small ones share one. They live in an environment of their own, .venv-ecosystem.
#   scripts/test_ecosystem.sh                  all
#   scripts/test_ecosystem.sh axes tenants     some
#   DJANGO=6.1.3 scripts/test_ecosystem.sh     on another Django, also where a package declares that it
#                                              does not take it
# Those of $on_postgresql need PostgreSQL: a private server on a socket in a temporary directory.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${ECOSYSTEM_VENV:-.venv-ecosystem${DJANGO:+-$DJANGO}}
pins=constraints/ecosystem.txt
django=${DJANGO:-$(sed -n 's/^Django==//p' "$pins")}
on_postgresql='atomic_requests|database_away|pghistory|tenants'
export PIP_DISABLE_PIP_VERSION_CHECK=1 REFLEX_TELEMETRY_ENABLED=false
unset PYTHONDONTWRITEBYTECODE

say() { printf '\n\033[1m==> %s\033[0m\n' "$*"; }

set_up() {
    local key python
    key=$(cat pyproject.toml "$pins" <(pwd) <(echo "${PYTHON:-}${DJANGO:-}") | cksum)
    [[ -x $venv/bin/python && $(cat "$venv/.set-up" 2>/dev/null) == "$key" ]] && return
    # Not every package has a release for the newest Python.
    python=${PYTHON:-$(scripts/find_python.sh 3.13 || scripts/find_python.sh)}
    say "Making $venv with $("$python" --version) ($python)"
    "$python" -m venv --clear "$venv"
    say "Installing rxbridge and the packages pinned by $pins, Django $django"
    sed "s/^Django==.*/Django==$django/" "$pins" >"$venv/pins.txt"
    scripts/install.sh "$venv" ${DJANGO:+--no-deps} --editable . --requirement "$venv/pins.txt"
    printf '%s\n' "$key" >"$venv/.set-up"
}

postgresql_binaries() {
    local found=(/usr/lib/postgresql/*/bin/initdb)
    [[ -x ${found[-1]} ]] && dirname "${found[-1]}"
}

# PostgreSQL's server, installed if it is missing and this may install it.
find_postgresql() {
    pg=$(postgresql_binaries) && return
    if scripts/apt.sh postgresql; then
        pg=$(postgresql_binaries) && return
    fi
    echo "Some tests need PostgreSQL's server: apt-get install postgresql" >&2
    return 1
}

# PostgreSQL's server refuses to run as root; Debian's package brings the user it runs as.
as_postgres() {
    if [[ $(id -u) -eq 0 ]]; then runuser -u postgres -- "$@"; else "$@"; fi
}

start_postgresql() {
    say "Starting a PostgreSQL server in $work ($pg)"
    export PGHOST=$work/postgresql PGPORT=5432 PGUSER=tests
    mkdir "$PGHOST"
    [[ $(id -u) -ne 0 ]] || { chmod 711 "$work"; chown postgres "$PGHOST"; }
    (
        cd "$PGHOST"
        as_postgres "$pg/initdb" --pgdata cluster --username tests --auth trust --no-sync >initdb.log
        as_postgres "$pg/pg_ctl" --pgdata "$PGHOST/cluster" --log "$PGHOST/server.log" --silent --wait \
            --options "-c listen_addresses='' -c unix_socket_directories='$PGHOST' -c fsync=off" start
    )
}

clean_up() {
    if [[ -f $work/postgresql/cluster/postmaster.pid ]]; then
        as_postgres "$pg/pg_ctl" --pgdata "$work/postgresql/cluster" --silent --mode immediate stop
    fi
    rm -rf "$work"
}

names=("$@")
if [[ ${#names[@]} -eq 0 ]]; then
    for file in tests/ecosystem/test_*.py; do
        name=${file##*/test_}
        names+=("${name%.py}")
    done
fi

set_up
work=$(mktemp -d /tmp/rxbridge-ecosystem-XXXXXX)
trap clean_up EXIT
export RXBRIDGE_ECOSYSTEM=1 RXBRIDGE_TEST_DB=$work/db.sqlite3
pg=''
if grep -qwE "$on_postgresql" <<<"${names[*]}"; then
    if find_postgresql; then
        start_postgresql
    elif [[ ${CI:-} == true ]]; then
        echo "In CI no package may be left out." >&2
        exit 1
    else
        echo "Left out are those that need it: ${on_postgresql//|/, }."
        mapfile -t names < <(printf '%s\n' "${names[@]}" | grep -vxE "$on_postgresql")
    fi
fi
say "Running the tests of ${#names[@]} packages on Django $django"
"$venv/bin/python" -m tests.ecosystem "${names[@]}"
