#!/bin/sh
# Runs a command beside a PostgreSQL of its own: a throw-away cluster in a temporary folder, reached
# by a socket in that folder only. The command finds its address in MCPBOX_TEST_DATABASE_URL.
#
#   scripts/with-postgres.sh cargo test --release --workspace --lib db::
#
# Ends with the command's exit code, after the cluster is stopped and removed.
set -eu

[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

# The newest installed version, or what PATH has.
bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort -V | tail -n 1)
if [ -z "$bin" ] && command -v initdb >/dev/null; then
    bin=$(dirname "$(command -v initdb)")
fi
if [ -z "$bin" ] || [ ! -x "$bin/initdb" ] || [ ! -x "$bin/pg_ctl" ]; then
    echo "with-postgres: no PostgreSQL server programs (initdb, pg_ctl) found; install PostgreSQL 14 or later" >&2
    exit 1
fi

folder=$(mktemp -d "${TMPDIR:-/tmp}/mcpbox-postgres.XXXXXX")

# PostgreSQL refuses to run as root: then the cluster belongs to somebody with fewer rights.
as_owner() { "$@"; }
if [ "$(id -u)" = 0 ]; then
    owner=nobody
    if id postgres >/dev/null 2>&1; then owner=postgres; fi
    chown "$owner" "$folder"
    as_owner() { runuser -u "$owner" -- "$@"; }
fi

stop() {
    as_owner "$bin/pg_ctl" stop -D "$folder/data" -m immediate -s >/dev/null 2>&1 || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# pg_ctl keeps the working directory, which the owner may not be allowed to read.
caller=$PWD
cd "$folder"
as_owner "$bin/initdb" -D "$folder/data" -U mcpbox -A trust -E UTF8 --no-sync >"$folder/log" 2>&1 ||
    { cat "$folder/log" >&2; exit 1; }
# fsync=off: nothing here outlives the command.
as_owner "$bin/pg_ctl" start -D "$folder/data" -l "$folder/data/log" -w -s \
    -o "-c listen_addresses= -c unix_socket_directories=$folder -c fsync=off -c max_connections=300" ||
    { cat "$folder/data/log" >&2; exit 1; }
cd "$caller"

MCPBOX_TEST_DATABASE_URL="postgres://mcpbox@localhost/postgres?host=$folder"
export MCPBOX_TEST_DATABASE_URL
code=0
"$@" || code=$?
exit "$code"
