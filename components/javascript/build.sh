#!/usr/bin/env bash
# Builds the JavaScript runner: dist/javascript.wasm. Needs Rust for WebAssembly and clang
# (scripts/guest-toolchain.sh), and the crate registry the first time. What was built is kept by the
# digest of everything it is made of, so building again without a change does nothing. Safe to run
# several times at once.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)

cache="${MCPBOX_CACHE:-$HOME/.cache/mcpbox}"
inputs=(../../guest-sdk/wit/*.wit Cargo.toml Cargo.lock build.sh src/*.rs prelude/*.js
    ../snapshot/Cargo.toml ../snapshot/src/*.rs ../../scripts/guest-toolchain.sh)
# The tool that takes the snapshot writes differently only when Wizer does.
wizer=$(grep -A1 '^name = "wasmtime-wizer"$' ../../Cargo.lock)
key=$({ sha256sum "${inputs[@]}"; echo "$wizer"; } | sha256sum | cut -c1-32)
built="$cache/guests/javascript-$key.wasm"

# Other builds wait here, and then find the work done.
mkdir -p "$cache/guests"
exec 9>"$cache/guests/javascript.lock"
if command -v flock >/dev/null; then flock 9; fi

if [ ! -e "$built" ]; then
    echo "Building the JavaScript runner (two minutes the first time) ..."
    work=$(mktemp -d "$cache/guests/javascript-build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    toolchain=$("$root/scripts/guest-toolchain.sh" --c)
    (
        eval "$toolchain"
        # Other checkouts build into the same folder, and Cargo takes what one of them made for ours when it is newer.
        cargo clean --quiet --release --target wasm32-unknown-unknown -p mcpbox-javascript
        cargo build --quiet --locked --release --target wasm32-unknown-unknown
        cp "$CARGO_TARGET_DIR/wasm32-unknown-unknown/release/mcpbox_javascript.wasm" "$work/plain.wasm"
    )
    # In the product's own build, with the features of the whole workspace: it shares the product's wasmtime.
    target="${CARGO_TARGET_DIR:-$cache/target}"
    (cd "$root" && CARGO_TARGET_DIR="$target" cargo build --quiet --release --locked --workspace --bin mcpbox-snapshot)
    "$target/release/mcpbox-snapshot" "$work/plain.wasm" "$work/javascript.wasm"
    mv "$work/javascript.wasm" "$built"
    # The newest few stay, for other branches.
    find "$cache/guests" -name 'javascript-*.wasm' -printf '%T@ %p\n' | sort -rn | tail -n +6 | cut -d' ' -f2- | xargs -rd '\n' rm -f
    echo "Built the JavaScript runner: $(du -h "$built" | cut -f1)."
fi

mkdir -p dist
if ! cmp -s "$built" dist/javascript.wasm; then
    cp "$built" "dist/.javascript.wasm.$$"
    mv "dist/.javascript.wasm.$$" dist/javascript.wasm
fi
