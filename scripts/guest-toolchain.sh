#!/usr/bin/env bash
# usage: toolchain=$(scripts/guest-toolchain.sh [--c]); eval "$toolchain"
# Prints what a shell must export so that `cargo build --release --target wasm32-unknown-unknown` makes
# a component. With --c also the C compiler for crates that contain C. (In two steps, because a shell
# does not stop at what fails inside `eval`.)
#
# Where rustup has the target (`rustup target add wasm32-unknown-unknown`) that is the linker and
# nothing else. Where it has not, Debian's rustc-web is the compiler: its standard library is built for
# wasm once (a minute), from rust-web-src, and kept in $MCPBOX_CACHE. Safe to run several times at once.
set -euo pipefail

target=wasm32-unknown-unknown
cache="${MCPBOX_CACHE:-$HOME/.cache/mcpbox}"
# Debian's compiler and the source of its library; the oldest release that our guests build with.
debian_rustc=/usr/bin/rustc
debian_library=/usr/lib/rustlib/src/rust/library
oldest=1.95

fail() {
    echo "guest-toolchain.sh: $1" >&2
    exit 1
}

say() {
    printf 'export %s=%q\n' "$1" "$2"
}

# The compiler that cargo would use, not one that a caller has already exported.
unset RUSTC
rustc=$(command -v rustc) || fail "rustc is missing: https://rustup.rs"
sysroot=$("$rustc" --print sysroot)
host=$("$rustc" -vV | sed -n 's/^host: //p')
tools="$sysroot/lib/rustlib/$host/bin"
[ -x "$tools/wasm-component-ld" ] || fail "this Rust has no wasm-component-ld (rustup's has, since 1.82): https://rustup.rs"

# Builds the library of Debian's compiler into a sysroot of its own, $1.
build_library() {
    local made=$1
    work=$(mktemp -d "$cache/guest-std/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    echo "Building Rust's standard library for $target (about a minute) ..." >&2
    cp -r "$(readlink -f "$debian_library")" "$work/library"
    # The flags are those with which Rust itself builds the library.
    (cd "$work" && env -u CARGO_TARGET_DIR -u CARGO_BUILD_TARGET RUSTC="$debian_rustc" RUSTC_BOOTSTRAP=1 \
        RUSTFLAGS="-Zforce-unstable-if-unmarked -Cembed-bitcode=yes -Cdebuginfo=0" \
        cargo build --quiet --locked --release --target "$target" --manifest-path library/Cargo.toml \
        --target-dir "$work/target" -p std -p panic_abort --no-default-features \
        --features std/compiler-builtins-mem,std/panic-unwind) >&2 ||
        fail "Rust's standard library could not be built for $target (is the crate registry reachable?)"
    rm -rf "$made"
    mkdir -p "$made/bin" "$made/lib/rustlib/$target/lib" "$made/lib/rustlib/$host"
    cp "$work/target/$target/release/deps/"*.rlib "$made/lib/rustlib/$target/lib/"
    # Macros run on this machine and need its library; the linkers are rustup's.
    ln -s "/usr/lib/rustlib/$host/lib" "$made/lib/rustlib/$host/lib"
    ln -s "$tools" "$made/lib/rustlib/$host/bin"
    printf '#!/bin/sh\nexec %q --sysroot %q "$@"\n' "$debian_rustc" "$made" >"$made/bin/rustc"
    chmod +x "$made/bin/rustc"
    touch "$made/.complete"
    rm -rf "$work"
}

say CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER wasm-component-ld
if [ ! -d "$sysroot/lib/rustlib/$target" ]; then
    [ -x "$debian_rustc" ] && [ -e "$debian_library" ] ||
        fail "Rust has no library for $target: run \`rustup target add $target\`, or on Debian apt-get install rustc-web rust-web-src"
    release=$("$debian_rustc" -vV | sed -n 's/^release: //p')
    printf '%s\n' "$oldest" "$release" | sort -CV ||
        fail "$debian_rustc is $release, older than $oldest: apt-get install rustc-web rust-web-src"
    key=$({ "$debian_rustc" -vV; sha256sum <"${BASH_SOURCE[0]}"; echo "$tools"; } | sha256sum | cut -c1-16)
    made="$cache/guest-std/$key"
    mkdir -p "$cache/guest-std"
    exec 9>"$cache/guest-std/lock"
    # Others wait here, and then find the work done.
    if command -v flock >/dev/null; then flock 9; fi
    [ -e "$made/.complete" ] || build_library "$made"
    exec 9>&-
    say RUSTC "$made/bin/rustc"
fi
# Guests share one folder for what cargo builds, apart from the host's.
say CARGO_TARGET_DIR "$cache/guest-target"

if [ "${1-}" = --c ]; then
    for clang in clang clang-21 clang-20 clang-19 clang-18 clang-17 clang-16; do
        if command -v "$clang" >/dev/null && echo 'int one;' | "$clang" --target="$target" -xc -c -o /dev/null - 2>/dev/null; then
            break
        fi
        clang=
    done
    [ "$clang" ] || fail "clang is missing (the C compiler for WebAssembly): apt-get install clang-19"
    ar=llvm-ar
    version=${clang#clang}
    if command -v "llvm-ar$version" >/dev/null; then
        ar="llvm-ar$version"
    elif ! command -v llvm-ar >/dev/null; then
        fail "llvm-ar is missing: apt-get install llvm"
    fi
    say CC_wasm32_unknown_unknown "$clang"
    say AR_wasm32_unknown_unknown "$ar"
fi
