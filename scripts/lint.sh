#!/usr/bin/env bash
# The rules that no compiler checks: scripts parse, no lock file names the host of a package registry,
# and the tests stand on the same build of the dependencies as the product.
set -euo pipefail
cd "$(dirname "$0")/.."

faults=0
fault() {
    echo "lint: $1" >&2
    faults=$((faults + 1))
}

files() {
    git ls-files -z --cached --others --exclude-standard -- "$@"
}

scripts=0
while IFS= read -rd '' file; do
    [ -f "$file" ] || continue
    IFS= read -r first <"$file" || true
    if [[ $file == *.sh || $first == '#!'*bash* ]]; then
        bash -n "$file" || fault "$file does not parse"
        scripts=$((scripts + 1))
    fi
done < <(files '*.sh' .ci)

compiled=$(mktemp -d)
trap 'rm -rf "$compiled"' EXIT
files '*.py' | PYTHONPYCACHEPREFIX=$compiled xargs -0 python3 -m compileall -q -- || fault "some Python file does not parse"

while IFS= read -r line; do
    fault "a lock file says where a package was fetched: $line"
done < <(files '*package-lock.json' '*requirements*.txt' | xargs -0 grep -nE '"resolved"|--(extra-)?index-url|--find-links' || true)

# Features that only the tests' dependencies turn on would compile wasmtime a second time.
tree() {
    cargo tree --quiet --locked --workspace --prefix none --no-dedupe -f '{p} [{f}]' "$@" | sort -u
}
while IFS= read -r crate; do
    fault "the tests build $crate with other features than the product: see the end of Cargo.toml's table"
done < <(comm -23 <(tree -e no-dev) <(tree))

[ "$faults" = 0 ] || exit 1
echo "lint: $scripts shell scripts parse, lock files and features agree"
