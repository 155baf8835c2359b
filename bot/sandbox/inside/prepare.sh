# Makes the clone in /workspace, or brings a kept one to where the next run begins. Runs in the tools
# container as the agent's uid: in a kept clone every file of git's own is the agent's, so it may lie, fail
# or hang. What git cannot go on with is set aside in the agent's home, and the work tree stays as it is.
#
# Arguments: fresh|kept, number of the run, branch, commit it begins at, a pattern of the file of a session
# below the agent's home or "", commit whose instruction files the agent is shown or "", pathspecs of these,
# one on a line, then pairs of a name below refs/remotes/ and a commit. `empty` is given by the caller.
# Prints "session" where such a file is there.
set -eu

export LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 \
    GIT_NO_REPLACE_OBJECTS=1 GIT_NO_LAZY_FETCH=1 GIT_TERMINAL_PROMPT=0 \
    GIT_DIR=/workspace/.git GIT_COMMON_DIR=/workspace/.git GIT_WORK_TREE=/workspace \
    GIT_COMMITTER_NAME=forgehand GIT_COMMITTER_EMAIL=forgehand@localhost \
    GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=core.fsmonitor GIT_CONFIG_VALUE_0=false \
    GIT_CONFIG_KEY_1=core.hooksPath GIT_CONFIG_VALUE_1=/dev/null \
    GIT_CONFIG_KEY_2=safe.directory GIT_CONFIG_VALUE_2=/workspace

mode=$1 run=$2 branch=$3 start=$4 session=$5 briefed_by=$6 instructions=$7
shift 7

# A fifo or a filter that never ends must not hold the run. A reset reads every file.
git() {
    case $1 in reset) seconds=600 ;; *) seconds=60 ;; esac
    timeout -k 1 $seconds git "$@"
}

make() { git init -q --template= && mkdir -p .git/info .git/objects/info; }

plain() { [ -d "$1" ] && [ ! -L "$1" ]; }

# What `git update-ref --stdin` reads. Arguments: the pairs.
refs() {
    echo "update refs/heads/$branch $start"
    shown=" "
    while [ $# -gt 1 ]; do
        echo "update refs/remotes/$1 $2"
        shown="${shown}refs/remotes/$1 "
        shift 2
    done
    git for-each-ref --format='%(refname)' refs/remotes/origin/ | while read -r ref; do
        case $shown in
        *" $ref "*) ;;
        *) echo "delete $ref" ;;
        esac
    done
}

# Arguments: how to reset, then the pairs. No `set -e` in here: it is called in a condition.
bring() {
    how=$1
    shift
    plain .git && plain .git/objects && plain .git/objects/info || return
    find .git ! -xtype d ! -xtype f ! -xtype l -delete || return
    find .git -name '*.lock' -type f -delete || return
    # Merges and rebases that were going on knew commits by ids that are no more.
    rm -rf .git/HEAD .git/commondir .git/objects/info/alternates \
        .git/rebase-apply .git/rebase-merge .git/sequencer || return
    echo "ref: refs/heads/$branch" >.git/HEAD || return
    # What the agent's own git will make of it, without our environment.
    here=$(unset GIT_DIR GIT_COMMON_DIR GIT_WORK_TREE && git rev-parse --show-toplevel) || return
    [ "$here" = /workspace ] || return
    printf '/mirror/objects\n/quarantine/objects\n' >.git/objects/info/alternates || return
    refs "$@" >/tmp/refs || return
    git update-ref --no-deref --stdin </tmp/refs || return
    git reset -q "$how" || { rm -rf .git/index && git reset -q "$how"; }
}

set_aside() {
    [ -e .git ] || [ -L .git ] || return 0
    aside=/home/agent/broken-git-$run
    while [ -e "$aside" ] || [ -L "$aside" ]; do aside=$aside+; done
    if plain .git; then chmod -R u+rwX .git; fi
    mv .git "$aside"
}

# Makes room for what is put at these paths, and for what is put below a folder that the agent has closed.
# No path leads through a link: what is in the way above one is left to git.
# shellcheck disable=SC2016 # a script of its own, for xargs
make_room='
for path; do
    at=. left=$path/
    while [ "$left" ] && [ -d "$at" ] && [ ! -L "$at" ]; do
        [ "$at" = . ] || chmod u+rwx "$at"
        at=$at/${left%%/*} left=${left#*/}
    done
    if [ -z "$left" ]; then
        if [ -d "$at" ] && [ ! -L "$at" ]; then chmod -R u+rwX "$at"; fi
        rm -rf "$at"
    fi
done'

# git without what the agent has configured, and with an index of its own. Both are thrown away.
plainly() (
    export GIT_DIR=/tmp/plain GIT_COMMON_DIR=/tmp/plain GIT_INDEX_FILE=/tmp/index \
        GIT_ALTERNATE_OBJECT_DIRECTORIES=/mirror/objects:/quarantine/objects
    git "$@"
)

# Arguments: how they differ from the branch's own, as --diff-filter has it, then the pathspecs.
differing() {
    how=$1
    shift
    plainly diff-tree -r -z --no-renames --name-only --diff-filter="$how" "$start" "$briefed_by" -- "$@"
}

# Puts the instruction files of $briefed_by into the work tree. The clone's index keeps the branch's own and
# is told to leave the files alone, so that they do not end in commits by accident; the export makes sure.
# Arguments: the pathspecs.
brief() {
    plainly init -q --template=
    plainly read-tree "$briefed_by"
    plainly ls-files -z -- "$@" >/tmp/there
    differing D "$@" >/tmp/gone
    cat /tmp/gone /tmp/there | xargs -0 -r sh -euc "$make_room" sh
    plainly checkout-index -q -f -z --stdin </tmp/there
    differing a "$@" >/tmp/other
    git update-index -z --skip-worktree --stdin </tmp/other
    exclude "$@"
}

# Of files that the branch does not have, git then says nothing. Arguments: the pathspecs.
exclude() {
    plain .git/info || { rm -rf .git/info && mkdir .git/info; }
    chmod -R u+rwX .git/info
    [ -f .git/info/exclude ] && [ ! -L .git/info/exclude ] || rm -rf .git/info/exclude
    touch .git/info/exclude
    printf '%s\n' "$@" | sed 's/^:([^)]*)//' >/tmp/ours
    if grep -vxF -f .git/info/exclude /tmp/ours >/tmp/missing; then
        # The agent's last line may have no end.
        { echo && cat /tmp/missing; } >>.git/info/exclude
    fi
}

cd /workspace
if [ "$mode" = fresh ]; then
    empty /workspace /home/agent
    make
    bring --hard "$@"
elif ! bring --mixed "$@" 2>/tmp/said; then
    set_aside
    make
    bring --mixed "$@"
fi

if [ -n "$briefed_by" ]; then
    IFS='
'
    set -f
    # shellcheck disable=SC2086 # one pathspec on a line
    brief $instructions
fi

# A link may lead anywhere, and a folder, a fifo or an empty file is no session.
if [ -n "$session" ]; then
    set +f
    IFS=
    # shellcheck disable=SC2231 # a pattern
    for file in /home/agent/$session; do
        if [ -f "$file" ] && [ ! -L "$file" ] && [ -s "$file" ]; then
            echo session
            break
        fi
    done
fi
