#!/bin/sh
# Resolves pyproject.toml into lock files for every platform at once. run, dev and
# train are each a superset of the one before; build holds what makes the wheel. No address of an index is written. Give --upgrade for newer releases.
set -eu

uv=$(command -v uv || echo .venv/bin/uv)
[ -x "$uv" ] || {
    printf 'rusy: the lock is made by uv, which is not here. Type:\n\n    pip install uv\n\n' >&2
    exit 1
}

compile() { # the lock file, then its sources
    lock=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-build \
        --no-emit-index-url --no-header --output-file "requirements/$lock.txt" "$@"
}

compile build requirements/build.in "$@"
compile run pyproject.toml "$@"
compile dev pyproject.toml --group dev requirements/build.in \
    --constraint requirements/run.txt "$@"
compile train pyproject.toml --group dev --extra train-tools requirements/build.in \
    requirements/torch-needs.in --constraint requirements/dev.txt "$@"
