#!/usr/bin/env bash
# Makes or updates the virtual environment: make-venv.sh FOLDER. Every package comes from the lock, by its hash.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
venv=$1

find_python() {
    local name
    for name in ${PYTHON:-} python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11 or newer is missing: install it (or name it: make setup PYTHON=/path/to/python3.11)" >&2
    return 1
}

if [[ ! -x $venv/bin/pip ]]; then
    python=$(find_python)
    echo "Making $venv with $("$python" --version)"
    if ! "$python" -m venv --clear "$venv" >/dev/null 2>&1; then
        echo "$python cannot make virtual environments: install its venv module (for example python3-venv)" >&2
        exit 1
    fi
fi
echo "Installing the locked Python packages"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
"$venv/bin/pip" install --quiet --require-hashes --no-deps -r requirements.lock
"$venv/bin/pip" install --quiet --no-deps --no-build-isolation -e .
