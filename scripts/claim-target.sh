#!/usr/bin/env bash
# usage: claim-target.sh
# Several checkouts may share one CARGO_TARGET_DIR, so that dependencies are compiled once. Cargo tells the
# packages of the workspace of one checkout from those of another by the times of their files only, and could
# take what was built from the other one for fresh. When another checkout built here last, this forgets what
# was built of the workspace's own packages; the dependencies stay.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:?names the folder that is built into}
stamp=$target/checkout

[ "$(cat "$stamp" 2>/dev/null)" != "$checkout" ] || exit 0
mkdir -p "$target"
rm -rf "$target"/*/.fingerprint/mcpbox-*
printf '%s\n' "$checkout" >"$stamp"
