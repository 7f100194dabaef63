#!/bin/sh
# Makes .venv ready for one level of work: run, dev or train. Called by make, which knows by
# the stamp files when nothing is to be done. Needs Python 3.11 or newer; uv is used when it
# is there. Prints one line a step and, when it can't go on, what to type.
set -eu

level=$1
python=${PYTHON:-python3}
goal=${GOAL:-run}
venv=.venv
log=$venv/setup.log

step() { printf 'set-up: %s\n' "$*"; }

give_up() { # what is wrong, what to type
    printf '\nrusy: %s\n\n    %s\n\n' "$1" "$2" >&2
    exit 1
}

version_of() { # prints 3.11.7, or nothing when that is no working Python
    "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null || true
}

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

how_to_get_python() {
    if command -v brew >/dev/null; then
        echo 'brew install python@3.13'
    elif command -v dnf >/dev/null; then
        echo 'sudo dnf install -y python3.11'
    elif command -v apt-get >/dev/null; then
        echo 'sudo apt-get install -y python3.11 python3.11-venv'
    else
        echo "make $goal PYTHON=/path/to/python3.11"
    fi
}

choose_python() {
    new_enough "$python" && return
    found=$(version_of "$python")
    for other in python3.13 python3.12 python3.11 python3.14; do
        if new_enough "$other"; then
            step "$python is ${found:-not there}; taking $other"
            python=$other
            return
        fi
    done
    if [ -n "$found" ]; then
        give_up "$python is Python $found; 3.11 or newer is needed. Type:" "$(how_to_get_python)"
    fi
    give_up "$python is no Python that runs; 3.11 or newer is needed. Type:" \
        "$(how_to_get_python)"
}

have() { "$venv/bin/python" -c "import $1" >/dev/null 2>&1; }

make_environment() {
    if [ -x "$venv/bin/python" ] && new_enough "$venv/bin/python"; then
        return
    fi
    choose_python
    step "Python $(version_of "$python"), environment in $venv"
    if command -v uv >/dev/null; then
        uv venv --quiet --clear --python "$python" "$venv"
        return
    fi
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        short=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
        give_up "this Python has no venv module (Debian keeps it in a package). Type:" \
            "sudo apt-get install -y python$short-venv"
    fi
    "$python" -m venv --clear "$venv"
}

say_why_not() { # the log of an installation that failed
    if grep -qiE 'no matching distribution|no usable wheels|not a supported wheel|no wheels' \
        "$log" && ! grep -qiE 'connection|name resolution|network|timed out|dns' "$log"; then
        what=$(sed -nE 's/.*(No matching distribution found for|installing|Because) ([A-Za-z0-9._-]+).*/\2/p' \
            "$log" | head -n 1)
        platform=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_platform())')
        remedy="make $goal PYTHON=python3.11"
        if "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
            remedy='docker compose run --build --rm rusy demo --headless'
        fi
        give_up "no wheel of ${what:-a library} for Python $(version_of "$venv/bin/python") on \
$platform (details: $log). Wheels exist for Linux on x86-64 and arm64 (glibc) and macOS on \
arm64. Type:" "$remedy"
    fi
    tail -n 12 "$log" >&2
    give_up "the libraries could not be installed (all of it: $log). When the network is \
back, type:" "make $goal"
}

pip_install() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@" \
        >"$log" 2>&1 || say_why_not
}

install_locked() {
    lock=requirements/$level.txt
    step "$(grep -c '^[A-Za-z]' "$lock") libraries from $lock"
    if command -v uv >/dev/null; then
        uv pip install --quiet --python "$venv/bin/python" --require-hashes --no-deps \
            --no-build --requirement "$lock" >"$log" 2>&1 || say_why_not
        return
    fi
    # An environment that uv made has no pip.
    have pip || "$venv/bin/python" -m ensurepip >"$log" 2>&1 || {
        rm -rf "$venv"
        make_environment
    }
    pip_install --require-hashes --no-deps --only-binary :all: --requirement "$lock"
}

install_torch() {
    # pip, also where uv is: a local folder of wheels that pip is told of holds the CPU build.
    torch=${TORCH:-$(sed -nE 's/^train = .*"(torch==[^"]+)".*/\1/p' pyproject.toml)}
    step "$torch, the train extra"
    pip_install "$torch"
}

install_rusy() {
    # What an editable installation comes down to, without a build: one line that puts this
    # folder on the path, and the command. Both are relative, so that the folder may move.
    step 'the command rusy'
    packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    echo '../../../..' >"$packages/rusy.pth"
    # sh runs the second line and is replaced; Python sees a string there, then the rest.
    cat >"$venv/bin/rusy" <<'END'
#!/bin/sh
'''exec' "$(dirname "$(readlink -f "$0")")/python" "$0" "$@"
' '''
import sys

from rusy_tui.cli.main import main

sys.exit(main())
END
    chmod +x "$venv/bin/rusy"
}

make_environment
install_locked
[ "$level" != train ] || install_torch
install_rusy

# A level holds all of the ones before it.
case $level in
run) done_levels='run' ;;
dev) done_levels='run dev' ;;
train) done_levels='run dev train' ;;
esac
for name in $done_levels; do
    touch "$venv/.stamp-$name"
done
