#!/usr/bin/env bash
# From source to call with real MCP clients: journey.py beside a host of its own.
set -euo pipefail
cd "$(dirname "$0")"
source ../../components/python/venv.sh

cache="${MCPBOX_CACHE:-$HOME/.cache/mcpbox}"
mkdir -p "$cache"
exec 9>"$cache/clients.lock"
if command -v flock >/dev/null; then flock 9; fi
make_venv client requirements.txt
exec 9>&-

# All of them are one caller, which asks oftener than people do.
export MCPBOX_MCP_REQUESTS_PER_MINUTE=100000
PATH="$(../protocol/tools.sh):$PATH" ../with-host.sh "$venv/bin/python" -B journey.py
