#!/usr/bin/env bash
# Builds the examples, the templates and the probe into dist/*.wasm: components in Rust, C and Python,
# each as its page tells an author to. What was built is kept by the digest of everything it is made
# of, so building again without a change does nothing. Safe to run several times at once.
set -euo pipefail
cd "$(dirname "$0")"
unset VIRTUAL_ENV PYTHONPATH PYTHONHOME # componentize-py would mount and search them.
python=../components/python
source "$python/venv.sh"

cache="${MCPBOX_CACHE:-$HOME/.cache/mcpbox}"
mkdir -p "$cache/guests"
exec 9>"$cache/guests/examples.lock"
# Other builds wait here, and then find the work done.
if command -v flock >/dev/null; then flock 9; fi

# Folder of the language's components in the cache: a name, and the digest of what they are made of.
folder() {
    local name=$1
    shift
    echo "$cache/guests/$name-$(find "$@" -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32)"
}

# Runs `build_NAME` in an empty folder, whose components are kept; the newest few of each stay.
build() {
    local name=$1 made=$2 work
    if [ ! -e "$made" ]; then
        echo "Building the components in $name ..."
        work=$(mktemp -d "$cache/guests/build.XXXXXX")
        "build_$name" "$work" >"$work/log" 2>&1 </dev/null || {
            cat "$work/log" >&2
            rm -rf "$work"
            fail "the components in $name could not be built"
        }
        mkdir "$work/made"
        mv "$work"/*.wasm "$work/made/"
        mv "$work/made" "$made"
        rm -rf "$work"
        find "$cache/guests" -maxdepth 1 -name "$name-*" -type d -printf '%T@ %p\n' | sort -rn | tail -n +6 | cut -d' ' -f2- | xargs -rd '\n' rm -rf
    fi
    mkdir -p dist
    local component
    for component in "$made"/*.wasm; do
        cmp -s "$component" "dist/${component##*/}" && continue
        cp "$component" "dist/.${component##*/}.$$"
        mv "dist/.${component##*/}.$$" "dist/${component##*/}"
    done
}

# The template of a language as `mcpbox tool new` writes it, in $2.
instantiate() {
    cp -r "templates/$1" "$2"
    find "$2" -type f -not -name '*.o' -exec sed -i 's/{{name}}/template-'"$1"'/g' {} +
}

build_rust() {
    (
        eval "$(../scripts/guest-toolchain.sh)"
        export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}"
        target=wasm32-unknown-unknown
        cargo build --release --locked --target $target -p csv -p hello -p mcpbox-conformance -p notes -p probe -p weather
        instantiate rust "$1/template-rust"
        # The registry's name for what lies here.
        (cd "$1/template-rust" && cargo --config "patch.crates-io.mcpbox-sdk.path='$OLDPWD'" \
            build --release --target $target)
        for name in conformance csv hello notes probe weather template_rust; do
            cp "$CARGO_TARGET_DIR/$target/release/$name.wasm" "$1/${name//_/-}.wasm"
        done
    )
}

build_c() {
    instantiate c "$1/template-c"
    make -C "$1/template-c" template-c.wasm
    cp -r examples templates "$1/"
    make -C "$1/examples/c" count.wasm
    mv "$1/template-c/template-c.wasm" "$1/examples/c/count.wasm" "$1/"
}

build_python() {
    make_venv python-build "$python/requirements.txt"
    # From copies: componentize-py hands the folders to the code that it runs, to read and to write.
    mkdir "$1/app"
    cp examples/python/app.py "$1/app/"
    cp -r wit "$1/wit"
    (cd "$1" && "$venv/bin/componentize-py" -d wit -w tool componentize app -p app -o statistics.wasm)
}

toolchain=../scripts/guest-toolchain.sh
build rust "$(folder rust Cargo.toml Cargo.lock .cargo src macros examples probe ../components/conformance templates/rust build.sh "$toolchain")"
build c "$(folder c examples/c templates/c build.sh)"
build python "$(folder python examples/python wit "$python/requirements.txt" build.sh)"
