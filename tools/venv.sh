#!/bin/sh
# Builds .venv in the checkout: `venv.sh runtime` for the product, `venv.sh dev` for its tools too.
# Called by make, which knows from .venv/.ready-* when there is nothing to do.
set -eu

kind=$1
CDPATH='' cd -- "$(dirname -- "$0")/.."
here=$(pwd -P)
python=

say() { printf 'foretide: %s\n' "$1" >&2; }

refuse() {
    say "$1"
    exit 2
}

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        "$PYTHON" -c '' 2>/dev/null ||
            refuse "PYTHON=$PYTHON does not run; name a Python 3.11 or newer"
        is_new_enough "$PYTHON" ||
            refuse "PYTHON=$PYTHON is $("$PYTHON" -V 2>&1); Python 3.11 or newer is needed"
        python=$PYTHON
        return
    fi
    for python in python3 python3.13 python3.12 python3.11; do
        if is_new_enough "$python"; then return; fi
    done
    refuse "Python 3.11 or newer is needed; install it, or name it: make setup PYTHON=python3.12"
}

# Debian ships python3 without ensurepip, so `python3 -m venv` fails there until python3-venv is in.
bring_ensurepip() {
    if "$python" -c 'import ensurepip' 2>/dev/null; then return; fi
    line='apt-get update && apt-get install -y python3-venv'
    command -v apt-get >/dev/null ||
        refuse "$python has no ensurepip; install it with your system's packages"
    as_root=
    if [ "$(id -u)" -ne 0 ]; then
        as_root=sudo
        sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; } ||
            refuse "$python has no ensurepip; type this, then make again:  sudo sh -c '$line'"
    fi
    say "$python has no ensurepip: $line"
    $as_root env DEBIAN_FRONTEND=noninteractive sh -c "$line" >&2 ||
        refuse "that failed; type it by hand, then make again:  sudo sh -c '$line'"
    "$python" -c 'import ensurepip' 2>/dev/null ||
        refuse "$python still has no ensurepip; try make setup PYTHON=/usr/bin/python3"
}

# Only what this script finished, in this place, is built upon.
is_sound() {
    [ ! -e .venv/.unfinished ] && [ "$(cat .venv/.checkout 2>/dev/null)" = "$here" ] &&
        is_new_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1
}

create() {
    choose_python
    bring_ensurepip
    say "building .venv with $("$python" -V 2>&1), under a minute"
    rm -rf .venv
    mkdir .venv
    touch .venv/.unfinished
    "$python" -m venv .venv
    printf '%s\n' "$here" >.venv/.checkout
}

install() {
    touch .venv/.unfinished
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r requirements-build.lock
    .venv/bin/python -m uv pip install --python .venv/bin/python --require-hashes -r "$1"
    .venv/bin/python -m uv pip install --quiet --python .venv/bin/python \
        --no-deps --no-build-isolation -e .
    rm .venv/.unfinished
}

is_sound || create
case $kind in
    runtime) install requirements.lock ;;
    dev) install requirements-dev.lock ;;
    *) refuse "venv.sh takes runtime or dev, not $kind" ;;
esac
printf '%s\n' "$here" >".venv/.ready-$kind"
