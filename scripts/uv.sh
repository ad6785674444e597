#!/usr/bin/env bash
# Installs uv, which installs packages for Python tools, once into the cache, and prints where it is.
# The version and its hashes are in scripts/uv-requirements.txt.
set -euo pipefail
cd "$(dirname "$0")"

cache="${MCPBOX_CACHE:-$HOME/.cache/mcpbox}"
venv="$cache/venvs/uv"
key=$(sha256sum uv-requirements.txt uv.sh | sha256sum | cut -c1-32)

mkdir -p "$cache/venvs"
exec 9>"$cache/venvs/uv.lock"
if command -v flock >/dev/null; then flock 9; fi
if [ "$(cat "$venv/.complete" 2>/dev/null)" != "$key" ]; then
    ./need.sh python3 venv
    echo "Installing uv into $venv ..." >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
        -r uv-requirements.txt >&2
    echo "$key" >"$venv/.complete"
fi
echo "$venv/bin/uv"
