# Takes an agent's work out of /workspace. Runs in the tools container: every line here reads what an
# agent wrote, so it may lie, fail or hang, and the host believes none of it unchecked.
#
# Arguments: commits the host has already, whose objects need not come along.
# Stdout: "<HEAD>\n<snapshot>\n<%010d bytes of result>\n<%010d bytes of question>\n", the two files, a thin
# pack. Or "!" and why there is nothing to take.
#
# The clone is not changed: index and new objects are copies in /tmp, whose size is limited.
set -u
exec 3>&1 4>&2 >/dev/null 2>/tmp/said

export HOME=/nonexistent LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 \
    GIT_NO_REPLACE_OBJECTS=1 GIT_NO_LAZY_FETCH=1 GIT_GRAFT_FILE=/dev/null GIT_TERMINAL_PROMPT=0 \
    GIT_OPTIONAL_LOCKS=0 GIT_DIR=/workspace/.git GIT_WORK_TREE=/workspace GIT_INDEX_FILE=/tmp/index \
    GIT_CONFIG_COUNT=4 GIT_CONFIG_KEY_0=core.fsmonitor GIT_CONFIG_VALUE_0=false \
    GIT_CONFIG_KEY_1=core.hooksPath GIT_CONFIG_VALUE_1=/dev/null \
    GIT_CONFIG_KEY_2=core.untrackedCache GIT_CONFIG_VALUE_2=false \
    GIT_CONFIG_KEY_3=safe.directory GIT_CONFIG_VALUE_3=/workspace

refuse() {
    printf '!%s %s' "$1" "$(grep -E '^(error|fatal):' /tmp/said | head -c 1000)" >&3
    exit 0
}

plain() { [ -f "$1" ] && [ ! -L "$1" ]; }

cd /workspace || refuse 'The workspace is gone.'
found=$(git rev-parse --git-path objects 'HEAD^{commit}' 'HEAD^{tree}') ||
    refuse 'The clone has no commit to take: its .git is broken, or HEAD names nothing.'
# shellcheck disable=SC2086 # three words
set -- $found -- "$@"
objects=$1 head=$2 tree=$3
shift 4

mkdir -p /tmp/objects
export GIT_OBJECT_DIRECTORY=/tmp/objects \
    GIT_ALTERNATE_OBJECT_DIRECTORIES="$objects:/mirror/objects:/quarantine/objects"

if plain .git/index; then
    cp .git/index /tmp/index
else
    git read-tree "$head"
fi
git add --all || refuse 'The uncommitted files could not be read, or are more than fits:'
now=$(git write-tree) || refuse 'The index could not be read:'
snapshot=$head
if [ "$now" != "$tree" ]; then
    # The run's own start: repeated, the same export gives the same ids.
    date=$(stat -c %Y /task/prompt.md) || date=$(git log -1 --format=%ct "$head")
    export GIT_AUTHOR_NAME=agent GIT_AUTHOR_EMAIL=agent@localhost GIT_AUTHOR_DATE="$date +0000" \
        GIT_COMMITTER_NAME=agent GIT_COMMITTER_EMAIL=agent@localhost GIT_COMMITTER_DATE="$date +0000"
    snapshot=$(git commit-tree "$now" -p "$head" </dev/null) || refuse 'The uncommitted files could not be kept:'
fi

for name in result.json question.md; do
    : >"/tmp/$name"
    if plain "/task/out/$name"; then
        head -c 65536 "/task/out/$name" >"/tmp/$name"
    fi
done
printf '%s\n%s\n%010d\n%010d\n' "$head" "$snapshot" \
    "$(stat -c %s /tmp/result.json)" "$(stat -c %s /tmp/question.md)" >&3
cat /tmp/result.json /tmp/question.md >&3
{
    printf '%s\n' "$head" "$snapshot"
    for known in "$@"; do printf '^%s\n' "$known"; done
} | git pack-objects --revs --thin --stdout --delta-base-offset -q >&3 || {
    tail -c 1000 /tmp/said >&4
    exit 1
}
