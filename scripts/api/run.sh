#!/usr/bin/env bash
# Requests that schemathesis makes up from the API's OpenAPI document: fuzz.py beside a host of its own.
set -euo pipefail
cd "$(dirname "$0")"
source ../../components/python/venv.sh

cache="${MCPBOX_CACHE:-$HOME/.cache/mcpbox}"
mkdir -p "$cache"
exec 9>"$cache/clients.lock"
if command -v flock >/dev/null; then flock 9; fi
make_venv api requirements.txt
exec 9>&-

# It asks more often than people do.
RATE_LIMIT_REQUESTS_PER_MINUTE=1000000 ../with-host.sh "$venv/bin/python" -B fuzz.py "$venv/bin/schemathesis"
