#!/usr/bin/env bash
# Tests the built runner under PyPI's wasmtime; builds it first if something changed.
# Arguments go to unittest, for example `./test.sh test_http` or `./test.sh -k secret`.
set -euo pipefail
cd "$(dirname "$0")"
./build.sh
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME
source ./venv.sh
cache="${MCPBOX_CACHE:-$HOME/.cache/mcpbox}"
exec 9>"$cache/guests/python.lock"
if command -v flock >/dev/null; then flock 9; fi
make_venv python-test tests/requirements.txt
exec 9>&-
cd tests
if [ $# -eq 0 ]; then set -- discover; fi
exec "$venv/bin/python" -B -m unittest "$@"
