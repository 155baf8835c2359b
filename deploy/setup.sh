# Sourced by deploy/quickstart and deploy/test. Installs what a fresh Debian or Ubuntu lacks, and prints what it
# installs. Each function may be called again at no cost. Nothing of the system is replaced or restarted. Only two
# things of this project are brought up to date: .venv (made anew if its Python is too old or pip is missing; its
# packages follow requirements.lock) and the small image (made anew if its programs have changed).

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

# What was started here ends with the script.
_end() {
    [ -z "${_podman_folder:-}" ] || _end_podman
    [ -z "${_engine:-}" ] || { kill "$_engine" 2>/dev/null && wait "$_engine" || true; }
}

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
    trap _end EXIT
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

# Podman's Docker-compatible service with our image, on podman_socket. All it keeps is in a folder that goes.
setup_podman() {
    [ "$(id -u)" = 0 ] || _fail "--podman needs root"
    _need podman podman
    _need catatonit catatonit
    _need runc runc # crun takes no cgroups that are half v1, half v2
    _podman_folder=$(mktemp -d "${TMPDIR:-/tmp}/forgehand-podman.XXXXXX")
    podman_socket=$_podman_folder/socket
    trap _end EXIT
    # Names without a registry are ours. The locks are files here, not those of the machine.
    cat >"$_podman_folder/containers.conf" <<-'END'
	[engine]
	compat_api_enforce_docker_hub = false
	lock_type = "file"
	END
    # Podman 4.3 gives every container 1048576 processes a user; a root without CAP_SYS_RESOURCE may not.
    cat >"$_podman_folder/runtime" <<-'END'
	#!/usr/bin/env bash
	most=$(ulimit -Hu)
	for word; do
	    if [ "${before:-}" = --bundle ] && [ "$most" != unlimited ]; then
	        sed -i "s/\(\"RLIMIT_NPROC\",\)[^}]*/\1\"hard\":$most,\"soft\":$most/" "$word/config.json"
	    fi
	    before=$word
	done
	exec runc "$@"
	END
    chmod +x "$_podman_folder/runtime"
    docker save forgehand-small | _podman load --quiet >/dev/null
    _say "starting podman system service until this script ends (log: $_podman_folder/log)"
    # There, because conmon leaves files where it is started.
    (cd "$_podman_folder" && _podman system service --time=0 "unix://$podman_socket" >log 2>&1) &
    _service=$!
    for _ in $(seq 60); do
        DOCKER_HOST="unix://$podman_socket" docker info >/dev/null 2>&1 && return
        sleep 0.5
    done
    tail -n 5 "$_podman_folder/log" >&2
    _fail "podman system service did not start"
}

_podman() {
    CONTAINERS_CONF="$_podman_folder/containers.conf" exec podman --root "$_podman_folder/root" \
        --runroot "$_podman_folder/run" --tmpdir "$_podman_folder/tmp" --runtime "$_podman_folder/runtime" \
        --cgroup-manager cgroupfs --events-backend file "$@"
}

_end_podman() {
    (_podman rm --all --force --time 0 >/dev/null 2>&1) || true
    [ -z "${_service:-}" ] || { kill "$_service" 2>/dev/null && wait "$_service" || true; }
    { findmnt --noheadings --raw --output TARGET | grep "^$_podman_folder/" | sort -r | xargs -r umount; } || true
    rm -rf "$_podman_folder"
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
