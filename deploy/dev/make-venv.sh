#!/usr/bin/env bash
# Makes or updates the virtual environment: make-venv.sh FOLDER. Every package comes from the lock, by its hash.
# What is there and whole is kept, so that an interrupted run is gone on with, and an up-to-date one needs no network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv=$1

find_python() {
    local name
    for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11 or newer is missing: install it (or name it: make setup PYTHON=/path/to/python3.11)" >&2
    return 1
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Whole: its Python runs (the system's may have been replaced), is new enough, the one that was named, and has pip.
is_whole() {
    [[ -x $venv/bin/python ]] || return 1
    "$venv/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || return 1
    [[ -z ${PYTHON:-} || $(version_of "$venv/bin/python") == "$(version_of "$PYTHON")" ]]
}

# The lines of one package in the lock: its version and hashes.
locked() { awk -v name="$1==" 'index($0, name) == 1 { on = 1 } on { print; if ($0 !~ /\\$/) exit }' requirements.lock; }

if ! is_whole; then
    python=$(find_python)
    echo "Making $venv with $("$python" --version)"
    rm -rf "$venv"
    if ! "$python" -m venv "$venv" >/dev/null 2>&1; then
        echo "$python cannot make virtual environments: install its venv module (for example python3-venv)" >&2
        exit 1
    fi
fi

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
uv=$(locked uv)
version=${uv#uv==}
version=${version%% *}
if [[ $("$venv/bin/uv" --version 2>/dev/null) != "uv $version"* ]]; then
    echo "Installing uv $version, which installs the rest"
    list=$(mktemp)
    trap 'rm -f "$list"' EXIT
    echo "$uv" >"$list"
    "$venv/bin/python" -m pip install --require-hashes --no-deps -r "$list"
fi
settings=$("$venv/bin/python" deploy/dev/pip_settings.py)
eval "$settings"
export VIRTUAL_ENV=$PWD/$venv UV_NO_CONFIG=1
[[ $venv == /* ]] && VIRTUAL_ENV=$venv
echo "Installing the locked Python packages"
# A package that was being written when a former run was ended looks installed: then all are written again.
again=()
[[ -e $venv/.installing ]] && again=(--reinstall)
touch "$venv/.installing"
"$venv/bin/uv" pip install ${again[@]+"${again[@]}"} --no-deps --require-hashes -r requirements.lock
"$venv/bin/uv" pip install --no-deps --no-build-isolation -e .
rm "$venv/.installing"
