# Creates the clone in /workspace, or brings a retained one to the start of the next run. Runs in the tools
# container as the agent's uid. In a retained clone the agent may have changed any file in .git, so each may be
# false, fail or hang. A .git that git cannot use is moved to the agent's home; the work tree stays as it is.
#
# Arguments: fresh|kept, number of the run, branch, its start commit, the commit from which the files of a
# retained clone move to it or "", a pattern for the file of a session below the agent's home or "", the commit
# with the instruction files for the agent or "", pathspecs of these files, one per line, then pairs of a name
# below refs/ (a remote-tracking branch or a tag) and an id. The caller defines the function `empty`. Prints
# "session" if such a file exists, and "unmoved" if the files could not move: then the branch starts at the commit
# they come from.
set -eu

export LC_ALL=C GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_ATTR_NOSYSTEM=1 \
    GIT_NO_REPLACE_OBJECTS=1 GIT_NO_LAZY_FETCH=1 GIT_TERMINAL_PROMPT=0 \
    GIT_DIR=/workspace/.git GIT_COMMON_DIR=/workspace/.git GIT_WORK_TREE=/workspace \
    GIT_COMMITTER_NAME=forgehand GIT_COMMITTER_EMAIL=forgehand@localhost \
    GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=core.fsmonitor GIT_CONFIG_VALUE_0=false \
    GIT_CONFIG_KEY_1=core.hooksPath GIT_CONFIG_VALUE_1=/dev/null \
    GIT_CONFIG_KEY_2=safe.directory GIT_CONFIG_VALUE_2=/workspace

mode=$1 run=$2 branch=$3 start=$4 before=$5 session=$6 briefed_by=$7 instructions=$8
shift 8
newline='
'

# A fifo or a filter that never ends must not block the run. These commands read every file.
git() {
    case $1 in reset | read-tree | update-index | diff-files) seconds=600 ;; *) seconds=60 ;; esac
    status=0
    timeout -k 1 $seconds git "$@" || status=$?
    [ $status -ne 137 ] || : >/tmp/killed
    return $status
}

# Runs a function, and once more if a git in it was killed: a .git because of which git needs too much memory
# kills it again. Arguments: the function and its arguments.
twice() { rm -f /tmp/killed && "$@" || { [ -e /tmp/killed ] && "$@"; }; }

make() { git init -q --template= && mkdir -p .git/info .git/objects/info; }

plain() { [ -d "$1" ] && [ ! -L "$1" ]; }

