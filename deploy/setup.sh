# Sourced by deploy/quickstart and deploy/test: what a fresh Debian or Ubuntu lacks is installed, and said.
# Each function may be called again at no cost. Nothing that is already there is replaced or restarted.

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" # root by plain `su` lacks these, and dockerd is in one

_say() { printf '== %s\n' "$*"; }
_fail() { printf '%s: %s\n' "$0" "$*" >&2; exit 1; }

# _install <package>...: install them, or say what to install where we may not.
_install() {
    command -v apt-get >/dev/null || _fail "this needs the programs of the Debian packages: $*"
    [ "$(id -u)" = 0 ] || _fail "not root, so install first: sudo apt-get install $*"
    _say "installing $*"
    local quiet=(env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l apt-get -qq -o Dpkg::Use-Pty=0)
    if [ -z "${_updated:-}" ]; then
        "${quiet[@]}" update
        _updated=yes
    fi
    "${quiet[@]}" install -y "$@" >/dev/null
}

# _need <command> <package>
_need() { command -v "$1" >/dev/null || _install "$2"; }

# git, and a container engine that answers; one we have to start ends with the script.
setup_engine() {
    _need git git
    docker info >/dev/null 2>&1 && return
    _need docker docker.io
    command -v docker >/dev/null || _install docker-cli # a package of its own since Debian 13
    docker info >/dev/null 2>&1 && return               # a package may start its service
    [ "$(id -u)" = 0 ] || _fail "no container engine answers: start it, or join its group (see: docker info)"
    _need dockerd docker.io
    _engine_log=$(mktemp "${TMPDIR:-/tmp}/forgehand-engine.XXXXXX")
    _say "no container engine answers: starting dockerd until this script ends (log: $_engine_log)"
    setsid dockerd >"$_engine_log" 2>&1 &
    _engine=$!
    trap 'kill "$_engine" 2>/dev/null && wait "$_engine" || true' EXIT
    for _ in $(seq 120); do
        docker info >/dev/null 2>&1 && return
        kill -0 "$_engine" 2>/dev/null || break
        sleep 0.5
    done
    tail -n 5 "$_engine_log" >&2
    _fail "dockerd did not start"
}

# The servers the tests start for themselves.
setup_servers() {
    _need redis-server redis-server
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || _need initdb postgresql
}

# What only --long and --agents do: images made without an image registry.
setup_long() { _need mmdebstrap mmdebstrap; }

# _python: print a Python of 3.11 or newer that can make virtual environments. `python3` may be a version
# manager's, which answers for names it does not have: each is tried, not looked up.
_python() {
    local name
    for name in python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
        if "$name" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    return 1
}

# .venv with what requirements.lock pins, and this project in it as it stands here. One without pip was
# left half-made, as `python3 -m venv` does where python3-venv is missing.
setup_venv() {
    local python stamp
    if ! .venv/bin/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$(_python) || { _install python3-venv && python=$(_python); } || _fail "Python 3.11 or newer is needed"
        _say "making .venv with $("$python" --version)"
        "$python" -m venv --clear .venv
    fi
    stamp=$(cat requirements.lock pyproject.toml | sha256sum)
    [ "$(cat .venv/installed 2>/dev/null)" = "$stamp" ] && return
    _say "installing the Python packages of requirements.lock into .venv"
    local pip=(.venv/bin/python -m pip --disable-pip-version-check install --quiet)
    "${pip[@]}" --require-hashes -r requirements.lock
    "${pip[@]}" --no-deps --no-build-isolation -e .
    echo "$stamp" >.venv/installed
}

# The image of this machine's own programs, which playground and tests run in.
setup_image() {
    _say "building the small image"
    .venv/bin/forgehand images build --small
}
