#!/usr/bin/env bash
# Builds the Python runner: dist/python.wasm. Needs python3 (3.11 or newer) with venv, and the package
# index the first time. What was built is kept by the digest of everything it is made of, so building
# again without a change does nothing. Safe to run several times at once.
set -euo pipefail
cd "$(dirname "$0")"
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME # componentize-py would mount and search them.
source ./venv.sh

wit=../../guest-sdk/wit
cache="${MCPBOX_CACHE:-$HOME/.cache/mcpbox}"
inputs=("$wit"/*.wit runner/*.py requirements.txt venv.sh build.sh)
key=$(digest "${inputs[@]}")
built="$cache/guests/python-$key.wasm"

# Other builds wait here, and then find the work done.
mkdir -p "$cache/guests"
exec 9>"$cache/guests/python.lock"
if command -v flock >/dev/null; then flock 9; fi

if [ ! -e "$built" ]; then
    make_venv python-build requirements.txt
    echo "Building the Python runner (about a minute) ..."
    # From copies: componentize-py hands the folders to the code that it runs, to read and to write.
    work=$(mktemp -d "$cache/guests/python-build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/app" "$work/packages"
    cp -r "$wit" "$work/wit"
    mkdir "$work/app/mcpbox_runner"
    cp runner/*.py "$work/app/mcpbox_runner/"
    cp -r "$("$venv/bin/python" -c 'import tzdata; print(tzdata.__path__[0])')" "$work/packages/"
    touch "$work/packages/.bundle"
    (cd "$work" && "$venv/bin/componentize-py" -d wit -w interpreter \
        componentize mcpbox_runner.app -p app -p packages -o python.wasm) >"$work/log" 2>&1 || {
        sed '/^Caused by:/,$d' "$work/log" >&2
        fail "componentize-py could not build the Python runner"
    }
    mv "$work/python.wasm" "$built"
    # The newest few stay, for other branches.
    find "$cache/guests" -name 'python-*.wasm' -printf '%T@ %p\n' | sort -rn | tail -n +6 | cut -d' ' -f2- | xargs -rd '\n' rm -f
    echo "Built the Python runner: $(du -h "$built" | cut -f1)."
fi

mkdir -p dist
if ! cmp -s "$built" dist/python.wasm; then
    cp "$built" "dist/.python.wasm.$$"
    mv "dist/.python.wasm.$$" dist/python.wasm
fi
