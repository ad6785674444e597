# Sourced by build.sh and test.sh. `make_venv NAME REQUIREMENTS` makes a virtual environment once in
# the cache and puts its folder into $venv. The caller holds the lock.

fail() {
    echo "$1" >&2
    exit 1
}

check_python() {
    command -v python3 >/dev/null || fail "python3 is missing: install Python 3.10 or newer (apt-get install python3 python3-venv)"
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || fail "python3 is $(python3 -V 2>&1): 3.10 or newer is needed"
    python3 -c 'import venv, ensurepip' 2>/dev/null || fail "python3 has no venv: apt-get install python3-venv"
}

digest() {
    sha256sum "$@" | sha256sum | cut -c1-32
}

make_venv() {
    venv="$cache/venvs/$1-$( { python3 -V; digest "$2" | cut -d' ' -f1; } | sha256sum | cut -c1-16)"
    [ -e "$venv/.complete" ] && return
    check_python
    echo "Installing $1's requirements into $venv ..."
    rm -rf "$venv"
    mkdir -p "$cache/venvs"
    python3 -m venv "$venv" || fail "python3 -m venv failed: apt-get install python3-venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$2" ||
        fail "pip could not install $2 (is the package index reachable?)"
    touch "$venv/.complete"
}
