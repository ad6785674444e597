#!/usr/bin/env bash
# Installs the protocol tools that package-lock.json pins, once for each content of it, and prints the
# folder of their commands. Their Node comes as one of the packages: the machine's may be too old, and
# npm's own package of the name `node` would fetch it past the lock file.
set -euo pipefail
cd "$(dirname "$0")"

cache="${MCPBOX_CACHE:-$HOME/.cache/mcpbox}/protocol"
tools="$cache/$(cat package.json package-lock.json | sha256sum | cut -c1-16)"

mkdir -p "$cache"
exec 9>"$cache/lock"
if command -v flock >/dev/null; then flock 9; fi
if [ ! -e "$tools/.complete" ]; then
    echo "Installing the protocol tools into $tools (340 MB) ..." >&2
    rm -rf "$tools"
    mkdir "$tools"
    cp package.json package-lock.json "$tools/"
    npm ci --prefix "$tools" --ignore-scripts --no-audit --no-fund --loglevel=error >&2 || {
        echo "npm could not install scripts/protocol/package-lock.json (is the registry reachable?)" >&2
        exit 1
    }
    touch "$tools/.complete"
fi
echo "$tools/node_modules/.bin"
