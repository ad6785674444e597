#!/usr/bin/env bash
# usage: with-host.sh COMMAND...
# Runs COMMAND beside a host of its own: a fresh data folder, a free port, and SQLite or, when
# MCPBOX_TEST_DATABASE_URL names one (with-postgres.sh does), that database. COMMAND finds the host in
# MCPBOX_URL, the folder in MCPBOX_DATA_DIR and the executable in MCPBOX_BIN. Ends with COMMAND's exit
# code; a host that does not stop in order makes it 1. The host's log is printed when something failed.
set -euo pipefail

: "${MCPBOX_BIN:?is not set: run this by make}"
[ -x "$MCPBOX_BIN" ] || { echo "there is no $MCPBOX_BIN: run make build" >&2; exit 1; }

work=$(mktemp -d "${TMPDIR:-/tmp}/mcpbox-host.XXXXXX")
host=
cleanup() {
    [ -z "$host" ] || kill -KILL "$host" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

failed() {
    echo "$1; the host said:" >&2
    cat "$work/out" "$work/log" >&2
    exit 1
}

export MCPBOX_DATA_DIR="$work/data"
export DATABASE_URL="${MCPBOX_TEST_DATABASE_URL-}"
[ -n "$DATABASE_URL" ] || unset DATABASE_URL
# From the work folder, so that no .env of the checkout is read. Compiled code is kept between runs.
mkfifo "$work/first"
(cd "$work" && exec "$MCPBOX_BIN" serve --port 0 >"$work/first" 2>"$work/log") &
host=$!
exec 3<"$work/first"
IFS= read -r -t 120 MCPBOX_URL <&3 || { : >"$work/out"; failed "the host did not start"; }
export MCPBOX_URL
cat <&3 >"$work/out" &
exec 3<&-
[[ $MCPBOX_URL == http://127.0.0.1:* ]] || failed "the first line of output is not the address: $MCPBOX_URL"

code=0
"$@" || code=$?

kill -TERM "$host"
stopped=0
wait "$host" || stopped=$?
host=
[ "$stopped" = 0 ] || failed "the host ended with exit code $stopped at SIGTERM"
[ "$code" = 0 ] || { echo "the host's log:" >&2; tail -n 200 "$work/log" >&2; }
exit "$code"
