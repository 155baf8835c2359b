# Part of export.sh: calls of programs, and early exits.
set -u
exec 3>&1 4>&2 >/dev/null 2>/tmp/said

export HOME=/nonexistent LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 \
    GIT_NO_REPLACE_OBJECTS=1 GIT_NO_LAZY_FETCH=1 GIT_TERMINAL_PROMPT=0 \
    GIT_DIR=/tmp/ours GIT_WORK_TREE=/workspace GIT_INDEX_FILE=/tmp/index
most_bytes=$1 most_in_all=$2 most_files=$3 most_folders=$4
shift 4
start=$1
most_names=134217728 # bytes of all paths in HEAD
too_deep="^([^/]*/){$((most_folders + 1))}"
seconds=60 # for one call of git
reading=300 # for one call that reads all files
attributes=$GIT_DIR/info/attributes

git() {
    timeout -k 1 "$seconds" git "$@"
    status=$?
    case $status in
    124) echo "fatal: git $1 took longer than $seconds seconds" ;;
    137) echo "fatal: git $1 was killed" && : >/tmp/killed ;;
    esac >&2
    return $status
}

# If a program fails, a path may be missing from a list without notice, because the shell does not report a
# failure inside a pipeline. So the failure is noted here and checked at the end. 141: the reader closed the pipe.
noting() {
    command "$@"
    status=$?
    case $1:$status in
    *:0 | *:141 | grep:1) ;;
    *:137) : >/tmp/killed ;;
    *) : >/tmp/failed ;;
    esac
    return $status
}
cat() { noting cat "$@"; }
cut() { noting cut "$@"; }
grep() { noting grep "$@"; }
sed() { noting sed "$@"; }
sort() { noting sort "$@"; }
tr() { noting tr "$@"; }
uniq() { noting uniq "$@"; }
xargs() { noting xargs "$@"; }

# Exits if a program was killed: only the host can tell whether the agent's files need too much memory.
exit_if_killed() {
    if [ -e /tmp/killed ]; then
        tail -c 1000 /tmp/said >&4
        exit 137
    fi
}

# Refuses the export and exits. Arguments: a code of refusals.py, then files; the first NUL-terminated item in
# them is the path.
refuse() {
    exit_if_killed
    code=$1
    shift
    printf '!%s\n%s\0' "$code" "$(grep -aE '^(error|fatal):' /tmp/said | head -c 1000)" >&3
    if [ $# -gt 0 ]; then cat "$@" | head -z -n 1 | head -c 4096 >&3; fi
    exit 0
}

refuse_if_any() { [ ! -s "$2" ] || refuse "$1" "$2"; }

# plain <path> <bytes>: tells whether this is a regular file, not a link, of at most so many bytes.
plain() { [ -f "$1" ] && [ ! -L "$1" ] && [ "$(stat -c %s "$1")" -le "$2" ]; }

# Operations on sets of NUL-terminated paths, each sorted and without duplicates.
both() { sort -zm "$1" "$2" | uniq -zd; }
only_first() { sort -zm "$1" "$2" "$2" | uniq -zu; }
# Prints the paths from stdin that are folders.
folders() {
    xargs -0 -r sh -c 'for path; do
        [ ! -d "./$path" ] || [ -L "./$path" ] || printf "%s\0" "$path"
    done' sh
}
# Prints the paths from stdin that are folders with a repository of their own.
repositories() {
    folders | xargs -0 -r sh -c 'for path; do
        [ ! -e "./$path/.git" ] || printf "%s\0" "$path"
    done' sh
}
count() { tr -dc '\0' | wc -c; }

fail() {
    exit_if_killed
    tail -c 1000 /tmp/said >&4
    exit 1
}