# Prints the input of `git update-ref --stdin`. Arguments: the pairs.
refs() {
    echo "update refs/heads/$branch $start"
    shown=" "
    while [ $# -gt 1 ]; do
        case $1 in remotes/*)
            echo "update refs/$1 $2"
            shown="${shown}refs/$1 "
            ;;
        esac
        shift 2
    done
    git for-each-ref --format='%(refname)' refs/remotes/origin/ | while read -r ref; do
        case $shown in
        *" $ref "*) ;;
        *) echo "delete $ref" ;;
        esac
    done
}

# Sets the tags, so that `git describe` works. A tag of the agent may be in the way of one, but not of the others.
# Arguments: the pairs.
set_tags() {
    while [ $# -gt 1 ]; do
        case $1 in tags/*) echo "update refs/$1 $2" ;; esac
        shift 2
    done >/tmp/tags
    git update-ref --no-deref --stdin </tmp/tags 2>/dev/null || while read -r line; do
        echo "$line" | git update-ref --no-deref --stdin 2>/dev/null || true
    done </tmp/tags
}

# Sets the refs and resets. Arguments: the option of the reset, then the pairs. `set -e` has no effect in here,
# because the function is called in a condition.
bring() {
    how=$1
    shift
    plain .git && plain .git/objects && plain .git/objects/info || return
    find .git ! -xtype d ! -xtype f ! -xtype l -delete || return
    find .git -name '*.lock' -type f -delete || return
    # Unfinished merges and rebases refer to commits whose ids have changed.
    rm -rf .git/HEAD .git/commondir .git/objects/info/alternates \
        .git/rebase-apply .git/rebase-merge .git/sequencer || return
    echo "ref: refs/heads/$branch" >.git/HEAD || return
    # The agent's own git, without our environment, must find this repository.
    here=$(unset GIT_DIR GIT_COMMON_DIR GIT_WORK_TREE && git rev-parse --show-toplevel) || return
    [ "$here" = /workspace ] || return
    printf '/mirror/objects\n/quarantine/objects\n' >.git/objects/info/alternates || return
    refs "$@" >/tmp/refs || return
    git update-ref --no-deref --stdin </tmp/refs || return
    set_tags "$@"
    git reset -q "$how" || { rm -rf .git/index && git reset -q "$how"; }
}

set_aside() {
    [ -e .git ] || [ -L .git ] || return 0
    aside=/home/agent/broken-git-$run
    while [ -e "$aside" ] || [ -L "$aside" ]; do aside=$aside+; done
    if plain .git; then chmod -R u+rwX .git; fi
    mv .git "$aside"
}

# Removes existing files and folders at these paths, and makes their parent folders accessible. It does not
# follow links: git handles a link in place of a parent folder.
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

# Runs git without the agent's configuration and with an index of its own. Both are temporary.
plainly() (
    export GIT_DIR=/tmp/plain GIT_COMMON_DIR=/tmp/plain GIT_INDEX_FILE=/tmp/index \
        GIT_ALTERNATE_OBJECT_DIRECTORIES=/mirror/objects:/quarantine/objects
    git "$@"
)

# Names the two commits of a move from its first changed file to the next preparation. Until then, the files that
# differ between them are not the agent's.
moving=/home/agent/.forgehand-moving

# Ends an interrupted move: brings its files back to the commit at which the branch still is. What an agent writes
# into the record can only overwrite files of its own.
undo_move() {
    from=${before:-$start}
    if to=$(moved_to); then
        plainly read-tree "$from"
        sorted /tmp/undone diff-tree -r --no-renames "$from" "$to"
        xargs -0 -r sh -euc "$make_room" sh </tmp/undone
        plainly ls-files -z | sort -z >/tmp/names
        sort -zm /tmp/undone /tmp/names | uniq -zd | plainly checkout-index -q -f -z --stdin
    fi
    clear "$moving"
}

# Prints the commit to which a move from $from was interrupted; fails if there was none.
moved_to() {
    [ -f "$moving" ] && [ ! -L "$moving" ] && head -c 200 "$moving" >/tmp/record 2>/dev/null || return
    read -r commit to </tmp/record && [ "$commit" = "$from" ] || return
    case $to in *[!0-9a-f]*) return 1 ;; esac
    plainly init -q --template= && plainly cat-file -e "$to^{commit}" 2>/dev/null && echo "$to"
}

# Removes whatever the agent may have put at this path.
clear() {
    if plain "$1"; then chmod -R u+rwX "$1"; fi
    rm -rf "$1"
}

# Prepares the move of the files that are as in $before to $start. Modified and untracked files stay; if one is in
# the way, the function fails. Arguments: pathspecs of the instruction files, which stay for `brief`. `set -e` has no
# effect in here, as in `bring`.
may_move() {
    plainly init -q --template= || return
    sorted /tmp/changed diff-tree -r --no-renames --diff-filter=d "$before" "$start" || return
    look_from "$start" || return
    sorted /tmp/differ diff-files || return
    sort -zm /tmp/changed /tmp/differ /tmp/differ | uniq -zu >/tmp/moved
    look_from "$before" "$@" || return
    plainly update-index -z --add --replace --stdin </tmp/moved || return
    # git would write a file again that the agent has removed.
    sorted /tmp/removed diff-files --diff-filter=D || return
    sorted /tmp/left diff-index --cached --no-renames --diff-filter=MT "$start" || return
    sort -zm /tmp/removed /tmp/left | uniq -zd >/tmp/wanted
    [ ! -s /tmp/wanted ] || return
    plainly read-tree -n -m -u "$before" "$start"
}

move() {
    echo "$before $start" | dd of="$moving" conv=fsync status=none
    plainly read-tree -m -u "$before" "$start"
}

# Ends the script if the disk has no space for an index. A git that fails for want of space may not say so, and an
# agent can have it say so.
refuse_full_disk() {
    plainly init -q --template=
    plainly read-tree "$start"
    probe=/home/agent/.forgehand-probe
    clear "$probe"
    { cat /tmp/index && head -c 1048576 /dev/zero; } >"$probe" || { rm -f "$probe" && exit 1; }
    rm "$probe"
}

# sorted <result> <command>...: writes the paths that a git command lists.
sorted() {
    result=$1 command=$2
    shift 2
    plainly "$command" -z --name-only "$@" >/tmp/names && sort -z /tmp/names >"$result"
}

# Fills our index from a commit, with the instruction files of $start. Arguments: the commit, then pathspecs.
look_from() {
    plainly read-tree "$1" || return
    shift
    [ $# = 0 ] || plainly reset -q "$start" -- "$@" || return
    plainly update-index -q --refresh >/dev/null || [ $? = 1 ]
}

# Lists the instruction files that differ from the branch. Arguments: kinds of differences for --diff-filter, then
# the pathspecs.
differing() {
    how=$1
    shift
    plainly diff-tree -r -z --no-renames --name-only --diff-filter="$how" "$start" "$briefed_by" -- "$@"
}

# Writes the instruction files of $briefed_by into the work tree. The clone's index still has the branch's own,
# with the skip-worktree flag, so that the files are not committed by accident; the export makes sure of that.
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

# Excludes the files from `git status` if the branch does not have them. Arguments: the pathspecs.
exclude() {
    plain .git/info || { rm -rf .git/info && mkdir .git/info; }
    chmod -R u+rwX .git/info
    [ -f .git/info/exclude ] && [ ! -L .git/info/exclude ] || rm -rf .git/info/exclude
    touch .git/info/exclude
    printf '%s\n' "$@" | sed 's/^:([^)]*)//' >/tmp/ours
    if grep -vxF -f .git/info/exclude /tmp/ours >/tmp/missing; then
        # The last line of the agent's file may have no line end.
        { echo && cat /tmp/missing; } >>.git/info/exclude
    fi
}

cd /workspace
if [ "$mode" = fresh ]; then
    empty /workspace /home/agent
    make
    bring --hard "$@"
    before=
fi
undo_move
if [ -n "$before" ]; then
    pathspecs=
    [ -z "$briefed_by" ] || pathspecs=$instructions
    # shellcheck disable=SC2086 # one pathspec on a line
    if (IFS=$newline && set -f && twice may_move $pathspecs) 2>/tmp/said; then
        move
    else
        start=$before
        echo unmoved
    fi
fi
if [ "$mode" = kept ] && ! twice bring --mixed "$@" 2>/tmp/said; then
    refuse_full_disk
    set_aside
    make
    bring --mixed "$@"
fi

if [ -n "$briefed_by" ]; then
    IFS=$newline
    set -f
    # shellcheck disable=SC2086 # one pathspec on a line
    brief $instructions
fi

# A link could point anywhere, and a folder, a fifo or an empty file is not a session.
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
