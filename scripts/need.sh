#!/usr/bin/env bash
# usage: need.sh [--packages] TOOL...
# Says in one line which of the named tools this machine lacks, and how to get them. With --packages
# it prints the Debian packages that bring the missing ones instead, and never fails.
set -euo pipefail

packages=
if [ "${1-}" = --packages ]; then
    packages=yes
    shift
fi

missing=()
# check COMMAND... -- SENTENCE PACKAGE...
check() {
    local command=()
    while [ "$1" != -- ]; do
        command+=("$1")
        shift
    done
    shift
    "${command[@]}" >/dev/null 2>&1 && return
    if [ "$packages" ]; then
        missing+=("${@:2}")
    elif [ $# -gt 1 ]; then
        missing+=("$1 (apt-get install ${*:2})")
    else
        missing+=("$1")
    fi
}

has_postgres() {
    command -v initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb'
}

# Rust's library for WebAssembly, or what scripts/guest-toolchain.sh builds it from.
has_guest_rust() {
    [ -d "$(rustc --print sysroot)/lib/rustlib/wasm32-unknown-unknown" ] ||
        { [ -x /usr/bin/rustc ] && [ -e /usr/lib/rustlib/src/rust/library ]; }
}

has_clang() {
    compgen -c clang | grep -E '^clang(-[0-9]+)?$'
}

has_llvm_ar() {
    compgen -c llvm-ar | grep -E '^llvm-ar(-[0-9]+)?$'
}

# The compiler, linker and libraries that the C example and template name.
has_component_c() {
    command -v clang-19 && command -v wasm-ld-19 && [ -e /usr/include/wasm32-wasi/stdlib.h ] &&
        compgen -G '/usr/lib/llvm-19/lib/clang/19/lib/wasi/libclang_rt.builtins-wasm32.a'
}

for tool in "$@"; do
    case $tool in
    cargo) check command -v cargo -- "cargo (Rust 1.95 or newer, https://rustup.rs)" ;;
    cc) check command -v cc -- cc build-essential ;;
    python3) check python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' -- "python3, 3.11 or newer" python3 ;;
    venv) check python3 -c 'import venv, ensurepip' -- "venv for python3" python3-venv ;;
    npm) check command -v npm -- npm nodejs npm ;;
    guest-rust) check has_guest_rust -- "Rust for WebAssembly (rustup target add wasm32-unknown-unknown)" rustc-web rust-web-src ;;
    guest-c)
        check has_clang -- clang clang-19
        check has_llvm_ar -- llvm-ar llvm
        ;;
    component-c)
        check has_component_c -- "clang-19 for WebAssembly" clang-19 lld-19 libclang-rt-19-dev-wasm32 wasi-libc
        ;;
    postgres) check has_postgres -- "PostgreSQL's server" postgresql ;;
    *)
        echo "need.sh does not know $tool" >&2
        exit 2
        ;;
    esac
done
[ ${#missing[@]} -eq 0 ] && exit
if [ "$packages" ]; then
    echo "${missing[*]}"
    exit
fi
printf -v list '; %s' "${missing[@]}"
echo "missing: ${list:2}" >&2
exit 1
